"""Many image files, one answer each: what a command line or a watched folder feeds to the inspector.

Covered: a bad image is answered with its reason and the batch goes on. A failing engine or log stops it: every image
after would fail likewise.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.edge.decode import decode, read_bytes, sniff
from deploy.edge.errors import ImageError, UserError
from deploy.edge.files import sha256_bytes
from deploy.edge.headers import SUFFIXES
from deploy.edge.inspector import Inspection, Inspector
from deploy.edge.prediction_log import PredictionLog

NO_ANSWER = "without answer"
OUTCOMES = {
    "accept": "accepted",
    "reject": "rejected",
    "review": "for review",
    "classified": "classified",
}
_SUFFIXES = frozenset(suffix for names in SUFFIXES.values() for suffix in names)
_HEAD = 64


@dataclass(frozen=True)
class Answer:
    """One image's outcome: `inspection` or `error`, never both. `image_id` is '' for a file that cannot be read."""

    path: Path
    image_id: str = ""
    inspection: Inspection | None = None
    error: ImageError | None = None

    def line(self, classes: Sequence[str], model: str) -> dict[str, Any]:
        """The JSON line that is shown: probabilities by class name, no embedding; or `error` and `reason`."""
        start: dict[str, Any] = {"path": str(self.path), "image_id": self.image_id}
        if self.inspection is None:
            return {**start, "reason": self.error and self.error.reason, "error": str(self.error)}
        found, verdict = self.inspection, self.inspection.verdict
        return {
            **start,
            "model": model,
            "outcome": verdict.outcome,
            "label": verdict.label,
            "confidence": round(verdict.confidence, 6),
            "p_defect": None if verdict.p_defect is None else round(verdict.p_defect, 6),
            "probabilities": {
                name: round(float(p), 6)
                for name, p in zip(classes, found.probabilities, strict=True)
            },
            "brightness": round(found.statistics.brightness, 2),
            "contrast": round(found.statistics.contrast, 2),
            "sharpness": round(found.statistics.sharpness, 2),
            "latency_ms": round(found.latency_ms, 3),
        }


def find_images(wanted: Iterable[str]) -> list[Path]:
    """Files meant by files, folders and globs, each once, in a stable order.

    In a folder: what is named like an image, and what is one whatever its name. A named file is taken as it is, so
    that a missing one is reported and not skipped.
    """
    found: dict[Path, None] = {}
    for text in wanted:
        if not text.strip():  # Path("") would be the current folder, with all that lies below
            raise UserError("an empty path for images: is the shell variable behind it set?")
        path = Path(text)
        if path.is_dir():
            paths = _in_folder(path)
        elif glob.has_magic(text) and not path.exists():
            paths = _in_glob(text)
        else:
            paths = [path]
        found.update(dict.fromkeys(paths))
    return list(found)


def inspect_files(
    inspector: Inspector,
    paths: Iterable[Path],
    *,
    log: PredictionLog | None = None,
    max_megapixels: float = 100.0,
) -> Iterator[Answer]:
    """An answer per path, logged before it is given."""
    for path in paths:
        answer = _inspect(inspector, path, max_megapixels)
        if log is not None and answer.inspection is not None:
            log.append(
                answer.inspection,
                image_id=answer.image_id,
                path=str(path),
                model=inspector.bundle.digest,
            )
        yield answer


def counted(counts: Mapping[str, int]) -> str:
    """How many images had which outcome, in a sentence; shares are of those that were answered.

    Where parts are accepted or rejected, both are told though one of them is 0.
    """
    answered = sum(number for outcome, number in counts.items() if outcome != NO_ANSWER)
    decided = any(counts.get(outcome) for outcome in ("accept", "reject"))
    told = [
        f"{number} {word} ({number / answered:.1%})"
        for outcome, word in OUTCOMES.items()
        if (number := counts.get(outcome, 0)) or (decided and outcome in ("accept", "reject"))
    ]
    if missing := counts.get(NO_ANSWER):
        told.append(f"{missing} {NO_ANSWER}")
    return f"{sum(counts.values())} images: {', '.join(told)}"


def _inspect(inspector: Inspector, path: Path, max_megapixels: float) -> Answer:
    image_id = ""
    try:
        data = read_bytes(path, max_megapixels=max_megapixels)
        image_id = sha256_bytes(data)
        pixels = decode(data, max_megapixels=max_megapixels).pixels
    except ImageError as error:
        return Answer(path, image_id, error=error)
    return Answer(path, image_id, inspection=inspector.inspect(pixels))


def _in_folder(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    images = [
        path
        for path in files
        if not path.name.startswith(".") and (path.suffix.lower() in _SUFFIXES or _is_image(path))
    ]
    if not images:
        raise UserError(f"no images in '{folder}' ({len(files)} files): give a folder with images")
    return images


def _in_glob(pattern: str) -> list[Path]:
    paths = [Path(name) for name in glob.glob(pattern, recursive=True)]  # noqa: PTH207 - absolute patterns too
    files = sorted(path for path in paths if path.is_file())
    if not files:
        raise UserError(f"no file matches '{pattern}': check the pattern, and quote it")
    return files


def _is_image(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            sniff(stream.read(_HEAD))
    except OSError:
        return False
    except ImageError as error:
        return error.reason == "truncated"  # the start of an image; only the head was read
    return True
