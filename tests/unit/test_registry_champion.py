"""Runs are enrolled in MLflow itself; their champion is asked about today's test images as on the device."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from deploy.edge.bundle import open_bundle
from deploy.edge.decode import decode
from deploy.edge.errors import ImageError, TamperedBundle
from deploy.edge.preprocess import preprocess
from deploy.registry.champion import evaluate_champion
from deploy.registry.enrolment import Enrolment, enrol
from deploy.registry.models import champion_bundle, get_version, list_versions, register_bundle
from deploy.registry.tracking import TrackedRun, open_tracking, track_run
from inspection.config import GateConfig
from inspection.data.index import ImageIndex
from inspection.errors import DataError, Refused
from inspection.evaluation.gate import GateVerdict, gate
from inspection.evaluation.metrics import Evaluation, evaluate
from inspection.store import Store
from tests.answered_images import photographed
from tests.edge_bundles import CLASSES, SPEC, by_numpy, write_bundle
from tests.registry_sites import empty_database, store, store_on

__all__ = ["empty_database", "store"]
pytestmark = pytest.mark.process

NAME = "demo"
WRONG = 3
"""So many test images carry another label than the bundle's answer."""


def bundle_of(folder: Path, **changes: object) -> Path:
    """A sound bundle under its digest; `changes` go into its manifest."""
    made = write_bundle(folder / "made", **changes)
    return made.rename(folder / open_bundle(made).digest)


def challenger(
    index: ImageIndex, classes: tuple[str, ...] = CLASSES, *, off: int = 0
) -> Evaluation:
    """Somebody else's answers on the same test images: half sure, and always right unless `off` by a class."""
    test = index.split("test").frame
    labels = [str(label) for label in test["label"]]
    called = [(classes.index(label) + off) % len(classes) for label in labels]
    sure = np.full((len(labels), len(classes)), 0.5 / len(classes))
    sure[np.arange(len(labels)), called] += 0.5
    ids = [str(i) for i in test["image_id"]]
    return evaluate("today", labels, sure, classes, image_ids=ids, test_digest="t" * 64)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    return photographed(tmp_path_factory.mktemp("images"), wrong=WRONG)


@pytest.fixture(scope="module")
def passed(index: ImageIndex) -> GateVerdict:
    return gate(challenger(index), None, GateConfig(min_accuracy=0.5))


@pytest.fixture(scope="module")
def refused(index: ImageIndex) -> GateVerdict:
    return gate(challenger(index, off=1), None, GateConfig(min_accuracy=0.5))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle_of(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def crowned(
    empty_database: Path,
    tmp_path_factory: pytest.TempPathFactory,
    bundle: Path,
    passed: GateVerdict,
) -> tuple[Store, Enrolment]:
    """A store with a champion, only to be read."""
    store = store_on(empty_database, tmp_path_factory.mktemp("crowned"))
    run = TrackedRun("first", params={"seed": 7}, metrics={"macro_f1": 0.75})
    return store, enrol(store, NAME, bundle, passed, run)


def asked(store: Store, index: ImageIndex, **changes: object) -> Evaluation | None:
    settings = {"challenger": challenger(index), "challenger_digest": "0" * 64} | changes
    return evaluate_champion(store, NAME, index, **settings)


def test_a_run_that_passed_is_tracked_registered_and_champion(
    crowned: tuple[Store, Enrolment], bundle: Path
) -> None:
    store, enrolled = crowned
    assert (enrolled.name, enrolled.version) == (NAME, 1)
    assert enrolled.aliases == ("challenger", "champion")
    version = get_version(store, NAME, 1)
    assert (version.digest, version.run_id) == (bundle.name, enrolled.run_id)
    assert version.metrics == {"macro_f1": 0.75}
    assert version.tags["run"] == "first"
    run = open_tracking(store).get_run(enrolled.run_id)
    assert (run.info.run_name, run.info.status) == ("first", "FINISHED")
    assert run.data.params == {"seed": "7"}
    assert champion_bundle(store, NAME) == store.bundles / bundle.name
    assert Enrolment.from_json(enrolled.to_json()) == enrolled


def test_a_refused_run_is_tracked_and_nothing_else(
    store: Store, bundle: Path, refused: GateVerdict
) -> None:
    enrolled = enrol(store, NAME, bundle, refused, TrackedRun("weak", metrics={"macro_f1": 0.1}))
    assert enrolled == Enrolment(NAME, enrolled.run_id, None, ())
    run = open_tracking(store).get_run(enrolled.run_id)
    assert run.data.metrics == {"macro_f1": 0.1}
    assert list_versions(store) == ()
    assert not store.bundles.exists()
    assert Enrolment.from_json(enrolled.to_json()) == enrolled


def test_the_throne_changes_hands_only_by_the_gate(
    store: Store, index: ImageIndex, bundle: Path, tmp_path: Path, passed: GateVerdict
) -> None:
    first = enrol(store, NAME, bundle, passed, TrackedRun("first"))
    better = bundle_of(tmp_path, name="better")
    refused = gate(challenger(index, off=1), asked(store, index), GateConfig())
    enrol(store, NAME, better, refused, TrackedRun("second"))
    assert champion_bundle(store, NAME).name == bundle.name
    assert get_version(store, NAME, 1).aliases == ("challenger", "champion")
    follows = gate(challenger(index), asked(store, index), GateConfig(ways=()))
    third = enrol(store, NAME, better, follows, TrackedRun("third"))
    assert (third.version, third.aliases) == (2, ("challenger", "champion"))
    assert champion_bundle(store, NAME).name == better.name
    assert get_version(store, NAME, 1).aliases == ("previous",)
    # The same bundle once more: another run, the same version, which keeps the run that made it.
    again = enrol(store, NAME, better, follows, TrackedRun("fourth"))
    assert (again.version, again.aliases) == (third.version, third.aliases)
    assert len({run.run_id for run in (first, third, again)}) == 3
    assert get_version(store, NAME, 2).run_id == third.run_id
    assert [version.version for version in list_versions(store, NAME)] == [2, 1]


def test_a_verdict_about_another_champion_crowns_nobody(
    store: Store, bundle: Path, tmp_path: Path, passed: GateVerdict
) -> None:
    """While the run was in its gate, somebody else became champion: the comparison is void."""
    enrol(store, NAME, bundle, passed, TrackedRun("first"))
    with pytest.raises(Refused, match=r"compared version 2 of 'demo' with no champion, but by now"):
        enrol(store, NAME, bundle_of(tmp_path, name="late"), passed, TrackedRun("second"))
    assert champion_bundle(store, NAME).name == bundle.name
    assert get_version(store, NAME, 2).aliases == ("challenger",)


def test_a_bundle_that_a_later_gate_refused_says_so(
    store: Store, bundle: Path, passed: GateVerdict, refused: GateVerdict
) -> None:
    enrol(store, NAME, bundle, passed, TrackedRun("first"))
    assert get_version(store, NAME, 1).tags["gate"] == "passed"
    enrol(store, NAME, bundle, refused, TrackedRun("second"))
    tags = get_version(store, NAME, 1).tags
    assert (tags["gate"], tags["gate_sentence"]) == ("refused", refused.sentence)


def test_a_damaged_bundle_is_not_enrolled_though_the_gate_passed(
    store: Store, bundle: Path, tmp_path: Path, passed: GateVerdict
) -> None:
    damaged = shutil.copytree(bundle, tmp_path / bundle.name)
    (damaged / "certificate.json").write_text("{}")
    with pytest.raises(TamperedBundle, match="certificate"):
        enrol(store, NAME, damaged, passed, TrackedRun("first"))
    assert list_versions(store) == ()
    assert champion_bundle(store, NAME) is None


def test_no_champion_no_evaluation_and_no_store(tmp_path: Path, index: ImageIndex) -> None:
    assert asked(Store(tmp_path / "store"), index) is None
    assert list(tmp_path.iterdir()) == []


def test_a_version_nobody_promoted_is_no_champion(
    store: Store, bundle: Path, index: ImageIndex
) -> None:
    run = track_run(store, NAME, TrackedRun("x"))
    register_bundle(store, NAME, bundle, run_id=run)
    assert asked(store, index) is None


def test_the_champion_answers_for_todays_test_images(
    crowned: tuple[Store, Enrolment], bundle: Path, index: ImageIndex
) -> None:
    store, _ = crowned
    test = index.split("test")
    found = asked(store, index)
    assert found.name == f"champion {bundle.name[:12]}"
    assert found.test_digest == "t" * 64
    assert found.image_ids == tuple(test.frame["image_id"])
    pixels = [preprocess(decode(path.read_bytes()).pixels, SPEC) for path in test.paths]
    expected = by_numpy(np.stack(pixels)).probabilities
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    assert (found.count, len(found.wrong)) == (12, WRONG)


def test_champion_and_challenger_can_be_compared(
    crowned: tuple[Store, Enrolment], index: ImageIndex
) -> None:
    store, _ = crowned
    config = GateConfig()
    compared = gate(challenger(index), asked(store, index), config)
    assert f"{WRONG} images newly right, 0 newly wrong" in compared.sentence
    # Three of twelve are no more than chance, and the other way round they are lost.
    assert "one-sided exact p = 0.125" in compared.sentence
    turned = gate(asked(store, index), challenger(index), config)
    assert f"0 images newly right, {WRONG} newly wrong" in turned.sentence


def test_classes_stand_in_the_challengers_order(
    crowned: tuple[Store, Enrolment], index: ImageIndex
) -> None:
    store, _ = crowned
    turned = ("scratch", "ok", "dent", "crack")
    found = asked(store, index, challenger=challenger(index, turned))
    assert found.classes == turned
    straight = np.array(asked(store, index).probabilities)
    by_class = np.array(found.probabilities)
    np.testing.assert_array_equal(by_class[:, [3, 1, 0]], straight)
    assert (by_class[:, 2] == 0).all()
    assert len(found.wrong) == WRONG


def test_the_same_bundle_is_not_asked_twice(
    crowned: tuple[Store, Enrolment], bundle: Path, index: ImageIndex, tmp_path: Path
) -> None:
    """Its answers are known, even where the images are gone."""
    store, _ = crowned
    ours = challenger(index)
    gone = ImageIndex(tmp_path, index.frame)
    found = asked(store, gone, challenger=ours, challenger_digest=bundle.name)
    assert found == dataclasses.replace(ours, name=f"champion {bundle.name[:12]}")
    with pytest.raises(DataError, match="is gone since it was indexed"):
        asked(store, gone, challenger=ours)


def test_a_champion_of_another_name_is_not_asked(
    crowned: tuple[Store, Enrolment], index: ImageIndex
) -> None:
    store, _ = crowned
    assert evaluate_champion(store, "other", index, challenger(index), "0" * 64) is None


def test_an_image_above_the_limit_is_not_scored(
    crowned: tuple[Store, Enrolment], index: ImageIndex
) -> None:
    with pytest.raises(ImageError, match="megapixels"):
        asked(crowned[0], index, max_megapixels=1e-5)
