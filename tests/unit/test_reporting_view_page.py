"""The page of all images: complete, offline, safe from hostile names, honest about what it cannot show."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.reporting import view_page
from inspection.reporting.view_data import as_script, filter_columns, row_faults
from inspection.reporting.view_page import ViewReport, write_view_page
from inspection.reporting.view_pictures import BOX, MASK, SIDE, Small, small_pictures
from tests.unit.patch_material import box, files, index_of, marked, region, row, save, surface
from tests.unit.reporting_audit import audit

HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<!--<script>",
    "</title></style><svg onload=alert(1)>",
    "a\u2028b\u202egnp",
    "\ud800 lone",
)


def mixed(root: Path) -> ImageIndex:
    """A sound image, one with boxes, one with a mask, one quarantined, one gone."""
    save(root / "m.png", marked((10, 10, 40, 30)))
    index = index_of(
        root,
        row("ok/a.png", "ok", split="train", group="g", brightness=12.345678),
        row("dent/b.png", "dent", split="test", boxes=[box("dent", 10, 20, 60, 40)]),
        row("dent/c.png", "dent", mask_path="m.png", warnings=["palette: colours were looked up"]),
        row("crack/d.png", None, regions=[region("crack", (50, 50, 90, 70), (0, 0, 1, 1))]),
        row("bad.png", None, quarantine="truncated", detail="ends early"),
    )
    (root / "bad.png").write_bytes(b"\x89PNG")
    (root / "crack" / "e.png").unlink(missing_ok=True)
    return ImageIndex.from_rows(root, [*index.table().to_pylist(), row("gone.png", "ok")])


def block(document: str, name: str) -> str:
    found = re.search(rf'<script type="[a-z/]+" id="{name}">(.*?)</script>', document, re.DOTALL)
    assert found, name
    return found.group(1)


def page_of(
    index: ImageIndex, target: Path, faults: Mapping[str, Sequence[str]] | None = None
) -> tuple[ViewReport, str]:
    report = write_view_page(index, target, title="Line 3", faults=faults or {})
    return report, target.read_text(encoding="utf-8")


def known(document: str) -> dict[str, Any]:
    return dict(json.loads(block(document, "data")))


def test_every_image_is_listed_and_counted(tmp_path: Path) -> None:
    index = mixed(tmp_path / "data")
    report, document = page_of(index, tmp_path / "view.html", {"ok/a.png": ["leak", "leak"]})
    assert (report.images, report.pictures) == (6, 4)
    assert report.bytes == (tmp_path / "view.html").stat().st_size
    assert report.faults == {"leak": 1, "palette": 1, "truncated": 1}
    assert report.missing == {"no picture: missing": 1, "no picture: unknown format": 1}
    data = known(document)
    assert data["paths"] == list(index.frame["path"])
    assert [data["labels"][n] if n >= 0 else None for n in data["label"]] == [
        "ok", "dent", "dent", None, None, "ok"
    ]  # fmt: skip
    assert [data["splits"][n] if n >= 0 else None for n in data["split"]][:3] == ["train", "test", None]  # fmt: skip
    named = {int(i): [data["faults"][n] for n in found] for i, found in data["fault"].items()}
    assert named == {
        0: [{"kind": "mark", "name": "leak"}],
        2: [{"kind": "warn", "name": "palette"}],
        4: [{"kind": "bad", "name": "truncated"}],
    }


def test_pictures_are_where_their_sizes_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_page, "BLOCK", 2)
    _, document = page_of(mixed(tmp_path / "data"), tmp_path / "view.html")
    data, shown = known(document), []
    assert data["block"] == 2
    for number in range(3):
        text, at = block(document, f"pictures-{number}"), 0
        for size in data["sizes"][number * 2 : number * 2 + 2]:
            shown.append(base64.b64decode(text[at : at + size]))
            at += size
        assert at == len(text)
    assert [bool(jpeg) for jpeg in shown] == [True, True, True, True, False, False]
    for jpeg in shown[:4]:
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape[:2] == (80, 100)


def test_facts_are_those_of_the_index(tmp_path: Path) -> None:
    _, document = page_of(mixed(tmp_path / "data"), tmp_path / "view.html")
    facts = json.loads(block(document, "facts"))
    assert facts["group"] == ["g", None, None, None, None, None]
    assert facts["size"][0] == "100 × 80 px"
    assert facts["brightness"][0] == 12.346
    assert facts["boxes"][1] == ["dent (10, 20) to (60, 40)"]
    assert facts["what is wrong"][4] == "ends early"
    assert "camera" not in facts


def test_boxes_and_masks_become_outlines_in_the_small_picture(tmp_path: Path) -> None:
    root = tmp_path / "data"
    wide = {
        **row("a.png", "dent", boxes=[box("dent", 100, 40, 300, 80)]),
        "width": 448,
        "height": 160,
    }
    save(root / "m.png", marked((100, 40, 300, 80), shape=(160, 448)))
    index = index_of(root, wide, {**wide, "path": "b.png", "boxes": [], "mask_path": "m.png"})
    boxed, masked = small_pictures(
        index.table().to_pylist(), root, mask_threshold=128, max_megapixels=100
    )
    assert (boxed.width, boxed.height) == (SIDE, 40)
    assert [mark.kind for mark in (*boxed.marks, *masked.marks)] == [BOX, MASK]
    assert boxed.marks[0].points == (250, 100, 750, 100, 750, 200, 250, 200)
    corners = np.array(masked.marks[0].points).reshape(-1, 2)
    assert np.abs(corners.min(axis=0) - (250, 100)).max() <= 3
    assert np.abs(corners.max(axis=0) - (750, 200)).max() <= 3


def test_specks_give_way_to_what_can_be_seen(tmp_path: Path) -> None:
    index = mixed(tmp_path / "data")
    rows = index.table().to_pylist()
    small = list(small_pictures(rows, index.root, mask_threshold=128, max_megapixels=100))
    assert [len(each.marks) for each in small] == [0, 1, 1, 1, 0, 0]
    assert small[3].marks[0].label == "crack"


def test_many_pictures_are_stored_more_coarsely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    noisy = save(root / "a.png", np.random.default_rng(0).integers(0, 255, (112, 112, 3), np.uint8))
    rows = index_of(root, row(noisy.name, "x")).table().to_pylist()
    (fine,) = small_pictures(rows, root, mask_threshold=128, max_megapixels=100)
    monkeypatch.setattr("inspection.reporting.view_pictures.BUDGET", 4_000)
    (coarse,) = small_pictures(rows, root, mask_threshold=128, max_megapixels=100)
    assert len(coarse.jpeg) < 0.7 * len(fine.jpeg)


def test_the_page_is_offline_and_runs_one_script_only(tmp_path: Path) -> None:
    _, document = page_of(mixed(tmp_path / "data"), tmp_path / "view.html")
    found = audit(document)
    assert (found.crossed, found.unclosed) == ([], [])
    assert [level for level, _ in found.headings] == [1]
    assert not found.values("src")
    assert found.values("href") == ["data:,"]
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert "://" not in re.sub(r"http://www\.w3\.org/2000/svg", "", document)
    kinds = [value for tag, name, value in found.attributes if (tag, name) == ("script", "type")]
    assert found.tags["script"] - len(kinds) == 1
    assert set(kinds) == {"application/json", "text/plain"}
    script = re.search(r"<script>(.*?)</script>", document, re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script.group(1).encode()).digest()).decode()
    policy = next(value for value in found.values("content") if "default-src" in value)
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    for forbidden in ("innerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch("):
        assert forbidden not in script.group(1)


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_text_stays_text(tmp_path: Path, attack: str) -> None:
    rows = [
        row("a.png", attack),
        row(attack, attack, group=attack, quarantine=attack, detail=attack),
    ]
    small = [Small(missing="x"), Small(missing="x")]
    written = as_script(filter_columns(rows_of(rows), small, {"a.png": [attack]}))
    assert "<" not in written
    assert written.isascii()
    assert json.loads(written)["paths"][1] == attack
    if "\ud800" in attack:
        return  # no table can hold it
    root = tmp_path / "data"
    root.mkdir()
    index = ImageIndex.from_rows(root, rows)
    _, document = page_of(index, tmp_path / "view.html", {"a.png": [attack]})
    found = audit(document)
    assert (found.crossed, found.tags["img"]) == ([], 0)
    assert found.tags["script"] == 4
    write_view_page(index, tmp_path / "view.html", title=attack)
    assert audit((tmp_path / "view.html").read_text()).tags["svg"] == 1  # the logo


def rows_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = ("label", "split", "quarantine", "warnings")
    return [{**dict.fromkeys(names), **each} for each in rows]


def test_a_file_outside_the_root_is_not_shown(tmp_path: Path) -> None:
    save(tmp_path / "secret.png", surface(1))
    root = tmp_path / "data"
    root.mkdir()
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    index = ImageIndex.from_rows(root, [row("link.png", "ok"), row("../secret.png", "ok")])
    report, _ = page_of(index, tmp_path / "view.html")
    assert (report.pictures, report.missing) == (0, {"outside the data folder": 2})


def test_equal_input_gives_equal_bytes_and_leaves_sources_alone(tmp_path: Path) -> None:
    index = mixed(tmp_path / "data")
    before = files(tmp_path / "data")
    first = page_of(index, tmp_path / "a.html")[1]
    assert page_of(index, tmp_path / "b.html")[1] == first
    assert files(tmp_path / "data") == before
    assert str(tmp_path) not in first


def test_an_empty_index_gives_an_empty_page(tmp_path: Path) -> None:
    report, document = page_of(mixed(tmp_path / "data").split("val"), tmp_path / "view.html")
    assert (report.images, report.pictures, known(document)["paths"]) == (0, 0, [])


def test_refusals(tmp_path: Path) -> None:
    index = mixed(tmp_path / "data")
    with pytest.raises(DataError, match=r"'x\.png' is not in the index"):
        page_of(index, tmp_path / "view.html", {"x.png": ["leak"]})
    for target in (tmp_path, index.root / "ok" / "a.png"):
        with pytest.raises(DataError, match="is a folder or one of the images"):
            page_of(index, target)
    assert not (tmp_path / "view.html").exists()


def test_faults_of_one_image_are_named_once() -> None:
    told = {"quarantine": "too_small", "warnings": ["alpha_dropped: a", "alpha_dropped: b"]}
    assert row_faults(told, ["leak", "leak"]) == [
        ("bad", "too_small"),
        ("warn", "alpha_dropped"),
        ("mark", "leak"),
    ]
