"""The teacher sees what the student is shown: in every view, mixed, resumed, searched for; what stands in the way."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from deploy.edge.errors import ImageError
from inspection.data.index import ImageIndex
from inspection.errors import ConfigError, WeightsError
from inspection.features import extract
from inspection.features.backbone import Backbone, BackboneInfo
from inspection.features.extract import Features, extract_features
from inspection.features.orientation import seen_in
from inspection.learning_config import SearchConfig, StudentConfig, TeacherConfig
from inspection.models.heads import Head, Teacher
from inspection.models.registry import build_student
from inspection.store import Store
from inspection.training import second_looks
from inspection.training.augment import Augmentation
from inspection.training.labels import rows_of
from inspection.training.mixing import Kind
from inspection.training.module import Distillation, Lesson
from inspection.training.pixels import InMemory
from inspection.training.preparation import targets_of
from inspection.training.second_looks import Eyes
from inspection.training.stream import Batch
from inspection.training.student import train_student
from inspection.training.targets import Targets, TargetsByView
from pipelines.door import load_config
from tests.unit.learning_material import (
    CLASSES,
    CONFIG,
    TEACHER,
    eyes_of,
    killed_at,
    surfaces,
    taught,
    trained,
)
from tests.unit.search_material import Clock, searched

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


# One step of training, with targets that say of which image and view they are


IMAGES, SIDE = 8, 16


class Caught(Exception):
    """What a step was about to learn; it learns nothing."""

    def __init__(self, images: torch.Tensor, targets: Targets) -> None:
        super().__init__()
        self.images = images
        self.targets = targets


class Catching(Distillation):
    """Stops where images and targets have come together."""

    def _learnt(self, images: torch.Tensor, targets: Targets) -> tuple[torch.Tensor, list[float]]:
        raise Caught(images, targets)


def caught(mix: Kind | str, step: int) -> tuple[torch.Tensor, Caught]:
    """Images in all views (8 * IMAGES, S, S, 3), view after view, and what a step made of them."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=torch.uint8, generator=generator)
    named = torch.eye(8 * IMAGES)
    labels = torch.zeros(8 * IMAGES, dtype=torch.int64)
    blocks = Targets(labels, torch.zeros(8 * IMAGES, 3), named)
    lesson = Lesson(
        pixels=InMemory(pixels),
        targets=TargetsByView(blocks, torch.arange(8), IMAGES),
        augmentation=Augmentation(shift=0.0, gain=0.0, offset=0.0, noise=0.0),
        total_steps=9,
        seed=3,
    )
    config = StudentConfig.model_validate({"image_size": 32, "mix": mix, "consistent": True})
    module = Catching(build_student("plumbnet_s", 3, seed=0), lesson, config)
    with pytest.raises(Caught) as error:
        module.training_step(Batch(step, torch.tensor([6, 1, 3, 0, 5])), 0)
    views = [seen_in(view, image) for view in range(8) for image in pixels.numpy()]
    return torch.from_numpy(np.stack(views)).float(), error.value


@pytest.mark.parametrize("mix", ["none", "mixup"])
@pytest.mark.parametrize("step", range(4))
def test_a_step_learns_each_image_in_the_view_it_shows(mix: str, step: int) -> None:
    """With mixup: both images in the views they are shown in, in the proportion they are shown in."""
    views, found = caught(mix, step)
    assert found.targets.features is not None
    shown = (found.targets.features @ views.flatten(1)).view_as(found.images)
    torch.testing.assert_close(found.images, shown, atol=0.01, rtol=1e-4)


@pytest.mark.parametrize("step", range(4))
def test_a_patch_is_learned_in_the_view_it_is_cut_from(step: int) -> None:
    views, found = caught("cutmix", step)
    assert found.targets.features is not None
    for image, told in zip(found.images, found.targets.features, strict=True):
        own = (views[told > 0] == image).all(dim=-1)  # of at most two views, pixel by pixel
        assert own.any(dim=0).all()
        torch.testing.assert_close(own.float().mean(dim=(1, 2)), told[told > 0])


# Whole trainings


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Surfaces with features and a teacher; four training images have no label."""
    home = taught(tmp_path_factory.mktemp("home"), 48)
    index = ImageIndex.load(home / "index.parquet")
    place = index.frame.index[index.frame["split"] == "train"][:4]
    label = index.frame["label"].mask(index.frame.index.isin(place), None)
    index.with_columns(label=label).save(home / "index.parquet")
    return home


@pytest.mark.training
def test_it_learns_something_else_than_from_upright_answers(home: Path, tmp_path: Path) -> None:
    results = [
        trained(home, tmp_path / str(ask), CONSISTENT.model_copy(update={"consistent": ask}))
        for ask in (False, True)
    ]
    assert results[0].key != results[1].key
    assert results[0].history[-1].loss_features != results[1].history[-1].loss_features


@pytest.mark.slow
@pytest.mark.training
def test_killed_inside_an_epoch_it_ends_as_if_nothing_had_been(home: Path, tmp_path: Path) -> None:
    config = CONSISTENT.model_copy(
        update={"mix": "cutmix", "unlabelled": True, "checkpoint_every_steps": 1, "rotate": 5.0}
    )
    trained(home, tmp_path / "straight", config)
    killed_at(home, tmp_path / "killed", 5, config)  # of three steps an epoch
    again = trained(home, tmp_path / "killed", config)
    assert again.resumed_from == 4
    ours, theirs = (
        load_file(tmp_path / name / "student.safetensors") for name in ("killed", "straight")
    )
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=1e-6)


@pytest.mark.training
def test_a_search_looks_again_before_its_time_begins(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    clock = Clock(0.01)
    looked = second_looks.extract_features

    def watched(*arguments: object, **options: object) -> Features:
        seen.append(clock.now)
        return looked(*arguments, **options)

    monkeypatch.setattr(second_looks, "extract_features", watched)
    one = SearchConfig(budget="1h", trials=1, vary=("learning_rate",))
    found = searched(home, tmp_path, one, CONSISTENT, clock=clock)
    assert [trial.state for trial in found.trials] == ["complete"]
    assert seen[:7] == [0.0] * 7
    assert all(now > 0 for now in seen[7:])


# What stands in the way


def test_without_a_teacher_to_listen_to_one_sentence_says_so(home: Path, tmp_path: Path) -> None:
    deaf = CONSISTENT.model_copy(update={"distill_logits": 0.0, "distill_features": 0.0})
    said = r"student\.consistent: there is no teacher to see what the student sees[:;] set"
    with pytest.raises(ConfigError, match=said):
        trained(home, tmp_path, deaf)
    config = tmp_path / "line.yaml"
    config.write_text(f"name: line\ndata: {{kind: folder, root: {tmp_path}}}\n")
    asked = ["student.consistent=true", "student.distill_features=0"]
    load_config(config, asked, {})
    with pytest.raises(ConfigError, match=said):
        load_config(config, [*asked, "student.distill_logits=0"], {})


def test_features_alone_cannot_look_again(home: Path, tmp_path: Path) -> None:
    index = ImageIndex.load(home / "index.parquet")
    told = (index, Features.load(home), Teacher.load(home), CONSISTENT)
    with pytest.raises(ConfigError, match=r"student\.consistent: only the teacher's features"):
        train_student(*told, seed=3, folder=tmp_path, device="cpu")


def test_other_eyes_than_the_teachers_are_refused(home: Path) -> None:
    index = ImageIndex.load(home / "index.parquet")
    others = dataclasses.replace(eyes_of(home), seed=1)
    assert TEACHER.weights == "none"  # the seed decides
    with pytest.raises(WeightsError, match="'test_resnet' are others than when the teacher"):
        targets_of(index, Features.load(home), Teacher.load(home), CONSISTENT, seed=0, eyes=others)


def test_what_does_not_fit_the_memory_is_refused_before_any_image_is_looked_at(
    known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_looks, "available_memory", lambda: 10_000)
    said = "student.consistent: 24 images in 8 views need 0 MB of memory, 0 MB may be taken"
    with pytest.raises(ConfigError, match=re.escape(said)):
        known.targets()
    assert len(list((tmp_path / "s" / "features").rglob("*.safetensors"))) == 1
