"""An image index as a YOLO folder that can be trained on and read back: images, labels, lists of the parts, names.

    data.yaml      names; train: train.txt, val: val.txt, test: test.txt, as far as the index has a split
    train.txt      ./images/train/a.jpg
    images/train/a.jpg      labels/train/a.txt

Covered: boxes; as soon as anything has pixels, outlines only, because readers take a file for the one or the other;
the source is only read. Not covered: labels of images, which YOLO has no place for (counted); a power cut meanwhile.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import yaml

from inspection.data.drawn_objects import DrawnImage, Object, drawn_images
from inspection.data.export import (
    ABOUT_IMAGES,
    MASK_THRESHOLD,
    Written,
    by_class,
    nameless_masks,
    unsaid,
)
from inspection.data.index import SPLITS, ImageIndex
from inspection.data.made_folder import made_folder
from inspection.data.outlines import outlines_of
from inspection.data.placed_images import place_images
from inspection.data.readers.base import Box
from inspection.data.readers.yolo import IMAGES, label_place
from inspection.errors import DataError

DECIMALS = 10
"""Of a share in a YOLO file: 1e-5 px in an image of 100,000."""
UNSPLIT = "unsplit"
"""Folder of images without a split where others have one."""
PARTS_APART = "region of several parts: an outline for each part"
HOLES = "hole in an outline: kept by a line of no width that joins it to the outline"
BOX_AS_OUTLINE = "box written as its four corners: other objects have outlines"
NOTHING_DRAWN = (
    "image with a class and nothing drawn: its label file is empty, which means no object"
)
OTHER_LABEL = "image with another class than what is drawn on it: only what is drawn is written"


@dataclass(frozen=True)
class YoloFolder(Written):
    """What was written, and how the images were put there."""

    parts: dict[str, int] = field(default_factory=dict)
    """Images by split; empty without one."""
    placed: dict[str, int] = field(default_factory=dict)
    """Images by how they are there: hard links, symbolic links, copies; empty for none."""
    undrawn_labels: tuple[str, ...] = ()
    """Classes of the images on which nothing is drawn."""


def to_yolo(
    index: ImageIndex, folder: Path, *, mask_threshold: int = MASK_THRESHOLD, images: str = "none"
) -> YoloFolder:
    """The YOLO folder, which must be new or empty; whole or not at all.

    `images` is link, copy or none: "link" takes no room, as hard links where the disk can and else as symbolic ones.
    DataError when nothing is drawn on any image, when two images share a label file, when an image is gone.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"export: '{folder}' is not empty; give a new folder")
    drawn = drawn_images(index, mask_threshold=mask_threshold)
    if not any(image.objects for image in drawn):
        raise DataError(
            f"export: no box, region or mask with marks on any of {len(drawn)} images, and YOLO has no place "
            "for an image's class: export as coco or manifest"
        )
    places = _places([image.row["path"] for image in drawn], _splits(drawn))
    texts, lost = _texts(drawn, places)
    with made_folder(folder.resolve()) as aside:
        _write_texts(aside, {**texts, **_lists(drawn, places)}, by_class(drawn))
        sources = {str(image.row["path"]): at for image, at in zip(drawn, places, strict=True)}
        placed = place_images(index.root, aside, sources, images)
    parts = Counter(split for split in _splits(drawn) if split in SPLITS)
    undrawn = sorted({image.row["label"] for image in drawn if not image.objects} - {None})
    return YoloFolder(
        len(drawn),
        by_class(drawn),
        {**lost, **_unsaid(drawn)},
        _several(undrawn),
        {name: parts[name] for name in SPLITS if parts[name]},
        placed,
        tuple(undrawn),
    )


def _several(undrawn: Sequence[str]) -> tuple[str, ...]:
    """The note that the classes of images without objects cannot be told apart in the folder."""
    if len(undrawn) < 2:
        return ()
    return (
        f"images with nothing drawn are of {len(undrawn)} classes ({', '.join(undrawn)}), here all alike: "
        "plumbline data import --ok-class gives them one class, and without it sets them aside",
    )


def _unsaid(drawn: Sequence[DrawnImage]) -> dict[str, int]:
    """What YOLO has no place for, by sentence."""
    lost: Counter[str] = Counter()
    for image in drawn:
        areas: dict[str, float] = defaultdict(float)
        for each in image.objects:
            areas[each.label] += each.area
        main = max(sorted(areas), key=areas.__getitem__, default=None)
        if image.row["label"] is not None and image.row["label"] != main:
            lost[OTHER_LABEL if main is not None else NOTHING_DRAWN] += 1
    columns = [name for name in ABOUT_IMAGES if name != "split"]
    return {**lost, **nameless_masks(drawn), **unsaid([i.row for i in drawn], columns, "yolo")}


def _splits(drawn: Sequence[DrawnImage]) -> list[str | None]:
    """Of each image: a part's name, `UNSPLIT` where only others have one, None without any split."""
    found = [image.row["split"] for image in drawn]
    if not any(found):
        return [None] * len(found)
    return [split if split in SPLITS else UNSPLIT for split in found]


def _places(paths: Sequence[str], splits: Sequence[str | None]) -> list[PurePosixPath]:
    """Where each image goes: below `images` and its split, the folders of the source below.

    Readers look for labels by replacing the last folder `images` on the way: there may be only one.
    """
    places: dict[PurePosixPath, str] = {}
    for path, split in zip(paths, splits, strict=True):
        folders = [part for part in PurePosixPath(path).parent.parts if part != IMAGES]
        place = PurePosixPath(
            IMAGES, *([split] if split else []), *folders, PurePosixPath(path).name
        )
        if places.setdefault(place, path) != path:
            raise DataError(
                f"export: '{path}' and '{places[place]}' would both become '{place}'; rename one of them"
            )
    return list(places)


def _texts(
    drawn: Sequence[DrawnImage], places: Sequence[PurePosixPath]
) -> tuple[dict[PurePosixPath, str], dict[str, int]]:
    """The text of every label file by its place, and what of the marks could not be said as it is."""
    names = list(by_class(drawn))
    outlined = any(each.region for image in drawn for each in image.objects)
    texts: dict[PurePosixPath, str] = {}
    lost: Counter[str] = Counter()
    for image, place in zip(drawn, places, strict=True):
        lines = _outlines(image, names, lost) if outlined else _boxes(image, names)
        text, at = "".join(lines), label_place(place)
        if texts.setdefault(at, text) != text:
            raise DataError(
                f"export: '{image.row['path']}' shares the label file '{at}' with another image; "
                "rename one of them"
            )
    return texts, dict(lost)


def _boxes(image: DrawnImage, names: Sequence[str]) -> Iterator[str]:
    height, width = image.size
    for each in image.objects:
        box = each.box
        assert box is not None
        middle = (box.x0 + box.x1) / 2 / width, (box.y0 + box.y1) / 2 / height
        extent = (box.x1 - box.x0) / width, (box.y1 - box.y0) / height
        yield _line(names.index(each.label), (*middle, *extent))


def _outlines(image: DrawnImage, names: Sequence[str], lost: Counter[str]) -> Iterator[str]:
    height, width = image.size
    for each in image.objects:
        for ring in _rings(image, each, lost):
            shares = (share for x, y in ring for share in (x / width, y / height))
            yield _line(names.index(each.label), tuple(shares))


def _rings(
    image: DrawnImage, each: Object, lost: Counter[str]
) -> list[Sequence[tuple[float, float]]]:
    """One ring of corners in pixels for each part of the object."""
    if each.region is None or each.bounds is None:
        lost[BOX_AS_OUTLINE] += 1
        assert each.box is not None
        return [_four_corners(each.box)]
    x0, y0, x1, y1 = (int(v) for v in (each.bounds.x0, each.bounds.y0, each.bounds.x1, each.bounds.y1))  # fmt: skip
    outlines = outlines_of(image.mask(each.region)[y0:y1, x0:x1])
    lost += Counter({PARTS_APART: len(outlines) > 1, HOLES: sum(o.holes for o in outlines)})
    return [[(float(x), float(y)) for x, y in outline.moved(x0, y0).ring] for outline in outlines]


def _four_corners(box: Box) -> list[tuple[float, float]]:
    return [(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)]


def _line(number: int, shares: Sequence[float]) -> str:
    return f"{number} " + " ".join(f"{share:.{DECIMALS}f}" for share in shares) + "\n"


def _lists(
    drawn: Sequence[DrawnImage], places: Sequence[PurePosixPath]
) -> dict[PurePosixPath, str]:
    """A list of the images of each part that there is; nothing without a split."""
    lines: dict[PurePosixPath, str] = defaultdict(str)
    for split, place in zip(_splits(drawn), places, strict=True):
        if split in SPLITS:
            lines[PurePosixPath(f"{split}.txt")] += f"./{place}\n"
    return dict(lines)


def _write_texts(
    folder: Path, texts: Mapping[PurePosixPath, str], classes: Mapping[str, int]
) -> None:
    for place, text in texts.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text, encoding="utf-8")
    lists = {name: f"{name}.txt" for name in SPLITS if (folder / f"{name}.txt").exists()}
    named = {**lists, "names": dict(enumerate(classes))}
    text = yaml.safe_dump(named, sort_keys=False, allow_unicode=True)
    head = "" if lists else "# No train and no val: the index that this was made of has no split.\n"
    (folder / "data.yaml").write_text(head + text, encoding="utf-8")
