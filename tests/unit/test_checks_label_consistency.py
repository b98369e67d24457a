from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from data_checks.label_consistency import box_mask_faults, consistency
from inspection.data.index import ImageIndex
from inspection.data.shapes import Region


def box(x0: float, y0: float, x1: float, y1: float, label: str | None = "dent") -> dict[str, Any]:
    return {"x0": x0, "y0": y0, "x1": x1, "y1": y1, "label": label}


def one_image(**facts: Any) -> ImageIndex:
    row = {"path": "a.png", "label": "dent", "width": 40, "height": 30, **facts}
    return ImageIndex.from_rows(Path("/nowhere"), [row])


def square(x0: int, y0: int, x1: int, y1: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros((30, 40), bool)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.mark.parametrize(
    ("boxes", "suggested", "words"),
    [
        ([box(0, 0, 9, 9)], None, None),
        ([box(0, 0, 9, 9, None)], None, None),
        ([box(0, 0, 9, 9, "crack")], "crack", "every box holds 'crack'"),
        ([box(0, 0, 9, 9, "crack"), box(0, 0, 20, 20, "stain")], "stain", "every box holds"),
        ([box(0, 0, 20, 20), box(0, 0, 9, 9, "crack")], None, "'crack' are drawn too"),
        ([box(0, 0, 5, 5), box(0, 0, 9, 9, "crack")], "crack", "'crack' are drawn too"),
    ],
    ids=["same", "nameless", "other", "largest of two", "small other", "larger other"],
)
def test_boxes_of_another_class(
    boxes: list[dict[str, Any]], suggested: str | None, words: str | None
) -> None:
    found = consistency(one_image(boxes=boxes))

    if words is None:
        assert found == []
    else:
        assert found[0].kind == "box_class"
        assert found[0].suggested == suggested
        assert words in found[0].sentence


@pytest.mark.parametrize(
    ("boxes", "mask", "faults"),
    [
        ([(5, 5, 15, 15)], square(5, 5, 15, 15), []),
        ([(4, 4, 16, 16)], square(5, 5, 15, 15), []),
        ([(5, 5, 35, 15)], square(5, 5, 15, 15) | square(25, 5, 35, 15), []),
        ([(25, 5, 35, 15)], square(5, 5, 15, 15), ["no marked pixel", "100 marked pixels"]),
        ([(0, 0, 30, 30)], square(5, 5, 15, 15), ["IoU 0.11"]),
        ([(5, 5, 15, 15)], square(5, 5, 15, 15) | square(25, 5, 35, 15), ["in no box"]),
        ([(5, 5, 15, 15)], square(5, 5, 15, 15) | square(25, 5, 27, 7), []),
    ],
    ids=["equal", "loose", "around two", "elsewhere", "far too large", "a part missed", "a crumb"],
)
def test_boxes_against_masks(
    boxes: list[tuple[float, float, float, float]],
    mask: npt.NDArray[np.bool_],
    faults: list[str],
) -> None:
    found = box_mask_faults(boxes, mask)

    assert len(found) == len(faults)
    assert all(words in fault for words, fault in zip(faults, found, strict=True))
    region = Region.of("dent", mask)
    regions = [{"label": region.label, "counts": list(region.counts)}]
    rows = consistency(one_image(boxes=[box(*sides) for sides in boxes], regions=regions))
    assert [one.kind for one in rows] == (["box_mask"] if faults else [])


@pytest.mark.parametrize(
    ("facts", "kinds"),
    [
        ({}, ["box_mask"]),
        ({"mask_path": "gone.png"}, []),
        ({"width": 41}, []),
        ({"boxes": []}, []),
        ({"quarantine": "dark"}, []),
    ],
    ids=["elsewhere", "no mask to be had", "a mask of another size", "no boxes", "set aside"],
)
def test_mask_files_count_from_half_grey(
    facts: dict[str, Any], kinds: list[str], tmp_path: Path
) -> None:
    grey = np.where(square(5, 5, 15, 15), 200, 100).astype(np.uint8)
    assert cv2.imwrite(str(tmp_path / "mask.png"), grey)
    given = {"boxes": [box(25, 5, 35, 15)], "mask_path": "mask.png", **facts}
    index = ImageIndex(tmp_path, one_image(**given).frame)

    assert [one.kind for one in consistency(index)] == kinds


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["dent", "dent"], []),
        (["dent", "crack"], [("0.png", 0.5, None), ("1.png", 0.5, None)]),
        (["dent", None], [("0.png", 0.5, None), ("1.png", 1.0, "dent")]),
    ],
)
def test_copies_under_several_labels(
    labels: list[str | None], found: list[tuple[str, float, str | None]]
) -> None:
    rows = [{"path": f"{n}.png", "label": name, "pixel_id": "p"} for n, name in enumerate(labels)]

    said = consistency(ImageIndex.from_rows(Path("/nowhere"), rows))

    assert [(one.path, one.score, one.suggested) for one in said] == found


def test_copies_with_other_boxes() -> None:
    rows = [
        {"path": f"{n}.png", "label": "dent", "pixel_id": "p", "boxes": [box(0, 0, 9, 9 + n)]}
        for n in range(2)
    ]

    said = consistency(ImageIndex.from_rows(Path("/nowhere"), rows))

    assert [one.kind for one in said] == ["box_conflict"] * 2
    assert "1.png" in said[0].sentence
