"""A signature goes into MLflow with its bundle and comes out of it again; no torch anywhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deploy.edge.bundle import open_bundle
from deploy.edge.shelf import install
from deploy.edge.signing import read_trust
from deploy.export.keys import new_key, sign_bundle, trusted_folder
from deploy.registry.models import bundle_of, register_bundle
from deploy.registry.tracking import TrackedRun, track_run
from inspection.store import Store
from tests.edge_bundles import write_bundle

pytestmark = pytest.mark.process


def test_signature__survives_registration_and_download(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    bundle = install(write_bundle(tmp_path / "bundle"), store.bundles)
    new_key(store, "before")
    sign_bundle(store, bundle)
    run = track_run(store, "demo", TrackedRun("first"))
    version = register_bundle(store, "demo", bundle, run_id=run).version
    shutil.rmtree(store.bundles)
    back = bundle_of(store, "demo", version)
    assert back == bundle
    trust = read_trust(trusted_folder(store))
    assert [key.name for key in open_bundle(back, trust).signers] == ["before"]
    # Signed again on the shelf: what the registry gives later takes no signature away.
    new_key(store, "after")
    sign_bundle(store, back)
    bundle_of(store, "demo", version)
    trust = read_trust(trusted_folder(store))
    assert [key.name for key in open_bundle(back, trust).signers] == ["after", "before"]
