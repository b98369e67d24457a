from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspection.data.index import ImageIndex
from inspection.reporting import audit_page
from inspection.reporting.audit_page import render_audit_page, write_audit_page
from tests.unit import reporting_audit
from tests.unit.reporting_audit import Audit, audit

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
HOSTILE = "\"><script>alert(1)</script>\u202e\x07 '&\udcff.png"


@pytest.fixture(autouse=True)
def _forms_have_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting_audit, "VOID", {*reporting_audit.VOID, "input"})


@dataclass(frozen=True)
class Suspect:
    path: str = "0.png"
    given: str | None = "dent"
    suggested: str | None = "crack"
    kinds: tuple[str, ...] = ("probe", "neighbours")
    score: float = 0.87
    sentence: str = "Models that never saw this label say 'crack' (93%)"


@dataclass(frozen=True)
class Found:
    queue: tuple[Suspect, ...]
    images: int = 40
    judged: int = 38
    classes: tuple[str, ...] = ("crack", "dent", "stain")
    notes: tuple[str, ...] = ()


def index(root: Path, *paths: str) -> ImageIndex:
    """Small pictures on disk for plain names; only rows for the others."""
    for path in paths:
        if path.replace(".", "").isalnum():
            assert cv2.imwrite(str(root / path), np.full((40, 60, 3), 90, np.uint8))
    rows = [{"path": path, "label": "dent", "boxes": []} for path in paths]
    return ImageIndex.from_rows(root, rows)


def rendered(root: Path, *queue: Suspect, **facts: object) -> tuple[str, Audit]:
    found = replace(Found(queue), **facts)  # type: ignore[arg-type]
    paths = tuple(dict.fromkeys(one.path for one in queue)) or ("0.png",)
    encodable = [path for path in paths if path.isprintable()]
    document = render_audit_page(found, index(root, *encodable), created=NOW)
    return document, audit(document)


def test_each_suspect_has_picture_labels_evidence_and_three_choices(tmp_path: Path) -> None:
    _, page = rendered(tmp_path, Suspect(), Suspect("1.png", suggested=None))

    assert page.tags["article"] == 2
    assert page.tags["img"] == 2
    assert page.values("value").count("quarantine") == 2
    for words in ("dent", " → ", "crack", "87 %", "probe", "neighbours", "say 'crack' (93%)"):
        assert words in page.text
    assert page.crossed == []
    assert "2 images to look at" in page.text


def test_the_suggestion_is_chosen_beforehand_and_the_given_label_is_no_choice(
    tmp_path: Path,
) -> None:
    document, _ = rendered(tmp_path, Suspect())

    menu = re.search(r'<select aria-label="New label">(.*?)</select>', document)
    assert menu is not None
    assert '<option value="0" selected>crack' in menu[1]
    assert ">dent<" not in menu[1]


def test_without_a_suggestion_the_reader_must_choose(tmp_path: Path) -> None:
    document, _ = rendered(tmp_path, Suspect(suggested=None), Suspect("1.png", suggested="rust"))

    assert document.count('<option value="" selected>as what?') == 2


def test_filters_offer_the_labels_and_kinds_that_occur(tmp_path: Path) -> None:
    _, page = rendered(
        tmp_path, Suspect(), Suspect("1.png", given=None), Suspect("2.png", kinds=("box_class",))
    )

    assert "dent (2)" in page.text
    assert "no label (1)" in page.text
    assert "box class (1)" in page.text
    assert '"dent"' in page.values("value")
    assert page.values("data-kinds") == ["probe neighbours", "probe neighbours", "box_class"]


def test_hostile_names_stay_text_and_come_back_exactly(tmp_path: Path) -> None:
    class_name = "</select><script>alert(2)</script>"
    suspect = Suspect(HOSTILE, HOSTILE, class_name, sentence=HOSTILE)

    document, page = rendered(
        tmp_path, suspect, classes=(class_name, HOSTILE), notes=("<b>note</b>",)
    )

    assert page.tags["script"] == 2
    assert "alert(1)" not in "".join(re.findall(r"<script>(.*?)</script>", document, re.S))
    assert [json.loads(value) for value in page.values("data-path")] == [HOSTILE]
    assert [json.loads(value) for value in page.values("data-given")] == [HOSTILE]
    assert json.loads(page.values("data-labels")[0]) == [class_name, HOSTILE]
    assert "\u202e" not in document
    document.encode("utf-8")


def test_nothing_is_loaded_and_only_the_two_scripts_may_run(tmp_path: Path) -> None:
    document, page = rendered(tmp_path, Suspect())

    policy = next(v for tag, name, v in page.attributes if (tag, name) == ("meta", "content"))
    scripts = re.findall(r"<script>(.*?)</script>", document, re.S)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    links = [v for name in ("src", "href") for v in page.values(name)]
    assert all(v.startswith(("data:", "#")) for v in links)
    assert "http" not in "".join(scripts)
    assert not any(name.startswith("on") for _, name, _ in page.attributes)


def test_labels_of_controls(tmp_path: Path) -> None:
    _, page = rendered(tmp_path, Suspect(), Suspect("1.png"))

    names = [v for tag, key, v in page.attributes if (tag, key) == ("input", "name")]
    assert names == ["decision-0"] * 3 + ["decision-1"] * 3
    assert page.tags["legend"] == 2
    assert page.tags["h1"] == 1


def test_an_empty_queue_says_so_and_what_was_not_asked(tmp_path: Path) -> None:
    _, page = rendered(tmp_path, notes=("no embeddings were given",))

    assert "Nothing to look at" in page.text
    assert "no embeddings were given" in page.text
    assert page.tags["article"] == 0


def test_a_long_queue_is_cut_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_page, "SHOWN", 2)

    _, page = rendered(tmp_path, *(Suspect(f"{number}.png") for number in range(5)))

    assert page.tags["article"] == 2
    assert "3 wait for the next audit" in page.text


def test_a_picture_that_is_gone_leaves_a_place(tmp_path: Path) -> None:
    _, page = rendered(tmp_path, Suspect("sub folder/gone.png"))

    assert "no picture" in page.text
    assert page.tags["article"] == 1


def test_the_same_audit_gives_the_same_bytes(tmp_path: Path) -> None:
    images = index(tmp_path, "0.png")
    written = [
        write_audit_page(Found((Suspect(),)), images, tmp_path / name, created=NOW).read_bytes()
        for name in ("a.html", "b.html")
    ]

    assert written[0] == written[1]


def test_a_real_audit_fits_the_page(tmp_path: Path) -> None:
    from data_checks.label_audit import audit_labels

    images = index(tmp_path, "0.png", "1.png")
    boxes = [{"x0": 1.0, "y0": 1.0, "x1": 9.0, "y1": 9.0, "label": "crack"}]
    found = audit_labels(images.with_columns(boxes=[boxes, []]), None, seed=0)

    page = audit(render_audit_page(found, images, created=NOW))

    assert page.tags["article"] == 1
    assert "every box holds 'crack'" in page.text
    assert "only consistency was checked" in page.text


def test_every_kind_of_evidence_is_explained(tmp_path: Path) -> None:
    from data_checks.contradictions import COPY_CONFLICT
    from data_checks.label_audit import MODEL_KINDS
    from data_checks.label_consistency import CONTRADICTED

    other = {COPY_CONFLICT, "box_class", "box_mask"}
    assert set(audit_page.KINDS) == {*MODEL_KINDS, *CONTRADICTED, *other}
    assert (*CONTRADICTED, COPY_CONFLICT) == audit_page.LOUD
