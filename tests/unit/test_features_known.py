"""Features again at the price of reading them: what is known is not computed twice, nor taken for another."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from deploy.edge.errors import ImageError
from inspection.data.index import ImageIndex
from inspection.features.backbone import load_backbone
from inspection.features.extract import SHARD, extract_features
from inspection.features.known import KnownBackbones
from inspection.store import Store
from tests.unit.features_material import CONFIG, make_index

pytestmark = pytest.mark.training


@pytest.fixture
def index(tmp_path: Path) -> ImageIndex:
    return make_index(tmp_path / "images", 11)


def no_network(*_: Any, **__: Any) -> Any:
    raise AssertionError("a network was built")


@pytest.mark.parametrize("weights", ["none", "file"])
def test_a_second_run_builds_no_network_and_opens_no_image(
    weights: str, index: ImageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if weights == "file":
        weights = str(tmp_path / "w.safetensors")
        save_file(timm.create_model("test_resnet").state_dict(), weights)
    config = CONFIG.model_copy(update={"weights": weights})
    store = Store(tmp_path / "store")
    first = extract_features(index, config, store=store, seed=1, device="cpu")
    shutil.rmtree(index.root)
    monkeypatch.setattr("inspection.features.extract.load_backbone", no_network)
    again = extract_features(index, config, store=store, seed=1, device="cpu")
    assert np.array_equal(again.matrix, first.matrix)
    assert again.backbone == first.backbone
    assert again.image_ids == first.image_ids


@pytest.mark.parametrize(
    "change",
    [
        {"pooling": "patches"},
        {"image_size": 64},
        {"backbone": "test_resnet.r160_in1k"},
        {"weights": "OTHER"},
    ],
)
def test_another_backbone_is_not_taken_for_the_known_one(
    change: dict[str, Any], index: ImageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "weights" in change:
        change = {"weights": str(tmp_path / "w.safetensors")}
        save_file(timm.create_model("test_resnet").state_dict(), change["weights"])
    store = Store(tmp_path / "store")
    extract_features(index, CONFIG, store=store, seed=1, device="cpu")
    monkeypatch.setattr("inspection.features.extract.load_backbone", no_network)
    with pytest.raises(AssertionError, match="a network was built"):
        extract_features(index, CONFIG.model_copy(update=change), store=store, seed=1, device="cpu")


def test_another_seed_is_another_backbone_only_for_random_weights(tmp_path: Path) -> None:
    known = KnownBackbones(tmp_path / "known")
    info = load_backbone(CONFIG, seed=1).info
    known.keep(CONFIG, info, seed=1, device="cpu")
    assert known.find(CONFIG, seed=1, device="cpu") == info
    assert known.find(CONFIG, seed=2, device="cpu") is None
    given = CONFIG.model_copy(update={"weights": str(tmp_path / "w.safetensors")})
    save_file(timm.create_model("test_resnet").state_dict(), given.weights)
    loaded = load_backbone(given, seed=1).info
    known.keep(given, loaded, seed=1, device="cpu")
    assert known.find(given, seed=2, device="cpu") == loaded


def test_weights_changed_in_place_are_other_weights(index: ImageIndex, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    config = CONFIG.model_copy(update={"weights": str(path)})
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        save_file(timm.create_model("test_resnet").state_dict(), path)  # equal in size
        found.append(
            extract_features(index, config, store=Store(tmp_path / "s"), seed=0, device="cpu")
        )
    assert found[0].backbone.weights_digest != found[1].backbone.weights_digest
    assert not np.allclose(found[0].matrix, found[1].matrix)


def test_a_settled_file_is_read_once_and_a_changed_one_again(tmp_path: Path) -> None:
    import os

    path = tmp_path / "w.safetensors"
    path.write_bytes(b"first")
    known = KnownBackbones(tmp_path / "known")
    os.utime(path, ns=(10**18, 10**18))
    first = known._digest(path)
    path.write_bytes(b"other")  # of equal size; the time tells
    os.utime(path, ns=(10**18 + 1, 10**18 + 1))
    assert known._digest(path) == hashlib.sha256(b"other").hexdigest() != first
    path.write_bytes(b"third")
    os.utime(path, ns=(10**18 + 1, 10**18 + 1))
    assert known._digest(path) == hashlib.sha256(b"other").hexdigest()  # what the note is for


def test_a_damaged_note_is_as_good_as_none(index: ImageIndex, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first = extract_features(index, CONFIG, store=store, seed=1, device="cpu")
    (note,) = (store.features / "backbones").glob("*.json")
    note.write_bytes(b'{"info": 3')
    again = extract_features(index, CONFIG, store=store, seed=1, device="cpu")
    assert np.array_equal(again.matrix, first.matrix)
    assert KnownBackbones(store.features / "backbones").find(CONFIG, seed=1, device="cpu")


def test_a_shard_another_run_is_writing_is_left_alone(index: ImageIndex, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    extract_features(index, CONFIG, store=store, seed=1, device="cpu")
    (shard,) = store.features.rglob("*.safetensors")
    half = shard.with_name(f".{shard.stem}.x.safetensors")
    half.write_bytes(shard.read_bytes()[:50])
    extract_features(index, CONFIG, store=store, seed=1, device="cpu")
    assert half.exists()


def test_a_bad_image_costs_no_finished_shard(tmp_path: Path) -> None:
    index = make_index(tmp_path / "images", SHARD + 9)
    index.paths[-1].write_bytes(b"no image")
    store = Store(tmp_path / "store")
    with pytest.raises(ImageError, match=index.paths[-1].name):
        extract_features(index, CONFIG, store=store, seed=1, device="cpu")
    kept = index.where(index.frame.index < SHARD)
    for path in kept.paths:
        path.unlink()
    assert (
        extract_features(kept, CONFIG, store=store, seed=1, device="cpu").matrix.shape[0] == SHARD
    )
