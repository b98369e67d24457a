"""The small network that has public weights: they fit by name, and a student of ours starts another one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from inspection.errors import WeightsError
from inspection.features.weights import IMAGENET, read_safetensors
from inspection.models.registry import build_student, start_student
from inspection.models.student_files import save_weights

pytestmark = pytest.mark.thorough


@pytest.mark.assets
def test_squeezenet__starts_from_public_weights(assets: Path) -> None:
    file = assets / "weights" / "squeezenet1_1.imagenet.safetensors"
    start = start_student("squeezenet", 6, weights=str(file), image_size=64, seed=0)
    given = read_safetensors(file).tensors
    body = start.student.body.state_dict()
    assert all(torch.equal(tensor, given[name]) for name, tensor in body.items())
    assert start.student.parameters_count < 1_000_000
    assert (start.weights, start.student.mean) == (file.name, IMAGENET)


def test_squeezenet__starts_from_another_of_ours(tmp_path: Path) -> None:
    first = build_student("squeezenet", 6, seed=1)
    save_weights(tmp_path, first)
    (file,) = tmp_path.glob("*.safetensors")
    again = build_student("squeezenet", 3, weights=str(file), seed=2)
    assert torch.equal(
        first.body.state_dict()["features.0.weight"], again.body.state_dict()["features.0.weight"]
    )


def test_squeezenet__weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path, build_student("plumbnet_s", 6, seed=1))
    (file,) = tmp_path.glob("*.safetensors")
    with pytest.raises(WeightsError, match="are not of squeezenet"):
        build_student("squeezenet", 6, weights=str(file))
