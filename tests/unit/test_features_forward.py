"""Features again at the price of reading them, batches that fit the memory, and the same vectors from a cluster."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from deploy.edge.errors import ImageError
from inspection.config import TeacherConfig
from inspection.data.index import ImageIndex
from inspection.errors import MissingExtra, UserError
from inspection.features import memory
from inspection.features.backbone import Backbone, load_backbone
from inspection.features.extract import SHARD, extract_features
from inspection.features.forward import Forward, embed_files, out_of_memory
from inspection.features.known import KnownBackbones
from inspection.features.memory import available_memory, bytes_per_image, fitting_batch_size
from inspection.features.on_ray import RayBackbone, _told
from inspection.store import Store

pytestmark = pytest.mark.training

CONFIG = TeacherConfig(backbone="test_resnet", image_size=32, batch_size=4)


def make_index(root: Path, count: int) -> ImageIndex:
    root.mkdir()
    generator = np.random.default_rng(0)
    rows = []
    for number in range(count):
        path = root / f"{number}.png"
        cv2.imwrite(str(path), generator.integers(0, 256, (40, 40 + number % 7, 3), dtype=np.uint8))
        name = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append({"path": path.name, "image_id": name, "label": "a"})
    return ImageIndex.from_rows(root, rows)


@pytest.fixture
def index(tmp_path: Path) -> ImageIndex:
    return make_index(tmp_path / "images", 11)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(CONFIG, seed=1)


def no_network(*_: Any, **__: Any) -> Any:
    raise AssertionError("a network was built")


# The second run


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
