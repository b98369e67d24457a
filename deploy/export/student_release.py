"""From a trained student's folder to its certified bundle, once: equal inputs find the bundle on the shelf.

Covered: a bundle that was damaged or removed since is made again; one that stands gets the signatures of keys made
since. Not covered: an edit of the export's own code without a new code fingerprint in `hashes`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from deploy.edge.bundle import open_bundle
from deploy.edge.errors import BundleError
from deploy.edge.files import canonical_json, sha256_bytes
from deploy.edge.shelf import add_signatures
from deploy.edge.spec import Decision
from deploy.export.bundle_writer import BundleSpec
from deploy.export.keys import sign_manifest
from deploy.export.planned import Planned
from deploy.export.release import Release, export_bundle, tool_versions
from deploy.export.torch_engine import TorchEngine
from inspection.config import EconomicsConfig
from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.evaluation.answers import answer
from inspection.evaluation.thresholds import choose_thresholds
from inspection.models.heads import Teacher
from inspection.models.student_files import StudentCard, load_deploy_graph
from inspection.store import Store

RELEASES = ".releases"
"""Beside the bundles: which inputs gave which bundle."""


def release_student(
    student: Path,
    teacher: Teacher,
    index: ImageIndex,
    *,
    name: str,
    ok_class: str | None,
    test_digest: str,
    hashes: Mapping[str, str],
    store: Store,
    economics: EconomicsConfig | None = None,
    max_megapixels: float = 100.0,
    planned: Planned | None = None,
) -> Release:
    """Export, certify and shelve the student in the folder `student`; ParityError if decisions change.

    `economics` may ask for thresholds from validation images; `planned` brings the precisions beside FP32.
    """
    graph, card = load_deploy_graph(student)
    if ok_class is not None and ok_class not in card.classes:
        raise DataError(
            f"data.ok_class: the student knows no '{ok_class}': {', '.join(card.classes)}"
        )
    spec = BundleSpec(
        name=name,
        classes=card.classes,
        preprocessing=card.preprocessing,
        decision=Decision(ok_class=ok_class),
        temperature=card.temperature,
        test_digest=test_digest,
        hashes={**hashes, **provenance(card, teacher)},
    )
    if economics is not None and economics.sets_thresholds:
        spec = _with_thresholds(spec, graph, index, economics, max_megapixels)
    place = store.bundles / RELEASES / f"{_key(spec, card, index, planned)}.json"
    known = _known(place, store)
    if known is not None:
        return known
    release = export_bundle(
        graph, spec, index=index, store=store, max_megapixels=max_megapixels, planned=planned
    )
    release.save(place)
    return release


def _with_thresholds(
    spec: BundleSpec,
    graph: nn.Module,
    index: ImageIndex,
    economics: EconomicsConfig,
    max_megapixels: float,
) -> BundleSpec:
    """`spec` with the thresholds its economics ask for, and what they promise among its hashes."""
    ok_class = spec.decision.ok_class
    if ok_class is None:
        raise DataError(
            "economics: thresholds need a class that stands for a good part; set data.ok_class"
        )
    rows = index.split("val")
    trained = {"torch": TorchEngine(graph)}
    found = answer(rows, spec.preprocessing, trained, max_megapixels=max_megapixels)["torch"]
    chosen = choose_thresholds(
        1.0 - found.probabilities[:, spec.classes.index(ok_class)].astype(np.float64),
        [str(g) for g in rows.frame["group"].fillna(rows.frame["image_id"])],
        [label != ok_class for label in found.labels],
        economics,
        spec.decision,
    )
    hashes = {**spec.hashes, "thresholds": list(chosen.sentences)}
    return replace(spec, decision=chosen.decision, hashes=hashes)


def provenance(card: StudentCard, teacher: Teacher) -> dict[str, Any]:
    """Whose weights these are, and under which licences."""
    return {
        "student": {
            "architecture": card.architecture,
            "weights_sha256": card.weights_sha256,
            "started_from": card.started_from,
            "licence": card.licence,
        },
        "teacher": {
            "backbone": teacher.backbone.name,
            "weights": teacher.backbone.weights,
            "weights_digest": teacher.backbone.weights_digest,
            "licence": teacher.backbone.licence,
            "digest": teacher.digest(),
        },
    }


def _key(spec: BundleSpec, card: StudentCard, index: ImageIndex, planned: Planned | None) -> str:
    said = json.loads(card.to_json())
    decision = [spec.decision.ok_class, spec.decision.reject_at, spec.decision.review_below]
    if spec.decision.accept_below is not None:
        decision.append(spec.decision.accept_below)
    parts = [spec.name, said, decision, spec.test_digest, dict(spec.hashes), index.digest()]
    plan = [json.loads(planned.to_json())] if planned else []
    return sha256_bytes(canonical_json([*parts, tool_versions(), *plan]))


def _known(place: Path, store: Store) -> Release | None:
    """What an earlier call made, if it still stands as made; a record that cannot be read is no record."""
    try:
        release = Release.load(place)
        # Not the recorded folder: the store may have been copied.
        bundle = open_bundle(store.bundles / release.digest)
    except (OSError, ValueError, BundleError):
        return None
    if bundle.digest != release.digest:
        return None
    add_signatures(bundle.folder, sign_manifest(store, bundle.manifest.to_json()))
    return replace(release, folder=bundle.folder)
