"""From a student's folder to its bundle, once: the shelf is asked first, and no changed input is answered from it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.edge.bundle import open_bundle, self_test
from deploy.edge.engines.registry import open_engine
from deploy.edge.errors import ImageError
from deploy.edge.files import sha256_file
from deploy.export import release, student_release
from deploy.export.release import Release
from deploy.export.student_release import RELEASES, release_student
from inspection.config import EconomicsConfig
from inspection.data.index import ImageIndex
from inspection.errors import DataError, ParityError, WeightsError
from inspection.evaluation.answers import answer
from inspection.models.registry import STUDENTS, Body
from inspection.models.student_files import WEIGHTS
from inspection.store import Store
from tests.unit.student_release_material import (
    CLASSES,
    CROPPED,
    MEAN,
    SIZE,
    STD,
    TEMPERATURE,
    MeanColour,
    by_hand,
    made_teacher,
    painted,
    unfaithful,
    written_student,
)

Inputs = dict[str, Any]
Shelf = Callable[..., bool]


@pytest.fixture(scope="module", autouse=True)
def colours() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STUDENTS, "colours", lambda: Body(MeanColour(), 3, MEAN, STD))
        patch.setattr(release, "export_onnx", by_hand)
        yield


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """What a release is made from."""
    home = tmp_path_factory.mktemp("home")
    return {
        "student": written_student(home / "student"),
        "teacher": made_teacher(),
        "index": painted(home / "images"),
        "name": "colours",
        "ok_class": "green",
        "test_digest": "t" * 64,
        "hashes": {"code": "c" * 64},
        "store": Store(home / "store"),
    }


def released(inputs: Inputs, **changes: Any) -> Release:
    return release_student(**{**inputs, **changes})


@pytest.fixture(scope="module")
def made(inputs: Inputs) -> Release:
    return released(inputs)


@pytest.fixture
def on_the_shelf(inputs: Inputs, made: Release, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Whether the first bundle is given for changed inputs; an export would be an error."""

    class Exported(Exception): ...

    def refused(*_: object, **__: object) -> Release:
        raise Exported

    def answered(**changes: Any) -> bool:
        try:
            return released(inputs, **changes) == made
        except Exported:
            return False

    monkeypatch.setattr(student_release, "export_bundle", refused)
    return answered


def test_the_bundle_is_the_student_of_the_folder(inputs: Inputs, made: Release) -> None:
    bundle = open_bundle(made.folder)
    said = bundle.manifest
    assert made.folder == inputs["store"].bundles / bundle.digest
    assert (said.name, said.classes, said.preprocessing) == ("colours", CLASSES, SIZE)
    assert said.decision.ok_class == "green"
    assert said.temperature == TEMPERATURE
    engine = open_engine("onnxruntime", bundle.model)
    assert self_test(bundle, engine) < 1e-6
    # A grey image on which normalisation and temperature both show, worked out on paper.
    grey = np.full((1, 16, 16, 3), 100, np.uint8)
    logits = 4.0 * ((100 / 255 - np.array(MEAN)) / np.array(STD))[::-1] / TEMPERATURE
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(engine.run(grey).probabilities[0], expected, atol=1e-5)


def test_the_evaluation_is_of_the_whole_test_split(inputs: Inputs, made: Release) -> None:
    found = made.evaluation
    assert found.image_ids == tuple(inputs["index"].split("test").frame["image_id"])
    assert (found.name, found.test_digest, found.accuracy.value) == ("colours", "t" * 64, 1.0)


def test_manifest_and_certificate_name_weights_and_licences(inputs: Inputs, made: Release) -> None:
    bundle = open_bundle(made.folder)
    for said in (bundle.manifest.provenance, bundle.certificate()["hashes"]):
        assert said["code"] == "c" * 64
        assert said["test_digest"] == "t" * 64
        assert said["student"] == {
            "architecture": "colours",
            "weights_sha256": sha256_file(inputs["student"] / WEIGHTS),
            "started_from": "none",
            "licence": "MIT",
        }
        assert said["teacher"] == {
            "backbone": "resnet10t",
            "weights": "hub-id",
            "weights_digest": "d" * 64,
            "licence": "Apache-2.0",
            "digest": made_teacher().digest(),
        }


def test_equal_inputs_find_the_bundle_on_the_shelf(
    inputs: Inputs, on_the_shelf: Shelf, tmp_path: Path
) -> None:
    assert on_the_shelf()
    # Where the images and the student lie, and the limit of their size, decide nothing.
    moved = Path(shutil.copytree(inputs["index"].root, tmp_path / "moved"))
    student = Path(shutil.copytree(inputs["student"], tmp_path / "student"))
    assert on_the_shelf(index=ImageIndex(moved, inputs["index"].frame), student=student)
    assert on_the_shelf(max_megapixels=50.0)


def test_another_input_is_not_answered_from_the_shelf(
    inputs: Inputs, on_the_shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, dict[str, Any]] = {
        "name": {"name": "colors"},
        "ok class": {"ok_class": "red"},
        "no ok class": {"ok_class": None},
        "test set": {"test_digest": "u" * 64},
        "code": {"hashes": {"code": "e" * 64}},
        "teacher": {"teacher": made_teacher(temperature=1.5)},
        "data": {"index": inputs["index"].with_columns(group="one part")},
        "weights": {"student": written_student(tmp_path / "a", gain=3.0)},
        "calibration": {"student": written_student(tmp_path / "b", temperature=0.6)},
        "resize": {"student": written_student(tmp_path / "c", preprocessing=CROPPED)},
    }
    assert [what for what, change in changes.items() if on_the_shelf(**change)] == []
    monkeypatch.setattr(student_release, "tool_versions", lambda: {"torch": "0.0.1"})
    assert not on_the_shelf()


def test_a_damaged_or_removed_bundle_is_made_again(
    inputs: Inputs, made: Release, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    first = released(inputs, store=store)
    assert first.digest == made.digest
    for damaged in ("certificate.json", "manifest.json", ""):
        place = first.folder / damaged
        shutil.rmtree(place) if place.is_dir() else place.write_text("{}")
        assert released(inputs, store=store) == first
        assert open_bundle(first.folder).digest == first.digest
    (record,) = (store.bundles / RELEASES).iterdir()
    record.write_bytes(record.read_bytes()[:100])
    assert released(inputs, store=store) == first


def test_a_copied_store_answers_with_its_own_bundle(inputs: Inputs, tmp_path: Path) -> None:
    first = released(inputs, store=Store(tmp_path / "one"))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    again = released(inputs, store=Store(tmp_path / "two"))
    assert again.folder == tmp_path / "two" / first.folder.relative_to(tmp_path / "one")


def test_an_ok_class_that_nobody_learned_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="knows no 'purple'"):
        released(inputs, store=Store(tmp_path), ok_class="purple")
    assert not Store(tmp_path).bundles.exists()


def test_another_bundle_in_its_place_is_not_taken_for_it(
    inputs: Inputs, made: Release, tmp_path: Path
) -> None:
    """A whole and sound bundle, but not the one that was certified from these inputs."""
    other = released(inputs, name="other", store=Store(tmp_path / "other"))
    store = Store(tmp_path / "store")
    first = released(inputs, store=store)
    shutil.rmtree(first.folder)
    shutil.copytree(other.folder, first.folder)
    assert released(inputs, store=store) == first
    assert open_bundle(first.folder).digest == first.digest


def test_decisions_that_change_leave_neither_bundle_nor_record(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(release, "export_onnx", unfaithful)
        for _ in range(2):  # and the second time is no better
            with pytest.raises(ParityError, match="flips"):
                released(inputs, store=store)
    assert not store.bundles.exists()
    assert released(inputs, store=store).evaluation.accuracy.value == 1.0


def test_a_student_that_is_not_what_its_card_says_is_refused_though_its_bundle_stands(
    inputs: Inputs, made: Release, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="no finished student"):
        released(inputs, student=tmp_path / "nothing")
    student = Path(shutil.copytree(inputs["student"], tmp_path / "student"))
    weights = (student / WEIGHTS).read_bytes()
    (student / WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(WeightsError, match="not what its card promises"):
        released(inputs, student=student)


def test_the_size_limit_holds_here_too(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="megapixels"):
        released(inputs, store=Store(tmp_path), max_megapixels=1e-4)


def test_thresholds_come_from_validation_images_where_they_are_asked_for(inputs: Inputs) -> None:
    """Of six defective ones none may be missed for 50 %: the bound of no miss is 39 %, of one 58 %."""
    asked = EconomicsConfig(max_escape=0.5)
    bundle = open_bundle(released(inputs, economics=asked).folder)
    rows = inputs["index"].split("val")
    engine = {"it": open_engine("onnxruntime", bundle.model)}
    found = answer(rows, SIZE, engine)["it"]
    suspicion = 1.0 - found.probabilities[:, CLASSES.index("green")]
    defective = np.array(found.labels) != "green"
    assert defective.sum() == 6
    lowest = float(suspicion[defective].min())
    assert bundle.manifest.decision.reject_at == pytest.approx(lowest, abs=1e-5)
    (said,) = bundle.manifest.provenance["thresholds"]
    assert "at most 50 % of defective parts escape" in said


def test_a_band_for_people_travels_in_the_bundle(inputs: Inputs) -> None:
    asked = EconomicsConfig(review_error=0.2)
    decision = open_bundle(released(inputs, economics=asked).folder).manifest.decision
    assert decision.accept_below is not None
    assert 0 <= decision.accept_below <= decision.reject_at <= 1


def test_thresholds_without_a_good_class_are_refused(inputs: Inputs) -> None:
    asked = EconomicsConfig(max_escape=0.5)
    with pytest.raises(DataError, match=r"set data\.ok_class"):
        released(inputs, ok_class=None, economics=asked)


def test_nothing_asked_leaves_the_bundle_as_it_was(inputs: Inputs, made: Release) -> None:
    assert released(inputs, economics=EconomicsConfig(defect_rate=0.1)).digest == made.digest
