"""Heat lies on the cue, follows the weights, divides by nothing, and leaves the student as it was."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from inspection.models.attribution import Attribution, AttributionError, attribute, method_of
from inspection.models.registry import build_student
from inspection.models.student import Student

pytestmark = pytest.mark.training

HALF = (0.5, 0.5, 0.5)
SIDE, SQUARE = 96, 32
VIT = "timm:vit_tiny_patch16_224"
CNNS = ("plumbnet_s", "timm:resnet10t", "timm:mobilenetv3_small_050", "timm:convnext_atto")
NETWORKS = (*CNNS, VIT, "timm:vit_pe_core_tiny_patch16_384", "timm:swin_tiny_patch4_window7_224")


def pictures(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, npt.NDArray[np.bool_]]:
    """Noise (N, 3, SIDE, SIDE); every second one holds a bright square somewhere, and nothing else tells them apart."""
    generator = np.random.default_rng(seed)
    images = generator.normal(0, 0.3, (count, 3, SIDE, SIDE)).astype(np.float32)
    inside = np.zeros((count, SIDE, SIDE), bool)
    for i in range(1, count, 2):
        y, x = generator.integers(0, SIDE - SQUARE, 2)
        inside[i, y : y + SQUARE, x : x + SQUARE] = True
        images[i][:, inside[i]] += 1.5
    return torch.from_numpy(images), torch.arange(count) % 2, inside


@pytest.fixture(scope="module")
def trained() -> Student:
    student = build_student("plumbnet_s", 2, image_size=SIDE, seed=1)
    torch.manual_seed(0)
    optimiser = torch.optim.Adam(student.parameters(), lr=2e-3)
    for step in range(40):
        images, labels, _ = pictures(16, seed=step)
        loss = nn.functional.cross_entropy(student(images)[0], labels)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return student.eval()


def heat(
    student: Student, images: torch.Tensor, classes: torch.Tensor | None = None
) -> Attribution:
    wanted = torch.zeros(len(images), dtype=torch.long) if classes is None else classes
    return attribute(student, images, wanted)


def test_the_heat_lies_on_the_only_cue(trained: Student) -> None:
    images, labels, inside = pictures(40, seed=999)
    with torch.no_grad():
        assert (trained(images)[0].argmax(1) == labels).float().mean() > 0.9
    marked = labels == 1
    found = heat(trained, images[marked], labels[marked])
    assert (found.method, found.cells) == ("grad_cam", (6, 6))
    squares = inside[marked.numpy()]
    share = (found.heat * squares).sum((1, 2)) / found.heat.sum((1, 2))
    assert share.mean() > 0.5  # the square is a ninth of the picture
    hottest = found.heat.reshape(len(found.heat), -1).argmax(1)
    assert squares.reshape(len(squares), -1)[np.arange(len(squares)), hottest].mean() >= 0.9


def test_the_heat_is_not_shifted(trained: Student) -> None:
    """Stretched over the image, the maps of strided convolutions would lie 7.5 px to the right and below."""
    images, labels, inside = pictures(120, seed=31)
    marked = labels == 1
    found = heat(trained, images[marked], labels[marked]).heat
    away = [_centre(a) - _centre(b) for a, b in zip(found, inside[marked.numpy()], strict=True)]
    assert np.abs(np.mean(away, axis=0)).max() < 3.0


def _centre(weights: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    places = np.indices(weights.shape, dtype=np.float64)
    return np.asarray((places * weights).sum((1, 2)) / weights.sum())


def test_other_weights_give_another_map(trained: Student) -> None:
    """Adebayo et al., Sanity Checks for Saliency Maps (NeurIPS 2018): a map of the picture alone would not change."""
    images, labels, inside = pictures(24, seed=5)
    marked = labels == 1
    squares = inside[marked.numpy()]

    def share(student: Student) -> float:
        found = heat(student, images[marked], labels[marked]).heat
        return float((found * squares).sum() / max(found.sum(), 1e-9))

    guessed = [share(build_student("plumbnet_s", 2, image_size=SIDE, seed=k)) for k in range(6)]
    assert share(trained) > 1.4 * np.mean(guessed)


def test_the_map_belongs_to_the_class_asked_for(trained: Student) -> None:
    images, labels, inside = pictures(12, seed=6)
    marked = labels == 1
    squares = inside[marked.numpy()]
    against = heat(trained, images[marked], torch.zeros(int(marked.sum()), dtype=torch.long)).heat
    shares = (against * squares).sum((1, 2)) / np.maximum(against.sum((1, 2)), 1e-9)
    assert shares.mean() < 0.25


@pytest.mark.parametrize("architecture", NETWORKS)
def test_every_kind_of_network_gives_a_map(architecture: str) -> None:
    size = 64
    student = build_student(architecture, 3, image_size=size, seed=0)
    student.train()
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    found = heat(student, images, torch.tensor([0, 2]))
    again = heat(student, images, torch.tensor([0, 2]))
    assert found.heat.shape == (2, size, size)
    assert found.heat.dtype == np.float32
    assert np.array_equal(found.heat, again.heat)
    assert found.heat.min() >= 0.0
    assert set(found.heat.max((1, 2)).tolist()) <= {0.0, 1.0}
    assert found.heat.max() == 1.0
    assert min(found.cells) > 1


def test_methods_fit_networks() -> None:
    def said(name: str, side: int = 64) -> str:
        return method_of(build_student(f"timm:{name}", 2, image_size=side))

    assert said("vit_tiny_patch16_224") == "attention"
    assert said("vit_small_patch14_dinov2", 56) == "attention"
    assert said("vit_medium_patch16_gap_240") == "token_grad_cam"
    assert said("resnet10t") == "grad_cam"


def test_attention_is_that_of_the_class_token() -> None:
    """Worked out again from the block's own weights."""
    student = build_student(VIT, 2, image_size=64, seed=0).eval()
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    network = student.body.network  # type: ignore[union-attr]
    seen: list[torch.Tensor] = []
    handle = network.blocks[-1].attn.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0])
    )
    with torch.no_grad():
        student(images)
    handle.remove()
    attention = network.blocks[-1].attn
    with torch.no_grad():
        qkv = attention.qkv(seen[0]).reshape(1, 17, 3, attention.num_heads, -1)
    query, key = qkv[0, 0, 0], qkv[0, :, 1]
    weights = torch.einsum("hd,lhd->hl", query, key) * attention.scale
    expected = torch.softmax(weights, 1).mean(0)[1:].reshape(4, 4)
    cell = attribute(student, images, torch.zeros(1, dtype=torch.long)).heat[0]
    # Bilinear enlarging by 16 keeps a cell's corner points at its value.
    assert divmod(int(cell[8::16, 8::16].argmax()), 4) == divmod(int(expected.argmax()), 4)
    assert np.corrcoef(cell[8::16, 8::16].ravel(), expected.numpy().ravel())[0, 1] > 0.98


@pytest.mark.parametrize("architecture", ["plumbnet_s", "timm:vit_tiny_patch16_224"])
def test_the_student_is_left_exactly_as_it_was(architecture: str) -> None:
    student = build_student(architecture, 2, image_size=64, seed=0)
    student.train()
    frozen = next(iter(student.body.parameters()))
    frozen.requires_grad_(False)
    student.classifier.weight.grad = torch.full_like(student.classifier.weight, 0.25)
    before = _everything(student)
    images = torch.randn(2, 3, 64, 64)
    heat(student, images)
    assert _everything(student) == before
    with pytest.raises(RuntimeError):
        heat(student, images[:, :1])  # one channel: fails inside the network
    assert _everything(student) == before  # also after an error half-way


def _everything(student: Student) -> list[object]:
    """State, modes, gradients, hooks and switches of every part."""
    tensors = [
        (n, t.sum().item(), t.requires_grad) for n, t in student.state_dict(keep_vars=True).items()
    ]
    gradients = [None if p.grad is None else p.grad.sum().item() for p in student.parameters()]
    parts = [
        (
            part.training,
            len(part._forward_hooks),
            len(part._forward_pre_hooks),
            len(part._backward_hooks),
            getattr(part, "fused_attn", None),
        )
        for part in student.modules()
    ]
    return [tensors, gradients, parts]


def test_a_network_that_says_nothing_has_no_heat_and_no_fault() -> None:
    student = build_student("plumbnet_s", 2, image_size=64, seed=0)
    for parameter in student.parameters():
        nn.init.zeros_(parameter)
    found = heat(student, torch.zeros(2, 3, 64, 64))
    assert np.array_equal(found.heat, np.zeros((2, 64, 64), np.float32))


class _Flat(nn.Module):
    """No map anywhere: pixels straight into one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 64, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.layer(images.flatten(1)))


def test_a_network_without_maps_is_told_apart() -> None:
    student = Student(_Flat(), 4, 2, HALF, HALF)
    with pytest.raises(AttributionError, match="no feature maps"):
        heat(student, torch.zeros(1, 3, 8, 8))
