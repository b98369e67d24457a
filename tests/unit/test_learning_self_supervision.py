"""A backbone learns from images without labels, the same each time, and goes on after SIGKILL."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from deploy.edge.errors import ImageError
from inspection.data.index import ImageIndex
from inspection.features.backbone import load_backbone
from inspection.features.extract import extract_features
from inspection.store import Store
from inspection.training.checkpoint import CHECKPOINT
from inspection.training.self_supervision import TunedBackbone, tuning_key
from inspection.training.self_supervision_gain import tuned_teacher, tuning_gain
from tests.unit.self_supervision_material import CHILD, CNN, CONFIG, STEPS, VIT, drawn_index, tuned

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    return drawn_index(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def straight(index: ImageIndex, tmp_path_factory: pytest.TempPathFactory) -> TunedBackbone:
    """The CNN's run that nobody disturbed."""
    return tuned(index, tmp_path_factory.mktemp("straight"))


def test_the_weights_are_read_as_any_file_is(
    index: ImageIndex, straight: TunedBackbone, tmp_path: Path
) -> None:
    start = load_backbone(CNN, seed=3)
    after = load_backbone(tuned_teacher(CNN, straight), seed=99)  # no seed makes these
    assert after.info.weights_digest != start.info.weights_digest
    assert (after.info.mean, after.info.std) == (start.info.mean, start.info.std)
    assert after.info.licence.startswith(start.info.licence)
    assert "tuned" in after.info.licence
    assert after.info.weights == "backbone.safetensors"
    assert straight.licence == after.info.licence


def test_every_epoch_is_told(straight: TunedBackbone) -> None:
    assert [each.epoch for each in straight.history] == [0, 1, 2, 3, 4]
    assert [each.epoch for each in straight.history if each.knn is not None] == [0, 2, 4]
    assert straight.history[0].pulse is None
    for epoch in straight.history[1:]:
        assert epoch.pulse is not None
        assert np.isfinite(epoch.pulse.loss)
        assert 0 < epoch.pulse.teacher_entropy <= np.log(CONFIG.outputs) + 1e-6
        assert 0 < epoch.pulse.spread <= 1
    rates = [epoch.momentum for epoch in straight.history[1:]]
    assert rates == sorted(rates)
    assert rates[-1] == 1.0
    temperatures = [epoch.teacher_temperature for epoch in straight.history]
    assert temperatures[0] == CONFIG.teacher_temperature_start
    assert temperatures[-1] == pytest.approx(CONFIG.teacher_temperature)
    assert TunedBackbone.from_json(straight.to_json()) == straight


def test_only_what_is_needed_stays(straight: TunedBackbone) -> None:
    names = sorted(path.name for path in straight.weights.parent.iterdir())
    assert names == ["backbone.safetensors", "tuned.json"]


def test_asked_again_it_answers_from_the_folder(index: ImageIndex, straight: TunedBackbone) -> None:
    before = straight.weights.stat().st_mtime_ns
    assert tuned(index, straight.weights.parent) == straight
    assert straight.weights.stat().st_mtime_ns == before


def test_equal_seeds_give_equal_bytes(
    index: ImageIndex, straight: TunedBackbone, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    again = tuned(index, tmp_path)
    assert again.weights.read_bytes() == straight.weights.read_bytes()
    assert again.history == straight.history
    assert torch.equal(state, torch.random.get_rng_state())


def test_killed_it_goes_on_from_the_epochs_end(
    index: ImageIndex, straight: TunedBackbone, tmp_path: Path
) -> None:
    """SIGKILL in the third epoch; what lies there holds no pickle, and serves no other config."""
    documents = [CNN.model_dump_json(), CONFIG.model_dump_json(), str(2 * STEPS + 1)]
    command = [sys.executable, "-c", CHILD, str(index.root), str(tmp_path), *documents]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "tuned.json").exists()
    data = (tmp_path / CHECKPOINT).read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert json.loads(header.pop("__metadata__")["facts"])["step"] == 2 * STEPS
    parts = {name.partition(".")[0] for name in header}
    assert parts == {"student", "teacher", "loss", "optimizer", "good", "best"}
    elsewhere = tmp_path / "other"
    elsewhere.mkdir()
    (elsewhere / CHECKPOINT).write_bytes(data)
    assert tuned(index, elsewhere, epochs=1, momentum=0.5).resumed_from is None
    assert_same(tuned(index, tmp_path), straight, resumed_from=2 * STEPS)
    assert not (tmp_path / CHECKPOINT).exists()


@pytest.mark.slow
def test_a_transformer_goes_on_too(
    index: ImageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inspection.training import self_supervision_loop as loop

    whole = tuned(index, tmp_path / "whole", VIT, method="ibot")
    learn = loop.Loop._learn

    def dying(self: loop.Loop, epoch: int, positions: torch.Tensor) -> object:
        if self.step == STEPS + 1:
            raise KeyboardInterrupt
        return learn(self, epoch, positions)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Loop, "_learn", dying)
        with pytest.raises(KeyboardInterrupt):
            tuned(index, tmp_path, VIT, method="ibot")
    assert_same(tuned(index, tmp_path, VIT, method="ibot"), whole, resumed_from=STEPS)


def assert_same(ours: TunedBackbone, theirs: TunedBackbone, *, resumed_from: int) -> None:
    assert ours.resumed_from == resumed_from
    for one, other in zip(ours.history, theirs.history, strict=True):
        assert (one.epoch, one.knn) == (other.epoch, other.knn)
        if one.pulse is not None and other.pulse is not None:
            assert one.pulse.loss == pytest.approx(other.pulse.loss, abs=1e-6)
    kept, expected = load_file(ours.weights), load_file(theirs.weights)
    assert kept.keys() == expected.keys()
    assert all(torch.allclose(kept[name], expected[name], atol=1e-6) for name in expected)


def test_killed_before_the_result_nothing_is_learned_twice(
    index: ImageIndex, straight: TunedBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("inspection.training.self_supervision.save_file", full)
        with pytest.raises(OSError, match="No space"):
            tuned(index, tmp_path)
    result = tuned(index, tmp_path)
    assert result.resumed_from == CONFIG.epochs * STEPS
    assert result.history == straight.history


def test_the_key_sees_what_decides(index: ImageIndex, straight: TunedBackbone) -> None:
    key = tuning_key(index, CNN, CONFIG, seed=3)
    assert key == straight.key
    shuffled = ImageIndex(index.root, index.frame.iloc[::-1].reset_index(drop=True))
    assert tuning_key(shuffled, CNN, CONFIG, seed=3) == key
    assert tuning_key(index, CNN, CONFIG, seed=4) != key
    assert tuning_key(index, VIT, CONFIG, seed=3) != key
    # Which images are tested on, and the teacher's other settings, change nothing.
    tested = index.where(index.frame["path"] != "9.png")
    assert index.frame.set_index("path")["split"]["9.png"] == "test"
    assert tuning_key(tested, CNN, CONFIG, seed=3) == key
    busy = CNN.model_copy(update={"batch_size": 3, "head": "mlp", "tune": CONFIG})
    assert tuning_key(index, busy, CONFIG, seed=3) == key
    fewer = index.where(index.frame["path"] != "0.png")
    assert tuning_key(fewer, CNN, CONFIG, seed=3) != key


def test_test_images_are_never_opened(
    index: ImageIndex, straight: TunedBackbone, tmp_path: Path
) -> None:
    """Test files are poisoned: whoever opens one gets an ImageError or finds no file."""
    home = tmp_path / "poisoned"
    home.mkdir()
    for place, (split, path) in enumerate(
        zip(index.frame["split"], index.frame["path"], strict=True)
    ):
        if split != "test":
            (home / path).symlink_to(index.root / path)
        elif place % 2:
            (home / path).write_bytes(b"poison")
    poisoned = ImageIndex(home, index.frame)
    with pytest.raises((ImageError, OSError)):  # the poison works
        tuned(poisoned.with_columns(split="train"), tmp_path / "opened")
    result = tuned(poisoned, tmp_path / "out")
    assert result.weights.read_bytes() == straight.weights.read_bytes()


def test_validation_images_teach_nothing(
    index: ImageIndex, straight: TunedBackbone, tmp_path: Path
) -> None:
    unvalidated = index.where(index.frame["split"] != "val")
    result = tuned(unvalidated, tmp_path)
    assert result.weights.read_bytes() == straight.weights.read_bytes()
    assert all(each.knn is None for each in result.history)


def test_unlabelled_images_teach_too(
    index: ImageIndex, straight: TunedBackbone, tmp_path: Path
) -> None:
    bare = index.with_columns(label=index.frame["label"].where(index.frame["split"] != "train"))
    result = tuned(bare, tmp_path)
    assert result.weights.read_bytes() == straight.weights.read_bytes()  # labels taught nothing


def test_given_statistics_stay_as_given(
    index: ImageIndex, straight: TunedBackbone, tmp_path: Path
) -> None:
    given = tuned_teacher(CNN, straight)
    result = tuned(index, tmp_path, given, epochs=1, momentum=0.0)
    before, after = load_file(straight.weights), load_file(result.weights)
    statistics = [name for name in before if "running_" in name]
    assert statistics
    assert all(torch.equal(before[name], after[name]) for name in statistics)
    assert not torch.equal(before["conv1.0.weight"], after["conv1.0.weight"])
    assert result.started_from == "backbone.safetensors"


def test_the_gain_is_judged_on_the_test_images(
    index: ImageIndex, straight: TunedBackbone, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    before = extract_features(index, CNN, store=store, seed=3, device="cpu")
    after = extract_features(index, tuned_teacher(CNN, straight), store=store, seed=3, device="cpu")
    gain = tuning_gain(index, before, after, seed=0)
    assert (gain.train_images, gain.test_images, gain.test_groups) == (24, 12, 12)
    for judged in (gain.knn, gain.probe):
        assert judged.accuracy.low <= judged.accuracy.gain <= judged.accuracy.high
    nothing = tuning_gain(index, before, before, seed=0)
    assert nothing.knn.accuracy.gain == nothing.probe.accuracy.gain == 0.0
    assert (nothing.knn.mended, nothing.knn.broken) == (0, 0)
