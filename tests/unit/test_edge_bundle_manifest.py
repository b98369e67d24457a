"""A manifest is taken as it was written or refused: edited, impossible, huge, or none at all."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.edge.bundle import open_bundle
from deploy.edge.errors import BundleError
from deploy.edge.inspector import Inspector
from deploy.edge.spec import Decision, Manifest
from tests.edge_bundles import CLASSES, DECISION, EMBEDDING, SPEC, resign, write_bundle
from tests.unit.bundle_material import refused


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


@pytest.mark.parametrize(
    "spoil",
    [lambda raw: raw + b"\n", lambda raw: b" " + raw, lambda raw: raw.replace(b'":', b'": ')],
)
def test_edited_manifest__is_refused(folder: Path, spoil: Any) -> None:
    path = folder / "manifest.json"
    path.write_bytes(spoil(path.read_bytes()))
    refused(folder, "canonical")


def test_changed_threshold__changes_the_digest_and_the_named_folder_is_refused(
    folder: Path,
) -> None:
    named = folder.rename(folder.parent / open_bundle(folder).digest)
    assert open_bundle(named).digest == named.name
    resign(named, decision={"ok_class": "ok", "reject_at": 1.0, "review_below": 0.0})
    refused(named, "holds bundle")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema_version": 2}, "schema 2"),
        ({"classes": ["ok"]}, "two or more"),
        ({"classes": ["ok", "ok", "crack"]}, "distinct"),
        ({"classes": ["ok", 1, 2]}, "text"),
        ({"classes": "ok"}, "ok_class"),
        ({"decision": {"ok_class": "fine"}}, "fine"),
        ({"decision": {"reject_at": "often"}}, "reject_at"),
        ({"decision": 3}, "cannot be read"),
        ({"preprocessing": {"height": 8}}, "width"),
        ({"preprocessing": {"height": "8", "width": 8}}, "8 to 4096"),
        ({"temperature": -1}, "temperature"),
        ({"golden_tolerance": 0.5}, "golden_tolerance"),
        ({"golden_tolerance": None}, "golden_tolerance"),
        ({"embedding_size": 0}, "embedding_size"),
        ({"embedding_size": 8.0}, "embedding_size"),
        ({"name": None}, "name"),
        ({"files": []}, "files"),
        ({"files": {"model.onnx": 5}}, "text"),
        ({"model": "other.onnx"}, "no hash for its model"),
        ({"surprise": 1}, "surprise"),
        ({"variants": {"fp16": {"file": "gone.onnx", "golden_tolerance": 0.01}}}, "gone.onnx"),
        ({"variants": {"fp32": {"file": "model.onnx", "golden_tolerance": 0.01}}}, "no variant"),
        ({"variants": {"fp16": {"file": "model.onnx", "golden_tolerance": 0.9}}}, "0..0.5"),
        ({"variants": {"fp16": "model.onnx"}}, "cannot be read"),
        ({"variants": ["fp16"]}, "cannot be read"),
        ({"plans": {"onnxruntime": {"variant": "int8"}}}, "no variant 'int8', it has fp32"),
        ({"plans": {"onnxruntime": {"variant": "fp32", "threads": 0}}}, "1 to 256 threads"),
        ({"plans": {"onnxruntime": {"variant": "fp32", "spinning": 1}}}, "spinning"),
    ],
)
def test_impossible_manifest__is_refused(folder: Path, change: dict[str, Any], says: str) -> None:
    resign(folder, **change)
    refused(folder, says, kind=BundleError)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"name": NaN}']
)
def test_manifest_that_is_none__is_refused(folder: Path, data: bytes) -> None:
    (folder / "manifest.json").write_bytes(data)
    refused(folder, "manifest.json cannot be read", kind=BundleError)


def test_huge_manifest__is_not_even_read(folder: Path) -> None:
    with (folder / "manifest.json").open("r+b") as stream:
        stream.truncate(2**25)
    refused(folder, "larger than", kind=BundleError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.fuzz
@given(data=st.data())
def test_any_manifest__only_bundle_errors_come_out(data: st.DataObject) -> None:
    raw = asdict(_manifest())
    for key in data.draw(st.lists(st.sampled_from(sorted(raw)), min_size=1, max_size=3)):
        raw[key] = data.draw(JSON)
    try:
        manifest = Manifest.from_json(json.dumps(raw).encode())
    except BundleError:
        return
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert len(manifest.digest) == 64


def test_manifest__equal_content_equal_digest_and_nothing_else() -> None:
    one, other = _manifest(), _manifest(decision=Decision(ok_class="ok", reject_at=0.51))
    assert one.digest == _manifest().digest != other.digest
    assert Manifest.from_json(one.to_json()) == one


def test_manifest__without_a_band_keeps_the_bytes_it_always_had() -> None:
    plain = _manifest()
    assert b"accept_below" not in plain.to_json()
    banded = _manifest(decision=replace(DECISION, accept_below=0.25))
    assert banded.digest != plain.digest
    assert Manifest.from_json(banded.to_json()) == banded


def _manifest(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "name": "tiny",
        "model": "model.onnx",
        "classes": CLASSES,
        "preprocessing": SPEC,
        "decision": DECISION,
        "temperature": 1.0,
        "embedding_size": EMBEDDING,
        "golden_tolerance": 1e-4,
        "files": {"model.onnx": "0" * 64},
    }
    return Manifest(**{**values, **changes})


def test_variants__are_run_by_plan_or_by_name(folder: Path) -> None:
    before = open_bundle(folder)
    copy = folder / "half.onnx"
    copy.write_bytes(before.model.read_bytes())
    files = {**before.manifest.files, "half.onnx": before.manifest.files["model.onnx"]}
    variants = {"fp16": {"file": "half.onnx", "golden_tolerance": 0.01}}
    plans = {"onnxruntime": {"variant": "fp16", "threads": 2, "spinning": True}}
    resign(folder, files=files, variants=variants, plans=plans)
    planned = Inspector.open(folder)
    assert (planned.variant, planned.engine.describe()["threads"]) == ("fp16", 2)
    assert planned.engine.describe()["spinning"] is True
    asked = Inspector.open(folder, variant="fp32", threads=1)
    assert (asked.variant, asked.engine.describe()["threads"]) == ("fp32", 1)
    with pytest.raises(BundleError, match="no variant 'int4', it has fp32, fp16"):
        Inspector.open(folder, variant="int4")
