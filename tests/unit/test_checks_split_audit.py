"""Planted leaks are found and named, whoever made the split; clean splits pass; nothing hangs on the order of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data_checks.candidates import find_candidates
from data_checks.copies import find_copies, turned_copies
from data_checks.duplicates import group_duplicates
from data_checks.leaks import check_leaks, leak_report
from data_checks.split_audit import SplitAudit, audit_split, check_kept
from inspection.config import SplitConfig
from inspection.data.fingerprints import SYMMETRIES, fingerprints_of, view_of
from inspection.data.own_split import place
from inspection.errors import CheckFailed, DataError
from tests.unit.checks_material import Pixels, indexed, surface
from tests.unit.test_checks_residual import inner, recapture

pytestmark = pytest.mark.thorough

TURNS = SplitConfig(symmetries=True)
Facts = Mapping[str, Mapping[str, Any]]


def part(seed: int) -> Pixels:
    return inner(surface(seed, size=180))


def again(seed: int) -> Pixels:
    return recapture(surface(seed, size=180), 100 * seed)


def turned(seed: int) -> Pixels:
    return np.ascontiguousarray(np.rot90(again(seed)))


def mirrored(seed: int) -> Pixels:
    return np.ascontiguousarray(again(seed)[:, ::-1])


def clean() -> dict[str, Pixels]:
    """Six parts in train, two in val, three in test, in folders that say so."""
    homes = [("train", range(6)), ("val", range(6, 8)), ("test", range(8, 11))]
    return {f"{home}/ok/{seed:02d}.png": part(seed) for home, seeds in homes for seed in seeds}


def audited(
    root: Path,
    more: Mapping[str, Pixels],
    config: SplitConfig | None = None,
    facts: Facts | None = None,
) -> SplitAudit:
    return audit_split(indexed(root, {**clean(), **more}, facts), config)


def rates(audit: SplitAudit) -> dict[str, int]:
    return {f"{pair.seen}-{pair.judged}": pair.leaking for pair in audit.pairs}


def test_a_clean_split_passes_even_when_turned_copies_are_sought(tmp_path: Path) -> None:
    found = audited(tmp_path, {}, TURNS)
    assert rates(found) == {"train-test": 0, "train-val": 0, "val-test": 0}
    assert found.rate == 0.0
    found.require(0.0)
    assert "0 of 3 test images (0.0%) are in train" in found.sentence
    assert SplitAudit.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("make", "cause", "symmetry"),
    [
        (part, "exact", "as it is"),
        (again, "near", "as it is"),
        (turned, "turned", "turned by"),
        (mirrored, "turned", "mirrored"),
    ],
    ids=["exact", "recapture", "rotated", "mirrored"],
)
@pytest.mark.parametrize("pair", ["train-test", "train-val", "val-test"])
def test_each_planted_copy_is_found_between_every_two_splits(
    tmp_path: Path, pair: str, make: Callable[[int], Pixels], cause: str, symmetry: str
) -> None:
    seen, judged = pair.split("-")
    seed = {"train": 0, "val": 6}[seen]
    found = audited(tmp_path, {f"{judged}/ok/planted.png": make(seed)}, TURNS)
    assert rates(found) == {**dict.fromkeys(rates(found), 0), pair: 1}
    leaks = next(each for each in found.pairs if each.leaking)
    (one,) = leaks.examples
    assert (one.path, one.seen_path) == (f"{judged}/ok/planted.png", f"{seen}/ok/{seed:02d}.png")
    assert (one.cause, leaks.causes) == (cause, {cause: 1})
    assert one.symmetry.startswith(symmetry)
    assert one.sentence


@pytest.mark.parametrize("view", range(1, 8))
def test_rotated_and_mirrored_copies_are_a_leak_with_the_option_alone(
    tmp_path: Path, view: int
) -> None:
    index = indexed(tmp_path, {**clean(), "test/ok/planted.png": view_of(again(0), view)})
    assert audit_split(index).rate == 0.0
    assert "turned copies were not looked for" in audit_split(index).sentence
    found = audit_split(index, TURNS)
    assert found.pairs[0].causes == {"turned": 1}
    # The planted image is the first of the two in order of path; the second, turned like it, is like it.
    assert found.pairs[0].examples[0].symmetry == SYMMETRIES[view]


def test_a_layout_that_mirrors_itself_hides_no_turned_copy(tmp_path: Path) -> None:
    """One strong layout decides all slow waves, and is like itself when transposed: hashes agree in two views."""
    field = cv2.GaussianBlur(np.random.default_rng(4).normal(0, 1, (172, 172)), (0, 0), 12)
    layout = (30 * (field + field.T) / field.std())[..., None]

    def printed(pixels: Pixels) -> Pixels:
        return np.clip(0.5 * pixels + 60 + layout, 0, 255).astype(np.uint8)

    images = {f"train/ok/{seed}.png": printed(part(seed)) for seed in range(3)}
    images["test/ok/other.png"] = printed(part(9))
    images["test/ok/transposed.png"] = np.ascontiguousarray(printed(part(0)).swapaxes(0, 1))
    index = indexed(tmp_path, images)
    prints = fingerprints_of(index.paths)
    assert set(find_candidates(prints, symmetries=True).symmetry) == {0}
    (one,) = audit_split(index, TURNS).pairs[0].examples
    assert (one.path, one.seen_path) == ("test/ok/transposed.png", "train/ok/0.png")
    assert (one.cause, one.symmetry) == ("turned", "transposed")
    assert audit_split(index).rate == 0.0


def test_the_refusal_names_images_counts_the_rest_and_says_how_to_regroup(tmp_path: Path) -> None:
    planted = {f"test/ok/turned {seed}.png": turned(seed) for seed in range(5)}
    found = audited(tmp_path, planted, TURNS)
    with pytest.raises(CheckFailed) as caught:
        found.require(0.05)
    said = str(caught.value)
    assert "5 of 8 test images (62.5%) are in train [5 turned], allowed at most 5.0%" in said
    assert "test/ok/turned 0.png (train/ok/00.png, turned by" in said
    assert "turned 2.png" in said
    assert "turned 3.png" not in said
    assert "and 2 more" in said
    assert "5 of them are turned or mirrored copies" in said
    assert "run `plumbline data dedupe --symmetries`, apply its plan, and run" in said
    assert "split.keep=false, split.symmetries=true" in said
    found.require(0.7)


def test_upright_copies_are_not_called_turned(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed) as caught:
        audited(tmp_path, {"val/ok/a.png": part(0), "test/ok/a.png": again(1)}).require(0.0)
    said = str(caught.value)
    assert "turned" not in said
    assert "val/ok/a.png (equal to train/ok/00.png)" in said
    assert "also 1 of 4 test images" in said
    assert "run `plumbline data dedupe`, apply its plan, and" in said


@pytest.mark.parametrize(
    ("config", "facts", "named"),
    [
        ({"keep_together": ("session",)}, {"session": "monday"}, "split.keep_together=[session]"),
        ({"keep_together": ("camera",)}, {"camera": "left"}, "split.keep_together=[camera]"),
        ({"part_pattern": r"(\d)\.png$"}, {}, "split.part_pattern"),
        ({}, {"pair_id": "p1"}, "split.keep=false"),
        ({}, {"group": "g1"}, "data dedupe"),
    ],
    ids=["session", "camera", "part id", "pair", "group"],
)
def test_what_two_splits_share_by_name(
    tmp_path: Path, config: dict[str, Any], facts: dict[str, str], named: str
) -> None:
    both = ("train/ok/00.png", "test/ok/10.png")
    found = audited(tmp_path, {}, SplitConfig(**config), dict.fromkeys(both, facts))
    (one,) = found.pairs[0].examples
    assert (one.path, one.seen_path) == (both[1], both[0])
    assert one.named.startswith("test/ok/10.png (same ")
    with pytest.raises(CheckFailed) as caught:
        found.require(0.0)
    assert named in str(caught.value)
    # Nobody asked: a session in two splits is no leak by itself.
    assert facts.keys() & {"pair_id", "group"} or audited(tmp_path, {}, None).rate == 0


def test_the_column_outweighs_the_folders_and_the_rest_is_left_out(tmp_path: Path) -> None:
    index = indexed(tmp_path, {**clean(), "test/ok/copy.png": part(0)})
    moved = ["train" if path.startswith("test") else None for path in index.frame["path"]]
    found = audit_split(index.with_columns(split=moved))
    assert (found.images, found.rate) == (4, 0.0)
    bad = ["gone" if "copy" in path else None for path in index.frame["path"]]
    assert audit_split(index.with_columns(quarantine=bad)).rate == 0.0
    with pytest.raises(DataError, match=r"split 'dev' is none of train, val, test"):
        audit_split(index.with_columns(split="dev"))
    with pytest.raises(DataError, match=r"name the folders train, val and test"):
        audit_split(indexed(tmp_path / "flat", {"ok/1.png": part(1)}))


def test_the_order_of_the_rows_does_not_matter(tmp_path: Path) -> None:
    planted = {"test/ok/x.png": part(0), "val/ok/x.png": part(0), "test/ok/y.png": turned(1)}
    index = indexed(tmp_path, {**clean(), **planted})
    mixed = index.where(np.random.default_rng(1).permutation(len(index)))
    assert audit_split(index, TURNS) == audit_split(mixed, TURNS) == audit_split(index, TURNS)


def test_many_equal_images_are_counted_once_each(tmp_path: Path) -> None:
    blank = np.full((64, 64, 3), 90, np.uint8)
    images = {f"{home}/ok/b{n}.png": blank for home in ("train", "test") for n in range(6)}
    found = audited(tmp_path, images)
    assert found.pairs[0].causes == {"exact": 6}
    assert {one.seen_path for one in found.pairs[0].examples} == {"train/ok/b0.png"}


def test_training_on_a_split_that_is_kept_is_refused_when_it_leaks(tmp_path: Path) -> None:
    images = {**clean(), "test/ok/turned.png": turned(0), "test/ok/turned too.png": turned(1)}
    index = indexed(tmp_path, images, {path: {"label": "ok"} for path in images})
    kept = SplitConfig(keep=True, symmetries=True)
    with pytest.raises(CheckFailed, match=r"2 of 5 test images .*data dedupe --symmetries"):
        check_kept(place(index, kept, seed=1), kept)
    check_kept(index, SplitConfig(symmetries=True))
    check_kept(place(index, kept, seed=1), kept.model_copy(update={"max_leak_rate": 0.4}))


def test_turned_copies_join_a_group_and_a_split_that_parts_them_is_refused(tmp_path: Path) -> None:
    images = {**clean(), "train/ok/a.png": turned(8), "train/ok/b.png": mirrored(9)}
    index = indexed(tmp_path, images)
    pairs = turned_copies(index)
    assert {(pair.path_a, pair.path_b) for pair in pairs} == {
        ("test/ok/08.png", "train/ok/a.png"),
        ("test/ok/09.png", "train/ok/b.png"),
    }
    plain, _ = group_duplicates(index)
    assert plain.frame["group"].nunique() == len(index)
    grouped, report = group_duplicates(index, extra=pairs)
    assert report.groups == tuple(sorted((pair.path_a, pair.path_b) for pair in pairs))
    assert grouped.frame["group"].nunique() == len(index) - 2
    homes = [path.split("/")[0] for path in index.frame["path"]]
    leaks = leak_report(grouped.with_columns(split=homes), report, seed=1)
    assert (leaks.leaking, leaks.turned) == (2, 2)
    said = check_leaks(leaks, 0.0).sentence
    assert "2 of them turned (test/ok/08.png is train/ok/a.png, turned by" in said
    assert "plumbline data dedupe --symmetries" in said
    _, apart = group_duplicates(index, near_copies=False, extra=pairs)
    assert (apart.groups, apart.pairs) == ((), report.pairs)


def test_an_index_of_one_image_has_no_copies(tmp_path: Path) -> None:
    one = indexed(tmp_path, {"train/ok/1.png": part(1)})
    assert find_copies(one, symmetries=True).judged == turned_copies(one) == ()
    assert turned_copies(one.where([False])) == ()
