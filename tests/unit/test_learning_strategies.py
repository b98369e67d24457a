"""Full, partial, freeze: what learns, how fast, and what stays as it was to the last bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from inspection.errors import ConfigError
from inspection.learning_config import StudentConfig
from inspection.models.registry import build_student
from inspection.models.stages import student_stages
from inspection.training.checkpoint import Tensors
from inspection.training.strategy import (
    SCALE,
    apply_strategy,
    leaves_some_out,
    optimizer_groups,
    rest_frozen,
    trained_count,
)
from inspection.training.student import train_student
from tests.unit.learning_material import surfaces

SIDE = 32
LABELS_ONLY = {"distill_logits": 0.0, "distill_features": 0.0}
NETWORKS = ("timm:resnet10t", "timm:mobilenetv2_050", "timm:test_vit", "plumbnet_s")
TRAINED = [
    pytest.param(name, marks=pytest.mark.slow if "mobilenet" in name else ()) for name in NETWORKS
]
STAGES = {
    "timm:resnet10t": 5,
    "timm:mobilenetv2_050": 8,
    "timm:test_vit": 7,
    "plumbnet_s": 4,
    "timm:test_convnext": 5,
}
LAST = {  # of the stage nearest the classifier
    "timm:resnet10t": {"network.layer4"},
    "timm:mobilenetv2_050": {"network.blocks.6", "network.conv_head", "network.bn2"},
    "timm:test_vit": {"network.blocks.5", "network.norm"},
    "plumbnet_s": {"0.layers.4", "0.layers.5"},
    "timm:test_convnext": {"network.stages.3", "network.head"},
}


def config_of(architecture: str = "plumbnet_s", **changes: object) -> StudentConfig:
    settings = {"architecture": architecture, "image_size": SIDE, "epochs": 1, "batch_size": 4}
    return StudentConfig.model_validate({**settings, **LABELS_ONLY} | changes)


@pytest.mark.parametrize("architecture", sorted(STAGES))
def test_stages_hold_every_parameter_once_and_end_where_the_network_does(architecture: str) -> None:
    student = build_student(architecture, 3, image_size=SIDE)
    stages = student_stages(student)
    everything = [f"body.{name}" for name, _ in student.body.named_parameters()]
    assert sorted(name for stage in stages for name in stage) == sorted(everything)
    assert len(stages) == STAGES[architecture]
    starts = tuple(f"body.{start}." for start in LAST[architecture])
    assert all(name.startswith(starts) for name in stages[-1])
    assert not any(name.startswith(starts) for stage in stages[:-1] for name in stage)


@pytest.mark.parametrize("seed", [0, 1])
def test_layers_of_a_network_that_names_no_stages_are_its_blocks(seed: int) -> None:
    torch.manual_seed(seed)
    student = build_student("plumbnet_s", 2)
    student.body = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Linear(4, 4)))
    assert student_stages(student) == (
        ("body.0.0.weight", "body.0.0.bias"),
        ("body.0.2.weight", "body.0.2.bias"),
    )


@pytest.mark.parametrize("strategy", ["full", "freeze"])
@pytest.mark.parametrize("architecture", sorted(STAGES))
def test_networks_leave_no_parameter_out(architecture: str, strategy: str) -> None:
    student = build_student(architecture, 3, image_size=SIDE)
    apply_strategy(student, config_of(architecture, strategy=strategy))
    assert not leaves_some_out(student, SIDE)


def test_a_parameter_without_a_part_is_noticed_and_nothing_else_changes() -> None:
    student = build_student("timm:resnet10t", 3, image_size=SIDE)
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    student.body.spare = nn.Linear(2, 2)
    random = torch.random.get_rng_state()
    assert leaves_some_out(student, SIDE)
    assert torch.equal(random, torch.random.get_rng_state())
    assert all(torch.equal(student.state_dict()[name], tensor) for name, tensor in before.items())
    assert all(parameter.grad is None for parameter in student.parameters())
    student.body.spare.requires_grad_(False)
    assert not leaves_some_out(student, SIDE)


def trained(home: Path, folder: Path, config: StudentConfig) -> tuple[Tensors, Tensors, int]:
    """The student's state before and after training, and how many numbers it says have learnt."""
    index = surfaces(home, 32)
    before = build_student(config.architecture, 3, image_size=SIDE, seed=5).state_dict()
    result = train_student(index, None, None, config, seed=5, folder=folder, device="cpu")
    return dict(before), load_file(folder / "student.safetensors"), result.trained_parameters


def changed(before: Tensors, after: Tensors) -> set[str]:
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


@pytest.mark.training
@pytest.mark.parametrize("architecture", TRAINED)
@pytest.mark.parametrize("strategy", ["freeze", "partial", "full"])
def test_what_is_frozen_stays_bit_for_bit_and_the_rest_learns(
    architecture: str, strategy: str, tmp_path: Path
) -> None:
    before, after, count = trained(tmp_path, tmp_path, config_of(architecture, strategy=strategy))
    moved = changed(before, after)
    student = build_student(architecture, 3, image_size=SIDE)
    stages = student_stages(student)
    taught = {"freeze": [], "partial": stages[-1:], "full": stages}[strategy]
    learning = {"classifier.weight", "classifier.bias", *(name for part in taught for name in part)}
    sizes = {name: parameter.numel() for name, parameter in student.named_parameters()}
    assert count == sum(sizes[name] for name in learning)
    # Batch norm's statistics follow its weights; they are the only buffers that may move.
    owners = {name.rpartition(".")[0] for name in learning}
    buffers = {name for name in moved if name not in sizes}
    assert all(name.rpartition(".")[0] in owners for name in buffers)
    assert moved - buffers <= learning
    assert {"classifier.weight"} <= moved
    assert len(moved & learning) >= 0.9 * len(learning)  # a dead unit may get no gradient
    if strategy != "freeze" and "vit" not in architecture:
        assert any(name.endswith("running_var") for name in buffers)


@pytest.mark.training
def test_two_last_stages_learn(tmp_path: Path) -> None:
    config = config_of("timm:resnet10t", strategy="partial", last_stages=2)
    moved = changed(*trained(tmp_path, tmp_path, config)[:2])
    starts = {".".join(name.split(".")[:3]) for name in moved if name.startswith("body")}
    assert starts == {"body.network.layer3", "body.network.layer4"}


@pytest.mark.slow
@pytest.mark.training
def test_the_same_seed_gives_the_same_bits(tmp_path: Path) -> None:
    more = {"mix": "cutmix", "jitter": 0.3, "rotate": 20.0, "layer_decay": 0.5}
    config = config_of("timm:resnet10t", strategy="partial", schedule="plateau", **more)
    states = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        states.append(trained(tmp_path, tmp_path / name, config)[1])
    assert changed(*states) == set()


def test_more_stages_than_there_are_is_said() -> None:
    config = config_of("plumbnet_s", strategy="partial", last_stages=5)
    with pytest.raises(ConfigError, match=r"student.last_stages: plumbnet_s has 4 stages, got 5"):
        apply_strategy(build_student("plumbnet_s", 3), config)


def test_what_is_frozen_has_no_gradient_no_optimizer_and_no_dropout() -> None:
    config = config_of("plumbnet_s", strategy="partial")
    student = build_student("plumbnet_s", 3)
    apply_strategy(student, config)
    student.train()
    rest_frozen(student)
    frozen = [p for p in student.parameters() if not p.requires_grad]
    groups = optimizer_groups(student, nn.Identity(), config)
    held = {id(parameter) for group in groups for parameter in group["params"]}
    assert frozen
    assert not held & {id(parameter) for parameter in frozen}
    assert sum(p.numel() for group in groups for p in group["params"]) == trained_count(student)
    norms = {n: m.training for n, m in student.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert {n.split(".")[3] for n, training in norms.items() if training} == {"4", "5"}
    student(torch.rand(2, 3, SIDE, SIDE))[0].sum().backward()
    assert all(parameter.grad is None for parameter in frozen)


@pytest.mark.parametrize("architecture", TRAINED)
def test_each_stage_learns_slower_than_the_one_above(architecture: str) -> None:
    config = config_of(architecture, layer_decay=0.5, weight_decay=0.01)
    student = build_student(architecture, 3, image_size=SIDE)
    projection = nn.Linear(4, 4)
    groups = optimizer_groups(student, projection, config)
    factor = {id(p): group[SCALE] for group in groups for p in group["params"]}
    named = dict(student.named_parameters())
    stages = student_stages(student)
    for number, stage in enumerate(reversed(stages), start=1):
        assert {factor[id(named[name])] for name in stage} == {0.5**number}
    top = [*student.classifier.parameters(), *projection.parameters()]
    assert {factor[id(parameter)] for parameter in top} == {1.0}
    assert len(factor) == len(named) + 2
    decayed = [p for group in groups if "weight_decay" not in group for p in group["params"]]
    assert {p.ndim > 1 for p in decayed} == {True}


def test_without_decay_the_groups_are_two_as_ever() -> None:
    student = build_student("plumbnet_s", 3)
    groups = optimizer_groups(student, nn.Linear(4, 4), config_of())
    assert [group[SCALE] for group in groups] == [1.0, 1.0]
    assert [group.get("weight_decay") for group in groups] == [None, 0.0]
