"""A data set that nobody has to download: six classes of surface, and on purpose the faults that real folders have.

Layout of Magnetic-tile (`<class>/Imgs/x.jpg` and `x.png`, the mask). `truth.json` names everything that was planted, so
that a test can ask whether the checks found it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge.files import canonical_json, sha256_bytes, write_json
from inspection.config import SyntheticConfig
from inspection.data.surfaces import CLASSES, OK, Canvas, Mask, part
from inspection.progress import track

TRUTH = "truth.json"
RECIPE = 3
"""Part of every folder's name: raise it with any change to what is drawn, or an old folder is taken for the new one."""
MARGIN = 4
"""Pixels drawn beyond each edge, so that a re-capture can be shifted and still be full of surface."""
CORRUPTIONS = ("truncated", "empty", "text", "header_only")


@dataclass(frozen=True)
class SyntheticTruth:
    """What was drawn and what was planted, in paths relative to `root`.

    `boxes`: (x0, y0, x1, y1) of each connected defect region. `corrupt`: path to kind. `near_duplicates` and
    `conflicts`: pairs of paths. `renamed`: good images, PNG by content and `.jpg` by name.
    """

    root: Path
    classes: tuple[str, ...]
    images: int
    near_duplicates: tuple[tuple[str, str], ...]
    conflicts: tuple[tuple[str, str], ...]
    corrupt: dict[str, str]
    renamed: tuple[str, ...]
    boxes: dict[str, list[list[int]]]


@dataclass(frozen=True)
class _Drawn:
    """One part before it is photographed: a canvas with a margin, its mask, its class and where it is filed."""

    canvas: Canvas
    mask: Mask
    label: str
    folder: str
    number: int

    def path(self, suffix: str = "") -> str:
        return f"{self.folder}/Imgs/part_{self.label}_{self.number:05d}{suffix}.jpg"


def recipe_digest(config: SyntheticConfig, *, seed: int) -> str:
    """Content address of what `generate` draws."""
    return sha256_bytes(canonical_json([RECIPE, config.model_dump(mode="json"), seed]))


def generate(folder: Path, config: SyntheticConfig, *, seed: int) -> SyntheticTruth:
    """Draw the data set into `folder`, whole or not at all; an existing one is returned as it is."""
    if not (folder / TRUTH).exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            _write(aside, config, seed)
            _move_into_place(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return _load(folder)


def _move_into_place(aside: Path, folder: Path) -> None:
    try:
        aside.chmod(0o755)
        os.rename(aside, folder)  # noqa: PTH104 - Path.rename would say the same, less plainly
    except OSError:
        if not (folder / TRUTH).exists():  # else another run drew the same images first
            raise


def _load(folder: Path) -> SyntheticTruth:
    raw = json.loads((folder / TRUTH).read_text())
    pairs = {name: tuple((a, b) for a, b in raw[name]) for name in ("near_duplicates", "conflicts")}
    names = {name: tuple(raw[name]) for name in ("classes", "renamed")}
    return SyntheticTruth(**{**raw, **pairs, **names, "root": folder})


def _write(folder: Path, config: SyntheticConfig, seed: int) -> None:
    for label in CLASSES:
        (folder / label / "Imgs").mkdir(parents=True)
    total = config.images_per_class * len(CLASSES)
    filed = _folders(config, seed)
    near: list[tuple[str, str]] = []
    boxes: dict[str, list[list[int]]] = {}
    for position in track(range(total), "drawing images", total):
        drawn = _draw(position, filed[position], config, seed)
        random = np.random.default_rng([seed, 1, position])
        boxes[drawn.path()] = _photograph(folder, drawn, config, random, suffix="", again=False)
        if random.random() < config.near_duplicates:
            again = drawn.path("_again")
            boxes[again] = _photograph(folder, drawn, config, random, suffix="_again", again=True)
            near.append((drawn.path(), again))
    images = sorted(boxes)
    conflicts = _plant_conflicts(folder, images, config, seed)
    agreed = sorted(set(images) - {path for pair in conflicts for path in pair})
    planted: dict[str, Any] = {
        "classes": CLASSES,
        "images": len(images),
        "near_duplicates": near,
        "boxes": boxes,
        "conflicts": conflicts,
        "renamed": _plant_renamed(folder, agreed, config, seed),
        "corrupt": _plant_corrupt(folder, images, config, seed),
    }
    write_json(folder / TRUTH, planted)


def _folders(config: SyntheticConfig, seed: int) -> list[str]:
    """The class folder of each image: its own class, or a random one's when labels are shuffled."""
    own = [label for label in CLASSES for _ in range(config.images_per_class)]
    if config.shuffle_labels:
        np.random.default_rng([seed, 2]).shuffle(own)
    return own


def _draw(position: int, folder: str, config: SyntheticConfig, seed: int) -> _Drawn:
    label, number = CLASSES[position // config.images_per_class], position % config.images_per_class
    random = np.random.default_rng([seed, 0, position])
    canvas, mask = part(label, config.size + 2 * MARGIN, random)
    return _Drawn(canvas, mask, label, folder, number)


def _photograph(
    root: Path,
    drawn: _Drawn,
    config: SyntheticConfig,
    random: np.random.Generator,
    *,
    suffix: str,
    again: bool,
) -> list[list[int]]:
    """Write image and mask; a second photograph is shifted, exposed, grained and compressed differently."""
    dx, dy = (random.integers(-2, 3, size=2) if again else (0, 0)) + np.array([MARGIN, MARGIN])
    window = np.s_[dy : dy + config.size, dx : dx + config.size]
    gain, grain = (random.uniform(0.88, 1.12), 2.0) if again else (1.0, 1.0)
    noise = random.standard_normal((config.size, config.size)) * grain
    image = np.clip(drawn.canvas[window] * gain + noise, 0, 255).astype(np.uint8)
    quality = int(random.integers(70, 85)) if again else 92
    path = root / drawn.path(suffix)
    mask = np.ascontiguousarray(drawn.mask[window])
    _save(path, image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    _save(path.with_suffix(".png"), mask, [])
    return _boxes(mask)


def _save(path: Path, pixels: npt.NDArray[np.uint8], options: list[int]) -> None:
    path.write_bytes(_encoded(path.suffix, pixels, options))


def _encoded(suffix: str, pixels: npt.NDArray[Any] | None, options: list[int]) -> bytes:
    done, data = (False, None) if pixels is None else cv2.imencode(suffix, pixels, options)
    if not done or data is None:
        raise OSError(f"OpenCV could not encode an image as {suffix}")
    return data.tobytes()


def _boxes(mask: Mask) -> list[list[int]]:
    """Boxes of connected regions of at least four pixels."""
    _, _, found, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return [[int(x), int(y), int(x + w), int(y + h)] for x, y, w, h, area in found[1:] if area >= 4]


def _plant_conflicts(
    folder: Path, images: list[str], config: SyntheticConfig, seed: int
) -> list[tuple[str, str]]:
    """The same photograph under two labels."""
    random = np.random.default_rng([seed, 3])
    pairs = []
    defects = [path for path in images if not path.startswith(OK)]
    count = min(config.label_conflicts, len(defects))
    for number, path in enumerate(random.choice(defects, size=count, replace=False)):
        others = [label for label in CLASSES if label != path.split("/")[0]]
        copy = f"{random.choice(others)}/Imgs/relabelled_{number:03d}.jpg"
        for suffix in (".jpg", ".png"):
            shutil.copyfile(
                (folder / path).with_suffix(suffix), (folder / copy).with_suffix(suffix)
            )
        pairs.append((str(path), copy))
    return pairs


def _plant_renamed(
    folder: Path, images: list[str], config: SyntheticConfig, seed: int
) -> list[str]:
    """The pixels stay as they are, the content becomes PNG, the name does not: half as many as corrupt files."""
    random = np.random.default_rng([seed, 5])
    chosen = random.choice(images, size=min(config.corrupt_files // 2, len(images)), replace=False)
    for path in chosen:
        pixels = cv2.imread(str(folder / path), cv2.IMREAD_UNCHANGED)
        (folder / path).write_bytes(_encoded(".png", pixels, []))
    return [str(path) for path in chosen]


def _plant_corrupt(
    folder: Path, images: list[str], config: SyntheticConfig, seed: int
) -> dict[str, str]:
    """Files that a camera, a network or a hurried hand has broken, each with a good mask beside it."""
    random = np.random.default_rng([seed, 4])
    planted = {}
    for number in range(config.corrupt_files):
        kind = CORRUPTIONS[number % len(CORRUPTIONS)]
        source = folder / str(random.choice(images))
        path = f"{random.choice(CLASSES)}/Imgs/broken_{number:03d}.jpg"
        (folder / path).write_bytes(_broken(kind, source.read_bytes()))
        shutil.copyfile(source.with_suffix(".png"), (folder / path).with_suffix(".png"))
        planted[path] = kind
    return planted


def _broken(kind: str, data: bytes) -> bytes:
    return {
        "truncated": data[: len(data) // 2],
        "empty": b"",
        "text": b"The camera was busy; try again later.\n",
        "header_only": data[:24],
    }[kind]
