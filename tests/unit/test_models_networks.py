"""Both networks are built before the first image: whatever stands in their way is said at once, all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from inspection.errors import ConfigError
from inspection.learning_config import StudentConfig, TeacherConfig
from inspection.models.networks import check_networks, weights_fingerprint

pytestmark = pytest.mark.training

TEACHER = TeacherConfig(backbone="resnet10t", image_size=64)
STUDENT = StudentConfig(image_size=64)


def faults(teacher: TeacherConfig = TEACHER, student: StudentConfig = STUDENT) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        check_networks(teacher, student, seed=1)
    assert caught.value.exit_code == 2
    return caught.value.faults


def test_two_good_networks_are_described() -> None:
    networks = check_networks(TEACHER, STUDENT, seed=1)
    assert (networks.backbone, networks.backbone_weights) == ("resnet10t", "none")
    assert (networks.architecture, networks.student_weights) == ("plumbnet_s", "none")
    assert networks.backbone_parameters > networks.student_parameters > 100_000


def test_every_fault_of_both_is_said_at_once() -> None:
    said = faults(
        TEACHER.model_copy(update={"backbone": "resnet18x"}),
        STUDENT.model_copy(update={"architecture": "plumbnet_xs"}),
    )
    assert len(said) == 2
    assert "'resnet18x'" in said[0]
    assert "did you mean resnet18" in said[0]
    assert "'plumbnet_xs'" in said[1]
    assert "plumbnet_s" in said[1]


def test_weights_of_another_architecture_are_named_with_what_does_not_fit(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    save_file({"stem.weight": torch.zeros(3)}, foreign)
    said = faults(TEACHER.model_copy(update={"weights": str(foreign)}))
    assert len(said) == 1
    assert said[0].startswith("teacher: ")
    assert "are not of resnet10t" in said[0]


def test_weights_that_changed_since_a_run_was_planned_end_it(tmp_path: Path) -> None:
    weights = tmp_path / "teacher.safetensors"
    save_file(timm.create_model("resnet10t").state_dict(), weights)
    teacher = TEACHER.model_copy(update={"weights": str(weights)})
    planned = (weights_fingerprint(str(weights)), weights_fingerprint("none"))
    check_networks(teacher, STUDENT, seed=1, stated=planned)
    save_file(timm.create_model("resnet10t").state_dict(), weights)  # other random numbers
    with pytest.raises(ConfigError, match=r"teacher\.weights: .*is not the file that it was"):
        check_networks(teacher, STUDENT, seed=1, stated=planned)


def test_missing_weights_of_either_are_told_apart(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.safetensors")
    assert faults(TEACHER.model_copy(update={"weights": gone}))[0].startswith("teacher: ")
    assert faults(student=STUDENT.model_copy(update={"weights": gone}))[0].startswith("student: ")


def test_a_size_that_a_network_cannot_read_is_said_with_the_key_to_change() -> None:
    said = faults(
        TeacherConfig(backbone="inception_v3", image_size=32),
        StudentConfig(architecture="timm:inception_v3", image_size=32),
    )
    assert [line.partition(":")[0] for line in said] == ["teacher", "student"]
    assert "teacher.image_size" in said[0]
    assert "student.image_size" in said[1]
