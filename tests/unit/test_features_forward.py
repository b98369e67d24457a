"""Batches in order and of a size that fits the memory, odd images, and the same vectors from a cluster."""

from __future__ import annotations

import importlib.util
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from inspection.data.index import ImageIndex
from inspection.errors import MissingExtra, UserError
from inspection.features import memory
from inspection.features.backbone import Backbone, load_backbone
from inspection.features.extract import extract_features
from inspection.features.forward import Forward, embed_files, out_of_memory
from inspection.features.memory import available_memory, bytes_per_image, fitting_batch_size
from inspection.features.on_ray import RayBackbone, _told
from inspection.store import Store
from tests.unit.features_material import CONFIG, make_index

pytestmark = pytest.mark.training


@pytest.fixture
def index(tmp_path: Path) -> ImageIndex:
    return make_index(tmp_path / "images", 11)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(CONFIG, seed=1)


# Threads and memory


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 4, 100, "auto"])
def test_blocks_come_in_order_whatever_the_batches(
    threads: int, batch_size: Any, index: ImageIndex, backbone: Backbone
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        made = np.concatenate(list(embed_files(backbone, index.paths, batch_size)))
        assert torch.get_num_threads() == threads
        told = []
        later = threading.Thread(target=lambda: told.append(torch.get_num_threads()))
        later.start()
        later.join()
        assert told == [threads]  # what starts after us is not held to one thread
    finally:
        torch.set_num_threads(before)
    alone = [next(embed_files(backbone, [path], 1))[0] for path in index.paths]
    np.testing.assert_allclose(made, alone, atol=1e-5, rtol=1e-4)


class Narrow(torch.nn.Module):
    """Raises above a number of images, as torch does when memory runs out."""

    def __init__(self, network: torch.nn.Module, most: int, error: Exception) -> None:
        super().__init__()
        self.network, self.most, self.error = network, most, error
        self.seen: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(images))
        if len(images) > self.most:
            raise self.error
        return torch.as_tensor(self.network(images))


REFUSALS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: not enough memory"),
    MemoryError(),
]


@pytest.mark.parametrize("error", REFUSALS, ids=["gpu", "cpu", "numpy"])
def test_out_of_memory_halves_the_batch_says_so_and_goes_on(
    error: Exception, backbone: Backbone, capsys: pytest.CaptureFixture[str]
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    narrow = Narrow(backbone.module, 3, error)
    forward = Forward(replace(backbone, module=narrow), 8)
    vectors = np.concatenate([forward(images[:10]), forward(images[10:])])
    np.testing.assert_allclose(vectors, backbone.embed(images), atol=1e-5, rtol=1e-4)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2  # 8 to 4, 4 to 2; not once per batch
    assert "8 images at once" in said[0]
    assert "going on with 2" in said[1]
    assert narrow.seen[:3] == [8, 4, 2]
    assert max(narrow.seen[2:]) == 2


def test_a_single_image_that_does_not_fit_is_one_sentence(backbone: Backbone) -> None:
    narrow = Narrow(backbone.module, 0, REFUSALS[1])
    with pytest.raises(UserError, match=r"single image of 32 x 32 .* teacher\.image_size") as told:
        Forward(replace(backbone, module=narrow), 5)(np.zeros((9, 32, 32, 3), np.uint8))
    assert "\n" not in str(told.value)


def test_another_fault_is_not_taken_for_a_full_memory(backbone: Backbone) -> None:
    narrow = Narrow(backbone.module, 1, RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        Forward(replace(backbone, module=narrow), 5)(np.zeros((9, 32, 32, 3), np.uint8))
    assert narrow.seen == [5]


def test_what_torch_really_says_without_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert out_of_memory(caught.value)


def test_halving_reaches_the_whole_extraction(
    index: ImageIndex, backbone: Backbone, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = replace(backbone, module=Narrow(backbone.module, 1, REFUSALS[0]))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        made = np.concatenate(list(embed_files(narrow, index.paths, 4)))
    finally:
        torch.set_num_threads(before)
    wanted = np.concatenate(list(embed_files(backbone, index.paths, 4)))
    np.testing.assert_allclose(made, wanted, atol=1e-5, rtol=1e-4)
    assert len(capsys.readouterr().err.splitlines()) == 1  # two threads, one sentence


def test_auto_takes_less_where_less_memory_is_free(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fitting_batch_size(backbone, 2) == 2 * memory.CPU_MOST
    each = bytes_per_image(backbone)
    assert each >= 32 * 32 * 3 * 4
    for free, wanted in ((2 * each, 1), (16 * each, 2 * 4), (each // 9, 1)):
        monkeypatch.setattr(memory, "available_memory", lambda free=free: free)
        assert fitting_batch_size(backbone, 1 if wanted == 1 else 2) == wanted


def test_bytes_per_image_grow_with_the_image() -> None:
    sides = (32, 64)
    small, large = (
        bytes_per_image(load_backbone(CONFIG.model_copy(update={"image_size": s}), seed=0))
        for s in sides
    )
    assert 3 * small < large < 5 * small


def test_available_memory_is_some_and_no_more_than_there_is() -> None:
    import psutil

    assert 2**20 < available_memory() <= psutil.virtual_memory().total


# Odd images


@pytest.mark.parametrize("kind", ["grey", "grey 16 bit", "colour 16 bit", "alpha"])
def test_odd_images_give_the_features_of_their_rgb(
    kind: str, tmp_path: Path, backbone: Backbone
) -> None:
    generator = np.random.default_rng(3)
    shape = {"grey": (50, 60), "grey 16 bit": (50, 60), "alpha": (50, 60, 4)}.get(kind, (50, 60, 3))
    plain = generator.integers(0, 256, shape, dtype=np.uint8)
    stored = plain.astype(np.uint16) * 256 + 77 if "16" in kind else plain
    odd, rgb = tmp_path / "odd.png", tmp_path / "rgb.png"
    cv2.imwrite(str(odd), stored)
    cv2.imwrite(str(rgb), plain[..., :3] if plain.ndim == 3 else cv2.merge([plain] * 3))
    first, second = (next(embed_files(backbone, [path], 1)) for path in (odd, rgb))
    assert np.array_equal(first, second)


# Ray


def test_without_ray_one_sentence_says_how_to_get_it(index: ImageIndex, tmp_path: Path) -> None:
    if importlib.util.find_spec("ray"):
        pytest.skip("Ray is installed")
    config = CONFIG.model_copy(update={"features_engine": "ray"})
    with pytest.raises(
        MissingExtra, match=r"features_engine=ray needs the 'ray' extra: pip install"
    ):
        extract_features(index, config, store=Store(tmp_path / "s"), seed=0, device="cpu")


def test_an_actor_makes_the_same_vectors_from_text_alone(
    index: ImageIndex, backbone: Backbone
) -> None:
    actor = RayBackbone(**_told(CONFIG, backbone.info, 1, "cpu"))
    batch = {
        "image_id": np.array(index.frame["image_id"], dtype=object),
        "path": np.array([str(path) for path in index.paths], dtype=object),
    }
    made = actor(batch)
    wanted = np.concatenate(list(embed_files(backbone, index.paths, 4)))
    np.testing.assert_allclose(made["vector"], wanted, atol=1e-5, rtol=1e-4)
    assert list(made["image_id"]) == list(index.frame["image_id"])


def test_an_actor_with_other_weights_refuses(backbone: Backbone) -> None:
    with pytest.raises(UserError, match="other weights of 'test_resnet'"):
        RayBackbone(**_told(CONFIG, backbone.info, 2, "cpu"))


@pytest.mark.slow
def test_ray_gives_what_this_machine_gives(index: ImageIndex, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    far = CONFIG.model_copy(update={"features_engine": "ray"})
    here = extract_features(index, CONFIG, store=Store(tmp_path / "a"), seed=1, device="cpu")
    there = extract_features(index, far, store=Store(tmp_path / "b"), seed=1, device="cpu")
    assert there.image_ids == here.image_ids
    np.testing.assert_allclose(there.matrix, here.matrix, atol=1e-5, rtol=1e-4)
