"""Backbones by plain name, the three ways of pooling beside `levels`, and weights made at another image size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from inspection.errors import WeightsError
from inspection.features.backbone import (
    BFLOAT16,
    Backbone,
    BackboneInfo,
    load_backbone,
    normalised,
    recipe_name,
)
from inspection.features.cache import FeatureCache
from inspection.features.extract import _recipe
from inspection.features.names import PLAIN, check_name, licence_of_release, timm_name
from inspection.features.orientation import UPRIGHT
from inspection.features.weights import Blueprint, create_network, fit_positions, read_safetensors
from inspection.learning_config import TeacherConfig

pytestmark = pytest.mark.training

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


def pictures(side: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)


def tokens_of(backbone: Backbone, images: Any) -> torch.Tensor:
    """timm's own word: the last tokens of the same network."""
    network: Any = backbone.module.network
    with torch.inference_mode():
        return torch.as_tensor(
            network.forward_features(
                normalised(torch.from_numpy(images), backbone.info.mean, backbone.info.std)
            )
        )


# Names and licences


@pytest.mark.parametrize("plain", sorted(PLAIN))
def test_every_plain_name_is_a_network_of_timm_with_weights_and_a_licence(plain: str) -> None:
    check_name(plain)
    assert timm.get_pretrained_cfg(timm_name(plain)).hf_hub_id
    wanted = "apache-2.0" if plain.startswith("dinov2") else "Meta's own terms"
    assert wanted in licence_of_release(plain)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("dinov2_vits15", "dinov2_vits14"),
        ("dinov3_vitb_16", "dinov3_vitb16"),
        ("resnt18", "resnet18"),
    ],
)
def test_a_typing_error_is_told_the_nearest_names(typed: str, meant: str) -> None:
    with pytest.raises(WeightsError, match=rf"did you mean .*\b{meant}\b"):
        check_name(typed)


def test_a_file_without_a_licence_is_not_given_its_makers_one(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    network = timm.create_model("convnext_tiny", num_classes=0)
    save_file(network.state_dict(), path)
    found = create_network(Blueprint("dinov3_convnext_tiny", 64), str(path), seed=0)
    assert found.licence.startswith("not stated; the makers' own weights of dinov3_convnext_tiny:")
    assert create_network(Blueprint("convnext_tiny", 64), str(path), seed=0).licence == "not stated"


# Pooling


@pytest.fixture(scope="module")
def dinov2() -> Backbone:
    """DINOv2 ViT-S/14 with four registers, random weights, 4 x 4 patches."""
    config = TeacherConfig(backbone="dinov2_vits14_reg", image_size=56, pooling="cls+patches")
    return load_backbone(config, seed=0)


def test_class_token_and_patches_are_timms_and_registers_are_in_neither(dinov2: Backbone) -> None:
    images = pictures(56)
    tokens = tokens_of(dinov2, images)
    assert tokens.shape == (2, 1 + 4 + 16, 384)
    vectors = dinov2.embed(images)
    assert dinov2.name == "vit_small_patch14_reg4_dinov2"
    assert vectors.shape == (2, 768)
    np.testing.assert_allclose(vectors[:, :384], tokens[:, 0], atol=1e-5)
    np.testing.assert_allclose(vectors[:, 384:], tokens[:, 5:].mean(1), atol=1e-5)
    # A network whose registers were counted as patches would differ by more than rounding.
    assert np.abs(vectors[:, 384:] - tokens[:, 1:].mean(1).numpy()).max() > 1e-3


def test_dinov3_has_its_patches_behind_five_tokens() -> None:
    config = TeacherConfig(backbone="dinov3_vits16", image_size=64, pooling="patches")
    backbone = load_backbone(config, seed=0)
    tokens = tokens_of(backbone, IMAGES)
    assert tokens.shape == (3, 5 + 16, 384)
    np.testing.assert_allclose(backbone.embed(IMAGES), tokens[:, 5:].mean(1), atol=1e-5)
    assert backbone.info.licence == "none (random weights)"


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext"])
def test_the_patches_of_a_cnn_are_its_last_map(name: str) -> None:
    backbone = load_backbone(TeacherConfig(backbone=name, image_size=64, pooling="patches"), seed=0)
    last = tokens_of(backbone, IMAGES)
    np.testing.assert_allclose(backbone.embed(IMAGES), last.mean((2, 3)), atol=1e-5)


def test_a_map_with_channels_last_is_averaged_over_places() -> None:
    config = TeacherConfig(
        backbone="swin_tiny_patch4_window7_224", image_size=64, pooling="patches"
    )
    backbone = load_backbone(config, seed=0)
    last = tokens_of(backbone, IMAGES)
    assert backbone.embedding_size == last.shape[3] == 768
    np.testing.assert_allclose(backbone.embed(IMAGES), last.mean((1, 2)), atol=1e-5)


def test_the_class_token_of_a_plain_transformer_comes_first() -> None:
    config = TeacherConfig(backbone="test_vit", image_size=64, pooling="cls")
    backbone = load_backbone(config, seed=0)
    np.testing.assert_allclose(backbone.embed(IMAGES), tokens_of(backbone, IMAGES)[:, 0], atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "cls+patches"])
def test_a_cnn_has_no_class_token(pooling: Any) -> None:
    config = TeacherConfig(backbone="test_resnet", image_size=64, pooling=pooling)
    with pytest.raises(WeightsError, match=r"no class token: set teacher\.pooling to 'patches'"):
        load_backbone(config, seed=0)


def test_the_statistics_of_levels_are_mean_maximum_and_spread() -> None:
    backbone = load_backbone(TeacherConfig(backbone="test_resnet", image_size=64), seed=0)
    network: Any = backbone.module.network
    batch = normalised(torch.from_numpy(IMAGES), backbone.info.mean, backbone.info.std)
    with torch.inference_mode():
        features, maps = network.forward_intermediates(batch, indices=len(network.feature_info))
        head = network.forward_head(features, pre_logits=True)
    flat = [level.flatten(2).double() for level in maps]
    wanted = [head.double()]
    for level in flat:
        wanted += [level.mean(2), level.amax(2), level.std(2, correction=0)]
    np.testing.assert_allclose(backbone.embed(IMAGES), torch.cat(wanted, 1), atol=1e-5, rtol=1e-5)


def test_each_pooling_and_arithmetic_has_its_own_cache_and_the_old_one_stays(
    tmp_path: Path,
) -> None:
    info = BackboneInfo(
        "resnet10t", "none", "d" * 64, "none", 2, 64, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 9
    )
    # SHA-256 of the recipe's JSON as it was written before there was a choice of pooling.
    assert (
        FeatureCache(tmp_path, _recipe(info, UPRIGHT)).folder.name
        == "2ec41dd416591b4d8cf128fd106bee64"
    )
    poolings: list[Any] = ["levels", "cls", "patches", "cls+patches"]
    names = [recipe_name(TeacherConfig(pooling=pooling), "cpu") for pooling in poolings]
    assert names[0] == info.pooling
    assert len({*names, *(name + BFLOAT16 for name in names)}) == 8


def test_bfloat16_multiplies_coarsely_and_answers_in_float32() -> None:
    exact = load_backbone(TeacherConfig(backbone="test_vit", image_size=64), seed=0)
    from dataclasses import replace

    half = Backbone(exact.module, replace(exact.info, pooling=exact.info.pooling + BFLOAT16))
    first, second = exact.embed(IMAGES), half.embed(IMAGES)
    assert second.dtype == np.float32
    assert not np.array_equal(first, second)
    np.testing.assert_allclose(first, second, atol=0.05 * np.abs(first).max())


def test_a_cpu_never_multiplies_in_bfloat16() -> None:
    config = TeacherConfig(precision="auto")
    assert recipe_name(config, "cpu") == recipe_name(TeacherConfig(), "cpu")


# Image sizes


@pytest.mark.parametrize(
    ("name", "size", "near"),
    [
        ("dinov2_vits14", 100, "98 or 112"),
        ("dinov3_vits16", 100, "96 or 112"),
        ("test_vit", 40, "32 or 48"),
    ],
)
def test_a_size_between_two_patches_is_refused_with_the_nearest(
    name: str, size: int, near: str
) -> None:
    with pytest.raises(WeightsError, match=rf"set teacher\.image_size to {near}"):
        load_backbone(TeacherConfig(backbone=name, image_size=size), seed=0)


@pytest.mark.parametrize(
    "name", ["test_vit", "vit_tiny_patch16_224", "vit_small_patch14_reg4_dinov2"]
)
def test_weights_made_at_one_image_size_serve_at_another(name: str, tmp_path: Path) -> None:
    side = 14 if "14" in name else 16
    path = tmp_path / "w.safetensors"
    made = Blueprint(name, 6 * side).build()
    torch.nn.init.normal_(made.pos_embed)
    save_file(made.state_dict(), path)
    config = TeacherConfig(backbone=name, weights=str(path), image_size=4 * side, pooling="cls")
    backbone = load_backbone(config, seed=0)
    fitted: Any = backbone.module.network
    # timm's own way from one size to another, on the network that was saved.
    made.set_input_size(img_size=(4 * side, 4 * side))
    torch.testing.assert_close(fitted.pos_embed.data, made.pos_embed.data)
    assert np.isfinite(backbone.embed(pictures(4 * side))).all()


def test_dinov3_has_no_positions_to_fit(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(Blueprint("dinov3_vits16", 64).build().state_dict(), path)
    config = TeacherConfig(backbone="dinov3_vits16", weights=str(path), image_size=96)
    assert np.isfinite(load_backbone(config, seed=0).embed(pictures(96))).all()


def test_positions_of_another_width_are_refused_with_both_shapes(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(timm.create_model("vit_tiny_patch16_224").state_dict(), path)
    with pytest.raises(WeightsError, match=r"not of test_vit"):
        create_network(Blueprint("test_vit", 64), str(path), seed=0)
    weights = read_safetensors(path)
    assert fit_positions(Blueprint("test_vit", 64).build(), weights) is weights


# The config's door


@pytest.mark.parametrize(
    "wrong",
    [{"pooling": "mean"}, {"batch_size": 0}, {"batch_size": "all"}, {"precision": "float16"}],
)
def test_what_is_not_offered_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TeacherConfig.model_validate(wrong)
