"""Registered models: versions whose artifact is a bundle, found by digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deploy.edge.bundle import Bundle, load_golden, open_bundle
from deploy.edge.preprocess import preprocess
from deploy.edge.shelf import install, is_sound
from deploy.registry.aliases import CHAMPION, DIGEST, Hand, stand
from deploy.registry.ledger import Holder
from deploy.registry.ledger_server import is_ledger
from deploy.registry.moving import enlist
from deploy.registry.tracking import RegistryError, locked, nothing_yet, open_tracking, quiet
from inspection.errors import UserError
from inspection.records import Record
from inspection.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

GATE, GATE_SENTENCE = "gate", "gate_sentence"
"""Tags of a version: what the latest gate said of it, in a word and in its sentence."""
PASSED, REFUSED = "passed", "refused"
SERVED = Path(__file__).with_name("served_bundle.py")


@dataclass(frozen=True)
class ModelVersion(Record):
    """One version as people ask for it; `created` is ISO 8601 in UTC, `metrics` are its run's."""

    name: str
    version: int
    digest: str
    aliases: tuple[str, ...]
    metrics: dict[str, float]
    tags: dict[str, str]
    run_id: str
    created: str


def register_bundle(
    store: Store,
    name: str,
    folder: Path,
    *,
    run_id: str,
    tags: Mapping[str, str] | None = None,
    hand: Hand | None = None,
) -> ModelVersion:
    """The bundle as a version of model `name`, called `challenger`; the same bundle twice is the same version.

    The version is loaded back and has to answer its golden images as the bundle says, or it is taken away again.
    """
    bundle = open_bundle(folder)
    client = open_tracking(store)
    with locked(store, "register"):
        version = _find(client, name, bundle.manifest.digest)
        if version is None:
            version = _new_version(client, name, bundle, run_id, tags or {})
    enlist(store, name, Holder(version, bundle.digest), hand or Hand("registered"))
    return get_version(store, name, version)


def mark_judged(
    store: Store,
    name: str,
    digest: str,
    *,
    passed: bool,
    sentence: str,
    counted: Mapping[str, str] | None = None,
) -> None:
    """Write on the versions that hold bundle `digest`, if there are any, what a gate said of it and `counted`."""
    client = open_tracking(store)
    for version in _holding(client, name, digest):
        judged = {GATE: PASSED if passed else REFUSED, GATE_SENTENCE: sentence}
        said = {**judged, **(counted or {})}
        for key, value in said.items():
            client.set_model_version_tag(name, str(version), key, value)


def champion_bundle(store: Store, name: str) -> Path | None:
    """The champion's bundle on `store.bundles`, verified; None if there is no champion."""
    if nothing_yet(store):
        return None
    version = stand(store, name).version(CHAMPION)
    return None if version is None else bundle_of(store, name, version)


def bundle_to_watch(store: Store, name: str, named: str) -> Path:
    """The bundle folder that was `named`, or, for an empty name, that of the champion as it is now."""
    if named:
        return Path(named)
    folder = champion_bundle(store, name)
    if folder is None:
        raise UserError(
            f"no champion of '{name}' in {store.root}: "
            "run its config first, or say which bundle made the log with --bundle FOLDER"
        )
    return folder


def champion_name(digest: str) -> str:
    """What a champion is called in verdicts and reports."""
    return f"champion {digest[:12]}"


def check_model(store: Store, name: str) -> None:
    """A sentence if there is no model `name`, with the names there are."""
    client = None if nothing_yet(store) else open_tracking(store)
    if client is None or not _models_named(client, name):
        models = client.search_registered_models(max_results=1000) if client else []
        known = sorted(model.name for model in models if not is_ledger(model.name))
        there = f"there are {', '.join(known)}" if known else "nothing is registered yet"
        raise UserError(f"no model '{name}' in the registry: {there}; see 'plumbline models'")


def tags_of(store: Store, name: str, version: int) -> dict[str, str]:
    """A version's tags; a sentence if there is no such version."""
    from mlflow.exceptions import MlflowException

    client = open_tracking(store)
    try:
        return dict(client.get_model_version(name, str(version)).tags)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    there = sorted(int(v.version) for v in client.search_model_versions(f"name = '{name}'"))
    raise UserError(
        f"'{name}' has no version {version}: it has {', '.join(map(str, there)) or 'none'}; see 'plumbline models'"
    )


def bundle_of(store: Store, name: str, version: int) -> Path:
    """A version's bundle, verified: what stands on `store.bundles`, else copied there out of MLflow."""
    import tempfile

    import mlflow

    digest = tags_of(store, name, version).get(DIGEST, "")
    if digest and is_sound(store.bundles / digest):
        return store.bundles / digest
    with tempfile.TemporaryDirectory(prefix="plumbline-") as scratch:
        # Into a folder of our own: without one, MLflow hands out the registry's own files.
        address = f"models:/{name}/{version}"
        copied = Path(mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=scratch))
        source = copied / "artifacts" / digest
        if not digest or not source.is_dir():
            raise UserError(
                f"version {version} of '{name}' carries no bundle: it was not registered by Plumbline, or its tag "
                f"'{DIGEST}' was changed; take one that 'plumbline models' lists"
            )
        folder = install(source, store.bundles)
    if folder.name != digest:
        raise RegistryError(
            f"version {version} of '{name}' is tagged {digest[:12]} but holds {folder.name[:12]}: "
            "somebody changed the registry by hand; register the bundle again"
        )
    return folder


def get_version(store: Store, name: str, version: int) -> ModelVersion:
    """One version with its aliases and its run's metrics."""
    client = open_tracking(store)
    return _described(client, client.get_model_version(name, str(version)))


def list_versions(store: Store, name: str | None = None) -> tuple[ModelVersion, ...]:
    """All versions, of one model or of all, newest first; looking creates nothing."""
    if nothing_yet(store):
        return ()
    client = open_tracking(store)
    asked = f"name = '{name}'" if name else None
    found = client.search_model_versions(filter_string=asked, max_results=10_000)
    rows = [_described(client, version) for version in found if DIGEST in version.tags]
    return tuple(sorted(rows, key=lambda row: (row.created, row.version), reverse=True))


def _new_version(
    client: MlflowClient, name: str, bundle: Bundle, run_id: str, tags: Mapping[str, str]
) -> int:
    import mlflow

    manifest = bundle.manifest
    with quiet(), mlflow.start_run(run_id=run_id):
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(SERVED),
            artifacts={"bundle": str(bundle.folder)},
            signature=signature_of(bundle),
            pip_requirements=["plumbline"],
        )
    if not _models_named(client, name):
        client.create_registered_model(name)
    marks = {DIGEST: manifest.digest, **tags}
    made = client.create_model_version(
        name, info.model_uri, run_id=run_id, tags=marks, model_id=info.model_id
    )
    version = int(made.version)
    try:
        _compare_with_golden(bundle, f"models:/{name}/{version}")
    except RegistryError:
        client.delete_model_version(name, str(version))
        raise
    return version


def signature_of(bundle: Bundle) -> ModelSignature:
    """MLflow's signature: a batch of uint8 NHWC images in, probabilities and embeddings out."""
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Schema, TensorSpec

    manifest = bundle.manifest
    sides = (-1, manifest.preprocessing.height, manifest.preprocessing.width, 3)
    float32 = np.dtype("float32")
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("uint8"), sides)]),
        outputs=Schema(
            [
                TensorSpec(float32, (-1, len(manifest.classes)), "probabilities"),
                TensorSpec(float32, (-1, manifest.embedding_size), "embedding"),
            ]
        ),
    )


def _compare_with_golden(bundle: Bundle, address: str) -> None:
    import mlflow

    golden = load_golden(bundle)
    images = np.stack([preprocess(p, bundle.manifest.preprocessing) for p in golden.pixels])
    with quiet():
        loaded = mlflow.pyfunc.load_model(address)
        answers = loaded.predict(images)
    gap = float(np.abs(answers["probabilities"] - golden.outputs.probabilities).max())
    if not gap <= bundle.manifest.golden_tolerance:
        raise RegistryError(
            f"{address} answers its golden images {gap:.2g} off (allowed "
            f"{bundle.manifest.golden_tolerance:g}) after being loaded back; it was taken away again"
        )


def _find(client: MlflowClient, name: str, digest: str) -> int | None:
    return max(_holding(client, name, digest), default=None)


def _holding(client: MlflowClient, name: str, digest: str) -> list[int]:
    found = client.search_model_versions(f"name = '{name}'", max_results=10_000)
    return [int(v.version) for v in found if v.tags.get(DIGEST) == digest]


def _models_named(client: MlflowClient, name: str) -> bool:
    return bool(client.search_registered_models(f"name = '{name}'", max_results=1))


def _described(client: MlflowClient, version: Any) -> ModelVersion:
    aliases = client.get_registered_model(version.name).aliases
    run = client.get_run(version.run_id)
    created = datetime.fromtimestamp(version.creation_timestamp / 1000, tz=UTC)
    return ModelVersion(
        name=version.name,
        version=int(version.version),
        digest=version.tags.get(DIGEST, ""),
        aliases=tuple(sorted(a for a, v in aliases.items() if int(v) == int(version.version))),
        metrics={name: float(value) for name, value in run.data.metrics.items()},
        tags=dict(version.tags),
        run_id=str(version.run_id),
        created=created.isoformat(timespec="seconds"),
    )
