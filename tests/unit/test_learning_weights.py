"""Weights come in whole, widened and of the right network, or with one sentence that helps."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from inspection.errors import WeightsError
from inspection.features.weights import (
    Blueprint,
    create_network,
    load_weights,
    packed,
    read_safetensors,
    state_digest,
)

TINY = Blueprint("test_resnet", 64)


def tiny_state(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    state: dict[str, torch.Tensor] = timm.create_model("test_resnet", num_classes=7).state_dict()
    return state


def test_random_weights_follow_the_seed_and_nothing_else() -> None:
    torch.manual_seed(5)
    first = create_network(TINY, "none", seed=1)
    torch.manual_seed(6)
    assert create_network(TINY, "none", seed=1).digest == first.digest
    assert create_network(TINY, "none", seed=2).digest != first.digest
    assert first.source == "none"


def test_half_precision_is_widened_and_a_classifier_left_out(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    state = tiny_state()
    half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    save_file(half, path, metadata={"license": "mit"})
    network = create_network(TINY, str(path), seed=0)
    loaded = network.module.state_dict()
    assert "fc.weight" in half
    assert "fc.weight" not in loaded
    for name, tensor in loaded.items():
        assert tensor.dtype == state[name].dtype
        assert torch.allclose(tensor.float(), state[name].float(), atol=1e-2, rtol=1e-3)
    assert (network.source, network.licence) == ("w.safetensors", "mit")


def test_a_file_says_how_its_network_was_fed(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(tiny_state(), path, metadata={"mean": "0.1,0.2,0.3", "std": "0.4, 0.5, 0.6"})
    network = create_network(TINY, str(path), seed=0)
    assert network.mean == (0.1, 0.2, 0.3)
    assert network.std == (0.4, 0.5, 0.6)


def test_packed_metadata_is_read_back_and_gives_equal_bytes(tmp_path: Path) -> None:
    told = {
        "std": "0.4,0.5,0.6",
        "mean": "0.1,0.2,0.3",
        "license": "mit",
        "source": "x",
        "pad_type": "",
    }
    written = set()
    for i in range(30):  # safetensors draws the order of several entries anew in each file
        path = tmp_path / f"{i}.safetensors"
        save_file(tiny_state(), path, metadata=packed(told))
        written.add(path.read_bytes())
    assert len(written) == 1
    network = create_network(TINY, str(path), seed=0)
    assert (network.mean, network.std, network.licence) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "mit")


def test_padding_follows_the_file_where_the_network_can(tmp_path: Path) -> None:
    blueprint = Blueprint("mobilenetv2_035", 64)
    network = timm.create_model("mobilenetv2_035")
    path = tmp_path / "w.safetensors"
    save_file(network.state_dict(), path, metadata={"pad_type": "same"})
    found = create_network(blueprint, str(path), seed=0)
    assert found.pad_same
    assert found.mean == (0.5, 0.5, 0.5)  # such weights come from TensorFlow
    save_file(network.state_dict(), path)
    assert not create_network(blueprint, str(path), seed=0).pad_same


def _other_architecture(folder: Path) -> str:
    path = folder / "resnet.safetensors"
    save_file(tiny_state(), path)
    return str(path)


def _garbage(folder: Path) -> str:
    path = folder / "broken.safetensors"
    path.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00not json")
    return str(path)


def _bad_mean(folder: Path) -> str:
    path = folder / "mean.safetensors"
    network = timm.create_model("mobilenetv2_035")
    save_file(network.state_dict(), path, metadata={"mean": "0.5,0.5"})
    return str(path)


@pytest.mark.parametrize(
    ("name", "weights", "says"),
    [
        ("resnt18", lambda _: "none", "did you mean resnet18"),
        ("zzzzzzzzzzzzz", lambda _: "none", "timm.list_models"),
        ("resnet18.nosuchtag", lambda _: "hub", "use resnet18.a1_in1k"),
        ("mobilenetv2_035", _other_architecture, "not of mobilenetv2_035"),
        ("mobilenetv2_035", _garbage, "copy or download it again"),
        ("mobilenetv2_035", _bad_mean, "three numbers"),
        ("resnet18", lambda folder: str(folder / "w.pth"), "save_file"),
        ("resnet18", lambda folder: str(folder / "w.safetensors"), "there is no weights file"),
        ("resnet18", lambda _: "hub", "hub cannot be reached"),
    ],
)
def test_what_cannot_be_had_is_one_helpful_line(
    name: str, weights: Any, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError) as caught:
        create_network(Blueprint(name, 64), weights(tmp_path), seed=0)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_wrong_architecture_names_the_first_tensors(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"first conv_stem\.weight \(not in the file\); .*; "):
        create_network(Blueprint("mobilenetv2_035", 64), _other_architecture(tmp_path), seed=0)


def test_wrong_shape_is_named_with_both_shapes(tmp_path: Path) -> None:
    state = tiny_state()
    name = next(key for key, tensor in state.items() if tensor.ndim == 4)
    state[name] = torch.zeros(1, 2, 3, 3)
    path = tmp_path / "w.safetensors"
    save_file(state, path)
    module = timm.create_model("test_resnet", num_classes=7)
    with pytest.raises(WeightsError, match=r"file \(1, 2, 3, 3\), tiny \("):
        load_weights(module, read_safetensors(path), "tiny")


def test_padding_nobody_knows_is_refused() -> None:
    with pytest.raises(WeightsError, match="pad_same=false"):
        create_network(Blueprint("test_resnet", 64, pad_same=True), "none", seed=0)


def test_an_unreachable_hub_is_told_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's own client retries for a minute; nothing listens on port 9 of this machine."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match="refused"):
        create_network(Blueprint("resnet18", 64), "hub", seed=0)


def test_the_hub_cache_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--timm--test_resnet.r160_in1k"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    torch.manual_seed(3)
    original = timm.create_model("test_resnet")
    save_file(original.state_dict(), snapshot / "model.safetensors")
    network = create_network(TINY, "hub", seed=0)
    assert network.source == "timm/test_resnet.r160_in1k"
    assert network.licence == "apache-2.0"
    assert torch.equal(
        network.module.state_dict()["conv1.0.weight"], original.state_dict()["conv1.0.weight"]
    )


def test_a_pickle_in_disguise_is_not_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "w.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(WeightsError):
        create_network(TINY, str(path), seed=0)
    assert not (tmp_path / "ran").exists()


def test_the_digest_sees_every_value_and_name() -> None:
    module = torch.nn.Linear(3, 2).to(torch.bfloat16)
    before = state_digest(module)
    assert state_digest(module) == before
    with torch.no_grad():
        module.weight[1, 2] += 1
    assert state_digest(module) != before
    renamed = torch.nn.Sequential(torch.nn.Linear(3, 2))
    plain = torch.nn.Linear(3, 2)
    plain.load_state_dict(renamed[0].state_dict())
    assert state_digest(renamed) != state_digest(plain)
