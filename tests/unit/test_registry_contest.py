"""The whole contest on real bundles and a real registry: what the gate is told is what lies there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.edge.bundle import open_bundle
from deploy.registry.contest import Contest, certificate_fault, groups_of, hold_contest
from deploy.registry.enrolment import enrol
from deploy.registry.tracking import RegistryError, TrackedRun, open_tracking
from deploy.registry.training_images import (
    ARTIFACT,
    champion_training_images,
    learned_from,
    record_training_images,
)
from inspection.config import EconomicsConfig, GateConfig
from inspection.data.index import ImageIndex
from inspection.evaluation.answers import evaluate_bundle
from inspection.evaluation.corruptions import CORRUPTIONS
from inspection.evaluation.gate import GateVerdict, gate
from inspection.store import Store
from tests.answered_images import photographed
from tests.edge_bundles import CLASSES, resign, write_bundle
from tests.registry_sites import empty_database, store

__all__ = ["empty_database", "store"]
pytestmark = pytest.mark.process

NAME, TEST_SET = "demo", "t" * 64
PASSED = {"conversion": "onnxruntime fp32", "status": "passed"}


def bundle_of(folder: Path, weights: str, *, certified: object = None) -> Path:
    """A sound bundle under its digest, whose student has the `weights`."""
    made = write_bundle(folder / weights)
    document = {"test_digest": TEST_SET, "rows": [PASSED]} if certified is None else certified
    (made / "certificate.json").write_text(json.dumps(document))
    resign(made, provenance={"student": {"weights_sha256": weights}})
    return made.rename(folder / open_bundle(made).digest)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    return photographed(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("bundles")
    return {weights: bundle_of(home, weights) for weights in ("old", "new")}


@pytest.fixture(scope="module")
def passed(index: ImageIndex, bundles: dict[str, Path]) -> GateVerdict:
    return gate(evaluated(index, bundles["old"]), None, GateConfig())


def evaluated(index: ImageIndex, bundle: Path):
    return evaluate_bundle(
        open_bundle(bundle), index.split("test"), name="new", classes=CLASSES, test_digest=TEST_SET
    )


def held(store: Store, index: ImageIndex, bundle: Path) -> Contest:
    config, asked = GateConfig(), EconomicsConfig()
    return hold_contest(store, NAME, bundle, evaluated(index, bundle), index, config, asked)


def test_a_first_model_has_no_champion_and_is_measured_all_the_same(
    store: Store, index: ImageIndex, bundles: dict[str, Path]
) -> None:
    contest = held(store, index, bundles["new"])
    told = contest.evidence
    assert contest.champion is None
    assert (told.same_bundle, told.champion_cost, told.seen_by_champion) == (False, None, None)
    assert told.cost.latency_ms > 0
    assert told.cost.bytes == (bundles["new"] / "model.onnx").stat().st_size
    assert (told.certificate, told.seen_by_challenger) == ("", ())
    assert [row.name for row in told.corrupted] == list(CORRUPTIONS)
    assert told.rule.ok_class == "ok"


def test_champion_and_challenger_are_told_apart_by_bundle_and_by_student(
    store: Store, index: ImageIndex, bundles: dict[str, Path], passed: GateVerdict, tmp_path: Path
) -> None:
    enrol(store, NAME, bundles["old"], passed, TrackedRun("first"), learned_from(index))
    other = held(store, index, bundles["new"])
    assert (other.evidence.same_bundle, other.evidence.same_student) == (False, False)
    assert other.champion.predictions == evaluated(index, bundles["old"]).predictions
    assert other.evidence.champion_cost.latency_ms > 0
    assert other.evidence.seen_by_champion == ()
    assert all(row.champion_hits == row.challenger_hits for row in other.evidence.corrupted)
    same = held(store, index, bundles["old"])
    assert (same.evidence.same_bundle, same.evidence.champion_cost) == (True, None)
    again = write_bundle(tmp_path / "again", temperature=1.5)
    resign(again, provenance={"student": {"weights_sha256": "old"}})
    export = held(store, index, again)
    assert (export.evidence.same_bundle, export.evidence.same_student) == (False, True)


def test_a_champion_that_was_trained_on_a_gate_images_part_is_found(
    store: Store, index: ImageIndex, bundles: dict[str, Path], passed: GateVerdict
) -> None:
    """Not on the image itself: on another view of its part, as today's groups have it."""
    test, train = index.split("test").frame["image_id"], index.split("train").frame["image_id"]
    enrol(store, NAME, bundles["old"], passed, TrackedRun("first"), [str(train.iloc[0])])
    together = [
        "part" if i in (test.iloc[0], train.iloc[0]) else None for i in index.frame["image_id"]
    ]
    grouped = ImageIndex(index.root, index.frame.assign(group=together))
    assert groups_of(grouped) == {str(test.iloc[0]): "part", str(train.iloc[0]): "part"}
    contest = held(store, grouped, bundles["new"])
    assert contest.evidence.seen_by_champion == (str(test.iloc[0]),)
    verdict = gate(
        evaluated(grouped, bundles["new"]), contest.champion, GateConfig(), contest.evidence
    )
    assert "the gate set is not new to the champion: 1 of its 12 images" in verdict.sentence
    assert "the gate set is not new to the challenger: 1 of its 12 images" in verdict.sentence


def test_a_champion_enrolled_without_a_record_is_unknown(
    store: Store, index: ImageIndex, bundles: dict[str, Path], passed: GateVerdict
) -> None:
    first = enrol(store, NAME, bundles["old"], passed, TrackedRun("first"))
    assert champion_training_images(store, NAME) is None
    assert held(store, index, bundles["new"]).evidence.seen_by_champion is None
    # Enrolled again, now with a record: it lands on the version's own run, and what stands is kept.
    enrol(store, NAME, bundles["old"], passed, TrackedRun("again"), ["a", "b"])
    assert champion_training_images(store, NAME) == ("a", "b")
    record_training_images(store, first.run_id, ["c"])
    assert champion_training_images(store, NAME) == ("a", "b")


def test_a_record_that_somebody_broke_is_named(
    store: Store, bundles: dict[str, Path], passed: GateVerdict
) -> None:
    enrolled = enrol(store, NAME, bundles["old"], passed, TrackedRun("first"))
    open_tracking(store).log_text(enrolled.run_id, "{", ARTIFACT)
    with pytest.raises(RegistryError, match="cannot be read"):
        champion_training_images(store, NAME)


def test_learned_from_are_training_and_validation_images(index: ImageIndex) -> None:
    frame = index.frame
    expected = sorted(frame[frame["split"] != "test"]["image_id"])
    assert learned_from(index) == tuple(expected)
    assert len(expected) == 12


# what the certificate says, what is wrong with it
CERTIFICATES = [
    ({"test_digest": TEST_SET, "rows": [PASSED]}, ""),
    ({"test_digest": "u" * 64, "rows": [PASSED]}, "it was made on test set uuuuuuuuuuuu"),
    ({"rows": [PASSED]}, "it was made on test set None"),
    ({"test_digest": TEST_SET}, "its row 'onnxruntime fp32' is missing"),
    (
        {"test_digest": TEST_SET, "rows": [{**PASSED, "status": "refused"}]},
        "its row 'onnxruntime fp32' is refused",
    ),
]


@pytest.mark.parametrize(("document", "fault"), CERTIFICATES)
def test_certificates(tmp_path: Path, document: dict[str, object], fault: str) -> None:
    bundle = open_bundle(bundle_of(tmp_path, "w", certified=document))
    assert certificate_fault(bundle, TEST_SET) == fault
