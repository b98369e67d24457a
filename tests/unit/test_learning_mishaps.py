"""A loss that is no number, memory that is full, classes nobody can learn: a sentence, and what can be kept is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from inspection.data.index import ImageIndex
from inspection.errors import ConfigError, DataError
from inspection.features.extract import Features, extract_features
from inspection.learning_config import StudentConfig, TeacherConfig
from inspection.models.heads import Teacher
from inspection.store import Store
from inspection.training import module
from inspection.training.mishaps import is_memory_full
from inspection.training.pieces import Gradients, cut, with_gradients
from inspection.training.student import StudentResult, train_student
from inspection.training.teacher import train_teacher
from tests.unit.learning_material import CONFIG, surfaces, taught, trained

pytestmark = pytest.mark.training

STEPS = 3  # per epoch: 24 training images
SHORT = CONFIG.model_copy(update={"epochs": 3})
ALONE = StudentConfig(
    image_size=32, epochs=2, batch_size=8, distill_logits=0.0, distill_features=0.0
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught(tmp_path_factory.mktemp("home"), 48)


def spoil_from(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights become nan after `step` finished steps, as after a step too large."""
    finish = module.Distillation.finish_step

    def finish_step(self: module.Distillation) -> None:
        finish(self)
        if self.step == step:
            self.student.classifier.weight.data.fill_(float("nan"))

    monkeypatch.setattr(module.Distillation, "finish_step", finish_step)


def test_a_loss_that_is_no_number_ends_training_with_the_last_good_student(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    one = tmp_path / "one"
    one.mkdir()
    good = trained(home, one, SHORT)
    spoil_from(good.best_epoch * STEPS + 1, monkeypatch)
    spoilt = tmp_path / "spoilt"
    spoilt.mkdir()
    longer = (
        SHORT.model_copy(update={"epochs": good.best_epoch + 1}) if good.best_epoch == 3 else SHORT
    )
    result = trained(home, spoilt, longer)
    said = capfd.readouterr().err.strip()
    assert said == f"student: {result.remarks[0]}"
    assert "the loss became nan after" in said
    assert f"the student of epoch {result.best_epoch} is kept" in said
    assert "use a smaller student.learning_rate than 0.005" in said
    assert result.epochs_run == result.best_epoch
    assert all(torch.isfinite(t).all() for t in load_file(spoilt / "student.safetensors").values())
    assert trained(home, spoilt, longer) == result  # finished, remark and all
    assert StudentResult.load(spoilt / "result.json").remarks == result.remarks


def test_a_rate_far_too_high_is_named_when_there_is_nothing_to_keep(
    home: Path, tmp_path: Path
) -> None:
    config = SHORT.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(ConfigError) as caught:
        trained(home, tmp_path, config)
    assert str(caught.value).count("\n") == 0
    assert str(caught.value).startswith("student.learning_rate: ")
    assert "before the first validation: use a smaller student.learning_rate than 1e+30" in str(
        caught.value
    )


def test_answers_that_are_no_numbers_are_seen_at_validation_too(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_from(STEPS, monkeypatch)  # the epoch's last step: no training loss shows it
    average = module.Distillation.finish_step

    def finish_step(self: module.Distillation) -> None:
        average(self)
        if self.step == STEPS:
            self.average.classifier.weight.data.fill_(float("nan"))

    monkeypatch.setattr(module.Distillation, "finish_step", finish_step)
    with pytest.raises(ConfigError, match=f"validation images are not finite after {STEPS} steps"):
        trained(home, tmp_path, SHORT)


def starve(monkeypatch: pytest.MonkeyPatch, most: int, error: Exception) -> list[int]:
    """The network refuses more than `most` images at a time while learning; how many it was given, each time."""
    seen: list[int] = []
    losses = module.Distillation._losses

    def _losses(self: module.Distillation, images: torch.Tensor, *rest: Any) -> Any:
        seen.append(len(images))
        if len(images) > most:
            raise error
        return losses(self, images, *rest)

    monkeypatch.setattr(module.Distillation, "_losses", _losses)
    return seen


def really_full() -> RuntimeError:
    """What torch's own allocator says when it is asked for more than there is."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    return caught.value


FULL = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory"
    ),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
)


@pytest.mark.parametrize("error", FULL, ids=["cuda", "here", "windows"])
def test_full_memory_halves_what_passes_at_once_and_says_so_once(
    error: Exception,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    seen = starve(monkeypatch, 4, error)
    result = trained(home, tmp_path, SHORT)
    assert seen == [8] + [4, 4] * STEPS * SHORT.epochs
    said = capfd.readouterr().err
    sentence = "memory is full with 8 images at a time: going on with 4, in batches of 8 as before"
    # On a slow machine the progress shows too.
    assert said.count(f"student: {sentence}\n") == said.count("memory") == 1
    assert result.remarks == (sentence,)
    assert result.epochs_run == SHORT.epochs


def test_in_the_middle_of_a_run_it_goes_back_to_the_last_epochs_end(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, full = tmp_path / "straight", tmp_path / "full"
    straight.mkdir()
    full.mkdir()
    expected = trained(home, straight, SHORT)
    losses, calls = module.Distillation._losses, []

    def _losses(self: module.Distillation, images: torch.Tensor, *rest: Any) -> Any:
        calls.append(self.step)
        if len(calls) == STEPS + 2:  # the second epoch's second step, once
            raise FULL[0]
        return losses(self, images, *rest)

    monkeypatch.setattr(module.Distillation, "_losses", _losses)
    result = trained(home, full, SHORT)
    assert calls[: STEPS + 4] == [0, 1, 2, 3, 4, 3, 3]  # two pieces from there on
    assert result.history[0] == expected.history[0]
    assert [epoch.epoch for epoch in result.history] == [1, 2, 3]
    assert result.history[1].loss == pytest.approx(expected.history[1].loss, rel=0.1)


def test_memory_for_not_even_two_images_is_an_error_of_one_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starve(monkeypatch, 1, FULL[0])
    with pytest.raises(ConfigError, match="memory is full even with 2 images of 32 px at a time"):
        trained(home, tmp_path, SHORT)


def test_other_runtime_errors_are_not_taken_for_full_memory(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starve(monkeypatch, 0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        trained(home, tmp_path, SHORT)
    assert not is_memory_full(OSError("out of memory"))
    assert is_memory_full(MemoryError())


def test_in_pieces_the_gradients_are_those_of_the_whole() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.GELU(), torch.nn.Linear(4, 1))
    unused = torch.nn.Parameter(torch.ones(1))
    rows, parameters = torch.randn(10, 3), [*network.parameters(), unused]
    whole = torch.autograd.grad((network(rows) ** 2).sum(), list(network.parameters()))
    gradients = Gradients(parameters)
    value = 0.0
    for piece in cut(10, 3):
        loss = (network(rows[piece]) ** 2).sum()
        value += loss.item()
        gradients.add(loss)
    known = with_gradients(value, gradients)
    assert known.item() == pytest.approx(value)
    (2.0 * known).backward()  # as a gradient scaler would
    for parameter, expected in zip(network.parameters(), whole, strict=True):
        torch.testing.assert_close(parameter.grad, 2.0 * expected)
    assert unused.grad is None


@pytest.mark.parametrize("at_once", range(2, 12))
@pytest.mark.parametrize("count", range(2, 12))
def test_pieces_cover_the_batch_and_none_is_one_image(count: int, at_once: int) -> None:
    sizes = [len(range(count)[piece]) for piece in cut(count, at_once)]
    assert sum(sizes) == count
    assert min(sizes) >= 2
    assert max(sizes) <= max(at_once, 3)
    assert max(sizes) - min(sizes) <= 1


def test_one_class_only_is_said(tmp_path: Path) -> None:
    index = surfaces(tmp_path, 16, ("plain",))
    features = extract_features(
        index,
        TeacherConfig(backbone="test_resnet", image_size=64),
        store=Store(tmp_path / "s"),
        seed=0,
        device="cpu",
    )
    sentence = "at least 2 classes, the data has only 'plain': add images of another class"
    with pytest.raises(DataError, match=sentence):
        train_teacher(index, features, TeacherConfig(), seed=0)
    with pytest.raises(DataError, match=sentence):
        train_student(index, None, None, ALONE, seed=0, folder=tmp_path, device="cpu")


def relabelled(index: ImageIndex, keep: dict[str, str]) -> ImageIndex:
    """`index` with the class `spot` on the images `keep` (path to split) alone."""
    frame = index.frame[(index.frame["label"] != "spot") | index.frame["path"].isin(keep)].copy()
    frame["split"] = [keep.get(path, old) for path, old in zip(frame["path"], frame["split"])]  # noqa: B905
    return ImageIndex(index.root, frame.reset_index(drop=True))


@pytest.mark.slow
def test_a_class_of_one_training_image_is_learnt_from(home: Path, tmp_path: Path) -> None:
    index = relabelled(ImageIndex.load(home / "index.parquet"), {"1.png": "train"})
    features = Features.load(home)
    teacher = train_teacher(index, features, TeacherConfig(), seed=0).teacher
    assert teacher.classes == ("plain", "spot", "stripes")
    result = train_student(index, features, teacher, SHORT, seed=0, folder=tmp_path, device="cpu")
    assert result.remarks == ()
    assert all(epoch.loss > 0 for epoch in result.history)


def test_a_class_of_one_image_outside_training_is_remarked(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    index = relabelled(ImageIndex.load(home / "index.parquet"), {"1.png": "val"})
    result = train_student(index, None, None, ALONE, seed=0, folder=tmp_path, device="cpu")
    assert result.remarks == ("no training image shows 'spot': the student cannot know this class",)
    assert capfd.readouterr().err == f"student: {result.remarks[0]}\n"


def test_a_teacher_of_other_classes_is_refused(home: Path, tmp_path: Path) -> None:
    index, teacher = ImageIndex.load(home / "index.parquet"), Teacher.load(home)
    two = index.where(index.frame["label"] != "spot")
    with pytest.raises(DataError) as caught:
        train_student(two, Features.load(home), teacher, SHORT, seed=0, folder=tmp_path)
    assert str(caught.value) == (
        "the teacher knows other classes (plain, spot, stripes) than the images to learn from "
        "(plain, stripes): train the teacher on these images"
    )
