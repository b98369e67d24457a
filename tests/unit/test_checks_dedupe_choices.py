"""Which copy is kept, what becomes of a conflict, copies of another size, and sets with very many copies."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data_checks.contradictions import COPY_CONFLICT
from data_checks.dedupe import DedupeOptions, DedupePlan, _stars, plan_dedupe
from data_checks.label_audit import audit_labels
from data_checks.same_view import Evidence, Judged, judge
from data_checks.split_audit import audit_split
from inspection.data.edits import edited
from inspection.data.index import ImageIndex
from tests.unit.checks_material import Pixels, indexed, surface
from tests.unit.test_checks_residual import inner, recapture

pytestmark = pytest.mark.thorough


def part(seed: int) -> Pixels:
    return inner(surface(seed, size=180))


def again(seed: int, number: int = 0) -> Pixels:
    return recapture(surface(seed, size=180), 100 * seed + number)


def resized(pixels: Pixels, factor: float) -> Pixels:
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=way), np.uint8)


def planned(index: ImageIndex, **options: Any) -> DedupePlan:
    return plan_dedupe(index, DedupeOptions(**options))


@pytest.mark.parametrize("second", ["equal pixels", "a recapture"])
def test_a_conflict_reaches_the_audit_once_the_plan_is_applied(tmp_path: Path, second: str) -> None:
    mask = np.zeros((172, 172), np.uint8)
    mask[20:40, 20:40] = 255
    cv2.imwrite(str(tmp_path / "m1.png"), mask)
    cv2.imwrite(str(tmp_path / "m2.png"), np.roll(mask, 60, axis=0))
    images = {"pit/a.png": part(1), "pit/b.png": part(1) if second == "equal pixels" else again(1)}
    masks = {path: {"mask_path": f"m{n}.png"} for n, path in enumerate(images, 1)}
    index = indexed(tmp_path, {**images, "pit/c.png": part(2)}, masks)
    assert audit_labels(index, None, seed=0).queue == ()

    plan = planned(index)
    queue = audit_labels(edited(index, plan.edits), None, seed=0).queue

    assert {one.path: one.kinds for one in queue} == dict.fromkeys(images, (COPY_CONFLICT,))
    (one, _) = sorted(queue, key=lambda one: one.path)
    assert "pit/b.png" in one.sentence
    assert "other masks" in one.sentence
    assert planned(edited(index, plan.edits)).edits.edits == ()


@pytest.mark.parametrize("factor", [0.5, 0.75, 1.5, 2.0])
def test_a_copy_of_another_size_is_grouped_and_never_dropped(tmp_path: Path, factor: float) -> None:
    images = {"ok/a.png": part(3), "ok/b.png": resized(part(3), factor), "ok/c.png": part(4)}
    index = indexed(tmp_path, images)
    plan = planned(index)
    assert {p.path: p.action for p in plan.planned} == {"ok/a.png": "group", "ok/b.png": "group"}
    assert f"{factor:.2f} times as large" in plan.judged[0].sentence
    groups = edited(index, plan.edits).frame.set_index("path")["group"]
    assert groups["ok/a.png"] == groups["ok/b.png"]


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_the_audit_of_a_split_sees_a_copy_of_another_size(tmp_path: Path, factor: float) -> None:
    images = {f"train/ok/{seed}.png": part(seed) for seed in range(4)}
    images |= {"test/ok/a.png": resized(part(0), factor), "val/ok/a.png": part(5)}
    (one,) = audit_split(indexed(tmp_path, images)).pairs[0].examples
    assert (one.path, one.seen_path, one.cause) == ("test/ok/a.png", "train/ok/0.png", "near")


def test_strangers_of_other_sizes_and_other_shapes_stay_strangers() -> None:
    assert judge(part(1), resized(part(2), 0.5))[0] == "different"
    squeezed = np.asarray(cv2.resize(part(1), (172, 100)), np.uint8)
    assert judge(part(1), squeezed)[1].scale == 1.0


def evidence(clipped: tuple[float, float] = (0.0, 0.0)) -> Evidence:
    return Evidence(0.99, "as it is", 3.0, 5.0, (0.0, 0.0), 1.0, 0.0, clipped)


@pytest.mark.parametrize(
    ("clipped", "sizes", "kept"),
    [
        ((0.0, 0.004), {"a": 5, "b": 9}, "a"),
        ((0.004, 0.0), {"a": 9, "b": 5}, "b"),
        ((0.0, 0.0), {"a": 5, "b": 9}, "b"),
        ((0.0, 0.0), {"a": 9, "b": 9}, "a"),
    ],
)
def test_of_two_copies_the_one_that_lost_less_is_kept(
    clipped: tuple[float, float], sizes: dict[str, int], kept: str
) -> None:
    pair = Judged("a", "b", "same", evidence(clipped))
    plan = _stars({"a": {"b": pair}, "b": {"a": pair}}, set(), sizes)
    assert [one.path for one in plan if one.action == "keep"] == [kept]


def test_ten_thousand_pairs_are_planned_in_seconds() -> None:
    pair = Judged("a", "b", "same", evidence())
    names = [(f"{n:05}a", f"{n:05}b") for n in range(10_000)]
    edges = {a: {b: pair} for pair_of in names for a, b in (pair_of, pair_of[::-1])}
    started = time.process_time()
    plan = _stars(edges, set(), dict.fromkeys(edges, 1))
    assert len(plan) == 20_000
    assert time.process_time() - started < 5
