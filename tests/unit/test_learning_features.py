"""Features are computed once, by the device's own preprocessing, and never mixed up."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from deploy.edge.errors import ImageError
from deploy.edge.preprocess import preprocess
from deploy.edge.spec import Preprocessing
from inspection.data.index import ImageIndex
from inspection.errors import UserError, WeightsError
from inspection.features.backbone import BackboneInfo, load_backbone
from inspection.features.device import resolve_device
from inspection.features.extract import Features, extract_features
from inspection.learning_config import TeacherConfig
from inspection.store import Store

pytestmark = pytest.mark.training

CONFIG = TeacherConfig(backbone="test_resnet", image_size=64, batch_size=4)


@pytest.fixture
def index(tmp_path: Path) -> ImageIndex:
    """Nine images of odd sizes; the last is quarantined, two are byte copies."""
    root = tmp_path / "images"
    root.mkdir()
    generator = np.random.default_rng(0)
    rows = []
    for number in range(9):
        path = root / f"{number}.png"
        pixels = generator.integers(0, 256, (50 + number, 70, 3), dtype=np.uint8)
        cv2.imwrite(str(path), pixels)
        if number == 1:
            path.write_bytes((root / "0.png").read_bytes())
        rows.append(
            {
                "path": path.name,
                "image_id": hashlib.sha256(path.read_bytes()).hexdigest(),
                "label": "a",
                "quarantine": "truncated" if number == 8 else None,
            }
        )
    return ImageIndex.from_rows(root, rows)


def extract(index: ImageIndex, tmp_path: Path, *, seed: int = 1) -> Features:
    return extract_features(index, CONFIG, store=Store(tmp_path / "store"), seed=seed, device="cpu")


def test_a_row_is_the_embedding_of_the_devices_own_picture(
    index: ImageIndex, tmp_path: Path
) -> None:
    features = extract(index, tmp_path)
    backbone = load_backbone(CONFIG, seed=1)
    for position in (0, 5):
        pixels = cv2.cvtColor(cv2.imread(str(index.paths[position])), cv2.COLOR_BGR2RGB)
        picture = preprocess(pixels, Preprocessing(64, 64))
        expected = backbone.embed(picture[None])[0]
        row = features.rows([index.frame["image_id"][position]])[0]
        np.testing.assert_allclose(row, expected, atol=1e-5, rtol=1e-4)


def test_the_second_call_reads_no_image(index: ImageIndex, tmp_path: Path) -> None:
    first = extract(index, tmp_path)
    for path in index.paths:
        path.unlink()
    again = extract(index, tmp_path)
    assert again.image_ids == first.image_ids
    assert np.array_equal(again.matrix, first.matrix)


def test_other_weights_are_another_cache(index: ImageIndex, tmp_path: Path) -> None:
    extract(index, tmp_path)
    for path in index.paths:
        path.unlink()
    with pytest.raises(ImageError):
        extract(index, tmp_path, seed=2)


def test_only_what_is_missing_is_computed(index: ImageIndex, tmp_path: Path) -> None:
    some = index.where(index.frame["path"].isin(["2.png", "3.png"]))
    extract(some, tmp_path)
    for name in ("2.png", "3.png"):
        (index.root / name).unlink()
    assert len(extract(index, tmp_path).image_ids) == 7


def test_a_broken_shard_is_computed_again(index: ImageIndex, tmp_path: Path) -> None:
    first = extract(index, tmp_path)
    (shard,) = (tmp_path / "store" / "features").rglob("*.safetensors")
    shard.write_bytes(shard.read_bytes()[:-7])
    again = extract(index, tmp_path)
    assert np.array_equal(again.matrix, first.matrix)
    # And the file is whole again.
    for path in index.paths:
        path.unlink()
    extract(index, tmp_path)


def test_quarantined_images_are_left_out_and_copies_share_a_row(
    index: ImageIndex, tmp_path: Path
) -> None:
    features = extract(index, tmp_path)
    ids = index.frame["image_id"]
    assert len(features.image_ids) == 7
    assert ids[8] not in features.image_ids
    assert np.array_equal(*features.rows([ids[0], ids[1]]))
    with pytest.raises(KeyError):
        features.rows([ids[8]])


def test_rows_come_in_the_order_asked_for(index: ImageIndex, tmp_path: Path) -> None:
    features = extract(index, tmp_path)
    names = list(features.image_ids)
    assert np.array_equal(features.rows(names[::-1]), features.matrix[::-1])


def test_an_index_without_usable_images_has_no_rows(index: ImageIndex, tmp_path: Path) -> None:
    features = extract(index.with_columns(quarantine="empty"), tmp_path)
    assert features.matrix.shape == (0, features.backbone.embedding_size)


def test_features_survive_the_disk(index: ImageIndex, tmp_path: Path) -> None:
    features = extract(index, tmp_path)
    features.save(tmp_path / "saved")
    loaded = Features.load(tmp_path / "saved")
    assert loaded.image_ids == features.image_ids
    assert loaded.backbone == features.backbone
    assert np.array_equal(loaded.matrix, features.matrix)


def test_backbone_info_survives_json() -> None:
    info = load_backbone(CONFIG, seed=1).info
    assert BackboneInfo.from_json(info.to_json()) == info


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_vit"])
def test_every_family_gives_a_finite_vector(name: str) -> None:
    backbone = load_backbone(TeacherConfig(backbone=name, image_size=64), seed=0)
    assert not any(parameter.requires_grad for parameter in backbone.module.parameters())
    assert not backbone.module.training
    vectors = backbone.embed(np.full((2, 64, 64, 3), 128, np.uint8))
    assert vectors.shape == (2, backbone.embedding_size)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)


def test_a_single_bright_spot_is_seen_by_the_inner_levels() -> None:
    """The mean of the last map hardly moves; the joined vector must."""
    backbone = load_backbone(TeacherConfig(backbone="test_resnet", image_size=128), seed=0)
    plain = np.full((1, 128, 128, 3), 128, np.uint8)
    spotted = plain.copy()
    spotted[0, 40:43, 60:63] = 255
    first, second = backbone.embed(plain)[0], backbone.embed(spotted)[0]
    head = 64  # test_resnet's own embedding comes first
    change = np.abs(second - first)
    assert change[head:].max() > 5 * change[:head].max()


def test_a_size_the_network_cannot_read_is_a_users_error() -> None:
    with pytest.raises(WeightsError, match=r"teacher\.image_size"):
        load_backbone(TeacherConfig(backbone="inception_v3", image_size=32), seed=0)


def test_device_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(UserError, match="device=auto"):
        resolve_device("cuda")
