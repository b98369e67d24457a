"""What the teacher sees in every view of the training images, and that it looks at each only once."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from deploy.edge.errors import ImageError
from inspection.data.index import ImageIndex
from inspection.errors import ConfigError
from inspection.features import extract
from inspection.features.backbone import Backbone, BackboneInfo
from inspection.features.extract import Features, extract_features
from inspection.learning_config import TeacherConfig
from inspection.models.heads import Head, Teacher
from inspection.store import Store
from inspection.training import second_looks
from inspection.training.labels import rows_of
from inspection.training.preparation import targets_of
from inspection.training.second_looks import Eyes
from inspection.training.targets import TargetsByView
from tests.unit.learning_material import (
    CLASSES,
    CONFIG,
    surfaces,
)

CONSISTENT = CONFIG.model_copy(update={"epochs": 2, "patience": 2, "consistent": True})
MOVES = {
    0: (0, 1, 2, 3),
    1: (2, 3, 0, 1),
    2: (1, 0, 3, 2),
    3: (3, 2, 1, 0),
    4: (0, 2, 1, 3),
    5: (2, 0, 3, 1),
    6: (1, 3, 0, 2),
    7: (3, 1, 2, 0),
}
"""Which quarter of the upright image (top left, top right, bottom left, bottom right) lies in each place of a view."""


class Quarters(nn.Module):
    """A teacher's eye that is known by heart: the mean of each quarter of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1), requires_grad=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 3, S, S) to (N, 4)."""
        return nn.functional.adaptive_avg_pool2d(images, 2).mean(dim=1).flatten(1)


INFO = BackboneInfo("quarters", "none", "4" * 64, "none", 4, 32, (0.5,) * 3, (0.25,) * 3, 1)
QUARTERS = TeacherConfig(backbone="quarters", image_size=32)


@dataclasses.dataclass
class Known:
    """Images, and a teacher whose answers can be told beforehand."""

    index: ImageIndex
    features: Features
    teacher: Teacher
    eyes: Eyes

    def targets(self, **changes: object) -> TargetsByView:
        config = CONSISTENT.model_copy(update=changes)
        return targets_of(self.index, self.features, self.teacher, config, seed=0, eyes=self.eyes)


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Known:
    monkeypatch.setattr(extract, "load_backbone", lambda *_, **__: Backbone(Quarters(), INFO))
    index, eyes = surfaces(tmp_path, 48), Eyes(QUARTERS, Store(tmp_path / "s"), 0, "cpu")
    features = extract_features(index, QUARTERS, store=eyes.store, seed=0, device="cpu")
    arrays = {
        "mean": np.zeros(4, np.float32),
        "scale": np.ones(4, np.float32),
        "weight_0": np.eye(3, 4, dtype=np.float32),
        "bias_0": np.zeros(3, np.float32),
    }
    return Known(index, features, Teacher(INFO, Head("linear", arrays), CLASSES, 2.0), eyes)


@pytest.mark.parametrize("view", range(8))
def test_an_answer_is_the_teachers_answer_in_that_view(known: Known, view: int) -> None:
    targets = known.targets()
    rows = rows_of(known.index, "train", CLASSES)
    upright = known.features.rows(rows.image_ids)
    expected = torch.from_numpy(upright[:, MOVES[view]])
    positions = torch.arange(len(rows))
    found = targets.take(positions, torch.full((len(rows),), view))
    assert found.logits is not None
    assert found.features is not None
    torch.testing.assert_close(found.logits, expected[:, :3] / 2.0, atol=1e-5, rtol=1e-4)
    # One lens for all views: what turns the upright vectors into their components turns these into theirs.
    clean = targets.take(positions, torch.zeros_like(positions)).features
    lens = torch.linalg.lstsq(torch.from_numpy(upright), clean).solution
    torch.testing.assert_close(found.features, expected @ lens, atol=1e-3, rtol=1e-3)
    assert torch.equal(found.labels, torch.from_numpy(rows.labels))


def test_each_image_of_a_batch_is_answered_in_its_own_view(known: Known) -> None:
    targets = known.targets()
    upright = known.features.rows(rows_of(known.index, "train", CLASSES).image_ids)
    positions, views = torch.tensor([5, 0, 5, 11]), torch.tensor([6, 3, 1, 0])
    found = targets.take(positions, views).logits
    pairs = zip(positions.tolist(), views.tolist(), strict=True)
    expected = np.stack([upright[place][list(MOVES[view])][:3] / 2 for place, view in pairs])
    torch.testing.assert_close(found, torch.from_numpy(expected), atol=1e-5, rtol=1e-4)


def test_without_the_wish_every_view_is_told_what_the_upright_one_is(known: Known) -> None:
    """And that is what it always was, bit for bit."""
    targets = known.targets(consistent=False)
    rows = rows_of(known.index, "train", CLASSES)
    matrix = known.features.rows(rows.image_ids)
    logits = torch.from_numpy(known.teacher.logits(matrix) / np.float32(2.0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        basis = torch.svd_lowrank(torch.from_numpy(matrix), q=4, niter=3)[2]
    seen = torch.from_numpy(matrix) @ basis
    positions = torch.arange(len(rows))
    for view in range(8):
        found = targets.take(positions, torch.full_like(positions, view))
        assert torch.equal(found.logits, logits)
        assert torch.equal(found.features, seen / seen.square().mean().sqrt())


def test_only_views_that_are_shown_are_looked_at_and_only_once(
    known: Known, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def caches() -> int:
        return len(
            [path for path in (tmp_path / "s" / "features").iterdir() if path.name != "backbones"]
        )

    assert caches() == 1
    few = known.targets(mirror_axes="horizontal", turn=False)
    assert caches() == 2
    assert few.blocks.labels.shape == (48,)
    assert "looks at 24 training images in 2 views" in capfd.readouterr().err
    first = known.targets()
    assert caches() == 8
    for path in known.index.paths:
        path.unlink()
    again = known.targets()
    assert torch.equal(first.blocks.logits, again.blocks.logits)
    known.targets(mirror=False, turn=False)  # one view: nothing to say
    assert capfd.readouterr().err.count("the teacher looks at") == 2


def test_a_views_vectors_are_never_taken_for_anothers(known: Known, tmp_path: Path) -> None:
    for path in known.index.paths:
        path.unlink()
    store = Store(tmp_path / "s")
    again = extract_features(known.index, QUARTERS, store=store, seed=0, device="cpu")
    assert np.array_equal(again.matrix, known.features.matrix)
    with pytest.raises(ImageError):
        extract_features(known.index, QUARTERS, store=store, seed=0, device="cpu", view=3)


@pytest.mark.parametrize("changes", [{}, {"consistent": False}, {"turn": False}])
def test_targets_survive_the_disk(known: Known, tmp_path: Path, changes: dict[str, bool]) -> None:
    targets = known.targets(**changes)
    targets.save(tmp_path / "targets.safetensors")
    loaded = TargetsByView.load(tmp_path / "targets.safetensors")
    positions, views = torch.tensor([3, 7, 1]), torch.tensor([1, 3, 0])
    for ours, theirs in zip(
        vars(loaded.take(positions, views)).values(),
        vars(targets.take(positions, views)).values(),
        strict=True,
    ):
        assert torch.equal(ours, theirs)


def test_targets_of_labels_alone_survive_the_disk(known: Known, tmp_path: Path) -> None:
    targets = targets_of(known.index, None, None, CONFIG, seed=0)
    targets.save(tmp_path / "targets.safetensors")
    found = TargetsByView.load(tmp_path / "targets.safetensors").take(
        torch.tensor([2, 0]), torch.tensor([7, 4])
    )
    assert found.logits is found.features is None
    assert torch.equal(found.labels, targets.labels[[2, 0]])


def unlabelled_twin(known: Known, count: int) -> ImageIndex:
    """The same with `count` training images without a label."""
    frame = known.index.frame
    train = frame.index[frame["split"] == "train"][:count]
    return known.index.with_columns(label=frame["label"].mask(frame.index.isin(train), None))


def test_unlabelled_images_are_looked_at_too_when_they_are_learned_from(known: Known) -> None:
    known.index = unlabelled_twin(known, 6)
    assert known.targets().blocks.labels.shape == (18 * 8,)
    targets = known.targets(unlabelled=True)
    assert targets.blocks.logits is not None
    assert targets.blocks.logits.shape == (24 * 8, 3)
    assert (targets.labels == -1).sum() == 6


def test_what_does_not_fit_the_memory_is_refused_before_any_image_is_looked_at(
    known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_looks, "available_memory", lambda: 10_000)
    said = "student.consistent: 24 images in 8 views need 0 MB of memory, 0 MB may be taken"
    with pytest.raises(ConfigError, match=re.escape(said)):
        known.targets()
    assert len(list((tmp_path / "s" / "features").rglob("*.safetensors"))) == 1
