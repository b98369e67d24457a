"""Where a label comes from: the data set's own layout, or a pattern on the file's name that overrides it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from inspection.config import DataConfig
from inspection.data.readers.files import Fault
from inspection.data.readers.stated import one_line, shown
from inspection.errors import DataError

BESIDE_SLASH = re.compile(r"\\.|\[\^?\]?[^]]*\]")
"""Parts of a pattern in which a slash asks for none: escapes, and sets such as `[^/]`."""


@dataclass(frozen=True)
class Label:
    """A class name, the rule that gave it, and the fault when a pattern was to give one and did not."""

    name: str | None
    source: str | None
    fault: Fault | None = None


class LabelRule:
    """`data.label_pattern`, checked once: a regular expression whose first group is the label."""

    def __init__(self, config: DataConfig) -> None:
        self.pattern = _compiled(config.label_pattern)

    def label(self, stem: str, own: str | None, source: str, *, path: str | None = None) -> Label:
        """The label of the file called `stem`: what the pattern finds, or without a pattern the reader's `own`.

        A pattern with a slash, which no stem holds, is searched in `path`, the place below the root, if that is given.
        """
        if self.pattern is None:
            return Label(own, source if own is not None else None)
        if path is not None and "/" in BESIDE_SLASH.sub("", self.pattern.pattern):
            stem = path
        match = self.pattern.search(stem)
        if match and (found := match.group(1)):
            return Label(found, "filename")
        sentence = (
            f"{shown(stem)} does not match data.label_pattern {shown(self.pattern.pattern)}: "
            "rename the file or mend the pattern"
        )
        return Label(None, None, ("label_unmatched", sentence))


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(
            f"data.label_pattern: {shown(pattern)} is no regular expression ({one_line(error)}); mend it"
        ) from error
    if compiled.groups < 1:
        raise DataError(
            f"data.label_pattern: {shown(pattern)} has no group; put the label in brackets: '^(.+)_\\d+$'"
        )
    return compiled
