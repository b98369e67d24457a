"""The plan drops what is the same twice, keeps what differs by a scratch, and merges nothing contradictory."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data_checks.agreement import Descriptions
from data_checks.candidates import find_candidates
from data_checks.dedupe import DedupeOptions, DedupePlan, plan_dedupe
from deploy.edge.files import sha256_file
from inspection.data.edits import edited
from inspection.data.fingerprints import Fingerprints, fingerprints_of
from inspection.data.index import ImageIndex
from inspection.data.journal import apply_edits, revert_edits
from tests.unit.checks_material import Pixels, indexed, surface
from tests.unit.test_checks_residual import inner, recapture, scratched

pytestmark = pytest.mark.thorough

BOX = {"x0": 10.0, "y0": 10.0, "x1": 30.0, "y1": 30.0, "label": "pit"}


def part(seed: int) -> Pixels:
    return inner(surface(seed, size=180))


def again(seed: int, number: int = 0, *, defect: bool = False) -> Pixels:
    pixels = surface(seed, size=180)
    if defect:
        pixels = scratched(pixels, seed, width=3, length=30, contrast=30)
    return recapture(pixels, 100 * seed + number)


def planned(index: ImageIndex, **options: Any) -> DedupePlan:
    return plan_dedupe(index, DedupeOptions(**options))


def actions(plan: DedupePlan) -> dict[str, str]:
    return {each.path: each.action for each in plan.planned}


def test_copies_are_dropped_scratches_stay_and_strangers_are_left_alone(tmp_path: Path) -> None:
    images = {
        "ok/a.png": part(1),
        "ok/a again.png": again(1),
        "ok/a scratched.png": again(1, defect=True),
        "ok/b.png": part(2),
        "ok/b copy.png": part(2),
        "ok/c.png": part(3),
    }
    plan = planned(indexed(tmp_path, images))
    done = actions(plan)
    assert done["ok/a scratched.png"] == "group"
    assert Counter(done[path] for path in ("ok/a.png", "ok/a again.png")) == {"keep": 1, "drop": 1}
    assert Counter(done[path] for path in ("ok/b.png", "ok/b copy.png")) == {"keep": 1, "drop": 1}
    assert "ok/c.png" not in done
    assert "drop 2" in plan.sentence


def test_a_plan_is_carried_out_and_taken_back(tmp_path: Path) -> None:
    images = {f"ok/{seed}.png": part(seed) for seed in range(3)}
    images |= {f"ok/{seed} again.png": again(seed) for seed in range(3)}
    index = indexed(tmp_path / "images", images)
    file = tmp_path / "index.parquet"
    index.save(file)
    before = file.read_bytes()
    sources = {path: sha256_file(path) for path in index.paths}
    plan = planned(ImageIndex.load(file))
    plan.save(tmp_path / "plan.json")
    assert DedupePlan.load(tmp_path / "plan.json") == plan
    assert file.read_bytes() == before
    done = apply_edits(file, plan.edits)
    assert len(done.usable()) == 3
    assert set(done.frame["quarantine"].dropna()) == {"duplicate"}
    assert done.frame["group"].nunique() == 3
    assert done.frame["group"].notna().all()
    assert planned(done).planned == ()
    revert_edits(file)
    assert file.read_bytes() == before
    assert {path: sha256_file(path) for path in index.paths} == sources


@pytest.mark.parametrize("copy", ["equal pixels", "a recapture"])
@pytest.mark.parametrize(
    ("said", "differs"),
    [
        ({"label": "rose"}, "label"),
        ({"boxes": [BOX]}, "boxes"),
        ({"regions": [{"label": "pit", "counts": [40, 9, 172 * 172 - 49]}]}, "masks"),
    ],
)
def test_copies_that_contradict_each_other_are_never_merged(
    tmp_path: Path, copy: str, said: dict[str, Any], differs: str
) -> None:
    second = part(1) if copy == "equal pixels" else again(1)
    images = {"tulip/a.png": part(1), "tulip/b.png": second, "tulip/c.png": part(1)}
    index = indexed(tmp_path, images, {"tulip/b.png": said})
    plan = planned(index)
    done = actions(plan)
    assert done["tulip/b.png"] == "conflict"
    assert "drop" not in {done[p] for p in ("tulip/b.png", "tulip/a.png")}
    told = {each.path: each.why for each in plan.planned}
    assert f"other {differs}" in told["tulip/b.png"]
    kept = edited(index, plan.edits).usable()
    assert "tulip/b.png" in set(kept.frame["path"])


def test_boxes_and_masks_of_a_recapture_may_lie_a_little_beside(tmp_path: Path) -> None:
    moved = {**BOX, "x0": 12.0, "y1": 33.0}
    mask = np.zeros((172, 172), np.uint8)
    mask[20:40, 20:40] = 255
    cv2.imwrite(str(tmp_path / "m1.png"), mask)
    cv2.imwrite(str(tmp_path / "m2.png"), np.roll(mask, 2, axis=0))
    cv2.imwrite(str(tmp_path / "m3.png"), np.roll(mask, 30, axis=0))
    facts = {
        "ok/a.png": {"boxes": [BOX], "mask_path": "m1.png"},
        "ok/b.png": {"boxes": [moved], "mask_path": "m2.png"},
        "ok/c.png": {"boxes": [BOX], "mask_path": "m3.png"},
    }
    said = Descriptions.of(indexed(tmp_path, {p: part(1) for p in facts}, facts))
    assert said.disagreement("ok/a.png", "ok/b.png") == ()
    assert said.disagreement("ok/a.png", "ok/b.png", exact=True) == ("boxes", "masks")
    assert said.disagreement("ok/a.png", "ok/c.png") == ("masks",)


def test_a_chain_of_small_steps_is_not_one_cluster(tmp_path: Path) -> None:
    wide = surface(4, size=200)
    images = {
        f"ok/{step}.png": np.ascontiguousarray(wide[:170, step : step + 170])
        for step in range(0, 16, 3)
    }
    plan = planned(indexed(tmp_path, images))
    kept = {each.path: each.of for each in plan.planned if each.action == "drop"}
    steps = {path: int(path.removeprefix("ok/").removesuffix(".png")) for path in images}
    assert kept
    assert all(abs(steps[path] - steps[of]) <= 4 for path, of in kept.items())
    assert all(actions(plan)[of] == "keep" for of in kept.values())


def test_a_clipped_image_does_not_stand_for_one_that_shows_more(tmp_path: Path) -> None:
    pixels = np.clip(part(6).astype(int) + 60, 0, 255).astype(np.uint8)
    bright = np.clip(pixels * 1.3, 0, 255).astype(np.uint8)
    assert (bright == 255).mean() > 0.1
    plan = planned(indexed(tmp_path, {"ok/bright.png": bright, "ok/plain.png": pixels}))
    assert actions(plan) == {"ok/bright.png": "drop", "ok/plain.png": "keep"}


def test_a_pair_too_noisy_to_show_the_smallest_defect_is_grouped_and_both_stay(
    tmp_path: Path,
) -> None:
    noisy = recapture(surface(7, size=180), 1, sigma=8.0)
    index = indexed(tmp_path, {"ok/a.png": part(7), "ok/b.png": noisy})
    plan = planned(index, smallest_defect=8.0)
    assert actions(plan) == {"ok/a.png": "group", "ok/b.png": "group"}
    assert "too noisy to tell" in plan.planned[0].why
    assert sorted(actions(planned(index)).values()) == ["drop", "keep"]


def test_turned_copies_are_found_when_asked_for(tmp_path: Path) -> None:
    images = {"ok/a.png": part(8), "ok/turned.png": np.ascontiguousarray(np.rot90(again(8)))}
    index = indexed(tmp_path, images)
    assert planned(index).planned == ()
    plan = planned(index, symmetries=True)
    assert sorted(actions(plan).values()) == ["drop", "keep"]
    assert "turned by" in next(each.why for each in plan.planned if each.action == "drop")


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_every_symmetry_is_found(tmp_path: Path, quarter: int, mirrored: bool) -> None:
    turned = np.rot90(part(9), quarter)
    turned = turned[:, ::-1] if mirrored else turned
    index = indexed(tmp_path, {"ok/a.png": part(9), "ok/b.png": np.ascontiguousarray(turned)})
    assert sorted(actions(planned(index, symmetries=True)).values()) == ["drop", "keep"]


def test_halves_of_a_template_pair_are_never_dropped(tmp_path: Path) -> None:
    images = {"ok/a.png": part(1), "ok/b.png": part(1), "ok/c.png": again(1)}
    index = indexed(tmp_path, images, {p: {"pair_id": p} for p in images})
    assert set(actions(planned(index)).values()) == {"group"}


def test_the_order_of_the_rows_does_not_matter(tmp_path: Path) -> None:
    images = {f"ok/{seed}.png": part(seed) for seed in range(4)}
    images |= {f"ok/{seed} again.png": again(seed) for seed in range(4)}
    index = indexed(tmp_path, images)
    turned = ImageIndex(index.root, index.frame.iloc[::-1].reset_index(drop=True))
    first, second = planned(index), planned(turned)
    assert first.planned == second.planned


def test_many_images_with_one_hash_do_not_explode() -> None:
    count = 3_000
    prints = Fingerprints(
        tuple(map(str, range(count))),
        np.zeros(count, np.uint64),
        np.random.default_rng(0).integers(0, 2**64, (count, 4), dtype=np.uint64),
    )
    found = find_candidates(prints, budget=10)
    assert found.report.found == count * (count - 1) // 2
    assert len(found.pairs) <= 10 * count
    assert found.report.pruned == found.report.found - len(found.pairs)


def test_an_index_without_images_has_an_empty_plan(tmp_path: Path) -> None:
    index = indexed(tmp_path, {"ok/a.png": part(1)})
    assert planned(index).planned == ()
    empty = index.where([False])
    assert planned(empty).planned == ()
    assert fingerprints_of([]).hashes.shape == (0,)
