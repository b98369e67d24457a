"""Images that nobody has labelled: in by name only, in train only, and never beside an image of val or test."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from data_checks.copies import find_copies
from data_checks.dedupe import DedupeOptions, plan_dedupe
from data_checks.duplicates import group_duplicates
from data_checks.expectations import validate_index
from data_checks.label_audit import audit_labels
from data_checks.leaks import leak_report
from data_checks.profile import profile_of
from data_checks.profile_gate import validate_profile
from inspection.config import DataConfig, RunConfig, SplitConfig
from inspection.data.export import to_coco, to_manifest
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.own_split import place
from inspection.data.test_set import freeze, test_set_path
from inspection.data.unlabelled import UNLABELLED, is_unlabelled, with_unlabelled_in_train
from inspection.errors import DataError
from inspection.store import Store
from tests.unit.learning_material import CLASSES, drawn
from tests.unit.unlabelled_material import (
    CHECKS,
    MORE,
    PER_CLASS,
    Placed,
    fill,
    prepared,
    read,
    write,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("set") / "images")


@pytest.fixture(scope="module")
def done(root: Path) -> Placed:
    return prepared(root)


def test_a_named_folder_is_no_class_and_its_images_have_no_label(root: Path) -> None:
    index = read(root)
    ours = is_unlabelled(index.frame)
    assert ours.sum() == MORE
    assert index.classes == CLASSES
    assert set(index.frame.loc[ours, "path"]) == {f"more/{i}.png" for i in range(MORE)}
    assert index.frame["quarantine"].isna().all()
    assert not any(index.frame["warnings"].map(len))
    # Without the name it is a class like any other.
    assert read(root, None).classes == tuple(sorted([*CLASSES, "more"]))


def test_a_pattern_names_images_inside_class_folders(root: Path) -> None:
    frame = read(root, "more/1*.png").frame
    ours = set(frame.loc[is_unlabelled(frame), "path"])
    assert ours == {"more/1.png", *(f"more/1{i}.png" for i in range(10))}
    assert (frame["label"] == "more").sum() == MORE - len(ours)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [("mor", "names no image without a label"), ("../more", "no place below data.root")],
)
def test_a_name_that_fits_nothing_is_refused(root: Path, wanted: str, message: str) -> None:
    with pytest.raises(DataError, match=f"data.unlabelled: .*{message}"):
        read(root, wanted)


def test_a_set_of_unlabelled_images_alone_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"data\.unlabelled names all images"):
        read(root, "*")


def test_the_gate_lets_them_pass_and_goes_on_refusing_forgotten_labels(root: Path) -> None:
    index = read(root)
    assert validate_index(index, CHECKS).passed
    forgotten = index.with_columns(
        label=index.frame["label"].where(index.frame["path"] != "plain/0.png", None)
    )
    refused = [r for r in validate_index(forgotten, CHECKS).results if not r.passed]
    assert [(r.name, r.rows) for r in refused] == [("label_present", ("plain/0.png",))]


def test_all_of_them_are_in_train_and_the_others_where_they_would_be_without(
    root: Path, done: Placed, tmp_path: Path
) -> None:
    ours = is_unlabelled(done.index.frame)
    assert set(done.index.frame.loc[ours, "split"]) == {"train"}
    alone = done.index.where(~ours)
    again = place(alone.with_columns(split=None), SplitConfig(), seed=7)
    assert again.digest() == alone.digest()
    assert freeze(done.index, name="x") == freeze(alone, name="x")
    assert done.leaks.rate == 0.0
    assert done.leaks.train_images == (done.home == "train").sum()


@pytest.mark.parametrize("part", ["test", "val"])
def test_a_planted_copy_of_a_judged_image_never_reaches_train(
    root: Path, done: Placed, tmp_path: Path, part: str
) -> None:
    """An exact and a near copy, unlabelled, of one image of each judged part: both stay out, all others stay in."""
    planted = fill(tmp_path / "images")
    judged = done.home[done.home == part].index[0]
    pixels = cv2.imread(str(planted / judged))
    assert pixels is not None
    write(planted / "more" / "exact.bmp", pixels)
    noise = np.random.default_rng(1).normal(6, 3, pixels.shape)
    write(planted / "more" / "near.png", (pixels + noise).clip(0, 255).astype(np.uint8))
    found = prepared(planted, frozenset(freeze(done.index, name="x").image_ids))
    assert found.home[judged] == part
    assert pd.isna(found.home["more/exact.bmp"])
    assert pd.isna(found.home["more/near.png"])
    assert found.home.drop(["more/exact.bmp", "more/near.png"]).equals(done.home)
    assert found.leaks.rate == 0.0
    assert found.index.frame["quarantine"].isna().all()
    # The audit would have seen it, had the split let it in.
    wrong = found.index.with_columns(
        split=found.index.frame["split"].mask(is_unlabelled(found.index.frame), "train")
    )
    _, duplicates = group_duplicates(wrong)
    assert (leak_report(wrong, duplicates, seed=7).leaking > 0) == (part == "test")


def index_of(rows: list[tuple[str, str, str | None, str | None]]) -> ImageIndex:
    """From (path, group, label, split); rows without a label are unlabelled."""
    return ImageIndex.from_rows(
        Path("root"),
        [
            {
                "image_id": f"{i:04d}",
                "path": path,
                "group": group,
                "label": label,
                "split": split,
                "label_source": UNLABELLED if label is None else "folder",
            }
            for i, (path, group, label, split) in enumerate(rows)
        ],
    )


def test_one_image_of_val_or_test_keeps_its_whole_group_out() -> None:
    index = index_of(
        [
            ("a.png", "g1", "x", "train"),
            ("b.png", "g1", None, None),
            ("c.png", "g2", "x", "val"),
            ("d.png", "g2", None, None),
            ("e.png", "g3", "x", "test"),
            ("f.png", "g3", None, None),
            ("g.png", "g4", None, None),
            ("h.png", "g5", None, None),
            ("i.png", "g5", None, "test"),
        ]
    )
    split = with_unlabelled_in_train(index, frozen=frozenset({"0006"})).frame["split"]
    wanted = ["train", "train", "val", None, "test", None, None, None, None]
    assert [None if pd.isna(x) else x for x in split] == wanted


def test_without_any_of_them_the_index_is_the_very_same() -> None:
    index = index_of([("a.png", "g", "x", "train"), ("b.png", "h", "y", "test")])
    assert with_unlabelled_in_train(index, frozen=frozenset()) is index
    missing = index.with_columns(label=[None, "y"])  # forgotten, not meant
    assert with_unlabelled_in_train(missing, frozen=frozenset()) is missing


def test_a_split_that_came_with_the_data_takes_them_into_train_alone() -> None:
    rows: list[tuple[str, str, str | None, str | None]] = [
        (f"{part}/{label}/{i}.png", f"{part}{label}{i}", label, None)
        for part in ("train", "val", "test")
        for label in "ab"
        for i in range(3)
    ]
    rows += [("test/more/1.png", "u1", None, None), ("more/2.png", "u2", None, None)]
    rows += [("train/more/3.png", "u3", None, None), ("more/4.png", "testa0", None, None)]
    frame = place(index_of(rows), SplitConfig(keep=True), seed=0).frame.set_index("path")
    assert pd.isna(frame.loc[["test/more/1.png", "more/4.png"], "split"]).all()
    assert (frame.loc[["more/2.png", "train/more/3.png"], "split"] == "train").all()


def test_the_frozen_test_set_is_the_same_with_and_without_them(tmp_path: Path) -> None:
    data = {"kind": "folder", "root": tmp_path}
    with_, without = (
        RunConfig.model_validate({"name": "line", "data": {**data, **more}})
        for more in ({"unlabelled": "more"}, {})
    )
    assert test_set_path(Store(tmp_path), with_) == test_set_path(Store(tmp_path), without)


def test_manifest_rows_without_a_label_are_taken_and_those_with_one_kept(
    root: Path, tmp_path: Path
) -> None:
    home = fill(tmp_path / "images")
    lines = [
        "path,label",
        *(f"plain/{i}.png,plain" for i in (0, 3)),
        "spot/1.png,",
        "more/0.png,spot",
    ]
    (home / "list.csv").write_text("\n".join(lines))
    config = DataConfig(
        kind="manifest", root=home, unlabelled="*o*e/*", annotations=Path("list.csv")
    )
    frame = ingest(config, CHECKS, store=Store(tmp_path / "s"), seed=0).frame.set_index("path")
    assert frame.loc["more/0.png", "label"] == "spot"
    assert set(frame.index[is_unlabelled(frame)]) == {f"more/{i}.png" for i in range(1, MORE)}
    # Not named, so only forgotten.
    assert frame.loc["spot/1.png", "label_source"] != UNLABELLED


def test_no_defect_is_not_the_same_as_unlabelled(tmp_path: Path) -> None:
    """In a YOLO folder an image without objects is of the ok class; only a named folder has no label."""
    generator = np.random.default_rng(0)
    for name in ("images/a.png", "images/b.png", "fresh/c.png", "fresh/d.png"):
        write(tmp_path / name, drawn("plain", generator))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "fresh" / "d.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    config = DataConfig(
        kind="yolo", root=tmp_path, ok_class="good", class_names={0: "spot"}, unlabelled="fresh"
    )
    frame = ingest(config, CHECKS, store=Store(tmp_path / "s"), seed=0).frame.set_index("path")
    assert frame["label"].replace({np.nan: None}).to_dict() == {
        "images/a.png": "spot",
        "images/b.png": "good",
        "fresh/c.png": None,
        "fresh/d.png": "spot",
    }


def test_no_copy_is_dropped_for_an_unlabelled_one_and_none_contradicts(tmp_path: Path) -> None:
    home = fill(tmp_path / "images")
    pixels = cv2.imread(str(home / "spot" / "1.png"))
    assert pixels is not None
    for name in ("a.bmp", "more/a.bmp", "more/b.bmp"):
        write(home / ("spot" if "/" not in name else ".") / name, pixels)
    index = read(home)
    plan = plan_dedupe(index, DedupeOptions())
    actions = {each.path: each.action for each in plan.planned}
    assert plan.count("conflict") == 0
    assert sorted(actions[name] for name in ("spot/1.png", "spot/a.bmp")) == ["drop", "keep"]
    assert sorted(actions[name] for name in ("more/a.bmp", "more/b.bmp")) == ["drop", "keep"]
    copies = find_copies(index)
    assert any(len(equal) == 4 for equal in copies.equal)
    grouped, _ = group_duplicates(index)
    assert grouped.frame.set_index("path").loc[["spot/1.png", "more/a.bmp"], "group"].nunique() == 1


def test_profile_and_label_audit_speak_of_labelled_images_only(root: Path, done: Placed) -> None:
    index = read(root)
    profile = profile_of(index)
    assert profile == profile_of(index.where(~is_unlabelled(index.frame)))
    assert "label" in profile.required
    assert validate_profile(index, profile).passed
    audit = audit_labels(index, None, seed=0)
    assert audit.queue == ()
    assert f"{MORE} images without a label" in audit.notes


def test_exports_do_not_pass_them_off_as_sound(done: Placed) -> None:
    names = {image["file_name"] for image in to_coco(done.index)["images"]}
    assert len(names) == PER_CLASS * len(CLASSES)
    assert not any(name.startswith("more/") for name in names)
    manifest = to_manifest(done.index)
    assert manifest["label"].isna().sum() == MORE
