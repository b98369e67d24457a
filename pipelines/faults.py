"""Any exception as one sentence and an exit code: ours speak for themselves, the disk is the user's, the rest us."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence

from deploy.registry.tracking import DAMAGED
from inspection.errors import Interrupted, PlumblineError, UserError

DISK = {
    errno.ENOSPC: "free some space, or set PLUMBLINE_STORE to a larger disk",
    errno.EDQUOT: "raise the quota, or set PLUMBLINE_STORE to another disk",
    errno.EROFS: "give a place that can be written (of the store: PLUMBLINE_STORE)",
    errno.EACCES: "give yourself the right, or another place (of the store: PLUMBLINE_STORE)",
    errno.EPERM: "give yourself the right, or another place (of the store: PLUMBLINE_STORE)",
    errno.ENAMETOOLONG: "give a shorter name",
}
WORDS = {
    "disk is full": errno.ENOSPC,
    "No space left on device": errno.ENOSPC,
    "readonly database": errno.EROFS,
}
"""What SQLite (beneath SQLAlchemy) and safetensors say in words, without a number."""
STOPPED = ("RunInterruptedException", "RunStoppedException", "KeyboardInterrupt")
"""ZenML's names for SIGTERM and SIGINT, by name: importing ZenML takes a second."""
STOPPED_SENTENCE = "stopped by a signal; run it again: finished steps are not repeated"
STOPPED_DATA = "stopped by a signal; no file is half-written: run it again"
STOPPED_KEEPS = {
    "import": "stopped by a signal; run it again: of a large set, what was read is kept",
    "fetch": "stopped by a signal; run it again: what was downloaded is kept",
    "embed": "stopped by a signal; run it again: finished vectors are kept in the store",
}
"""Commands of `plumbline data` that go on where they were."""


def as_ours(error: BaseException) -> PlumblineError:
    """The error itself if it is ours; else the full disk or the damaged file behind it; else a fault of ours."""
    for cause in _chain(error):
        if isinstance(cause, PlumblineError):
            return cause
        if type(cause).__name__ in STOPPED:
            return Interrupted(STOPPED_SENTENCE)
        if (number := _disk_errno(cause)) is not None:
            return UserError(
                f"{_disk_line(cause)}: {DISK[number]}; nothing is half-written, run again"
            )
        if said := next((words for words in DAMAGED if words in str(cause)), None):
            return UserError(
                f"a database of the store (PLUMBLINE_STORE) is damaged ({said}): put its backup back, then run again"
            )
    return PlumblineError(
        f"{_first_line(error)} (a fault in Plumbline: PLUMBLINE_DEBUG=1 shows where)"
    )


def stopped_sentence(arguments: Sequence[str]) -> str:
    """What a signal costs, which each command answers for itself."""
    words = [word for word in arguments if not word.startswith("-")]
    if words[:1] != ["data"]:
        return STOPPED_SENTENCE
    return STOPPED_KEEPS.get(words[1] if len(words) > 1 else "", STOPPED_DATA)


def sentence_of(error: BaseException) -> str:
    """Our own errors speak for themselves; of others, the type and the first line."""
    if type(error).__name__ in STOPPED:
        return STOPPED_SENTENCE
    return str(error) if isinstance(error, PlumblineError) else _first_line(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    here: BaseException | None = error
    while here is not None and id(here) not in seen:
        seen.add(id(here))
        yield here
        here = here.__cause__


def _disk_errno(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno in DISK:
        return error.errno
    return next((number for words, number in WORDS.items() if words in str(error)), None)


def _disk_line(error: BaseException) -> str:
    """The line that says so: SQLAlchemy may put another above it."""
    lines = [line for line in str(error).splitlines() if any(words in line for words in WORDS)]
    return lines[0].strip() if lines and not isinstance(error, OSError) else _first_line(error)


def _first_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0]}"
