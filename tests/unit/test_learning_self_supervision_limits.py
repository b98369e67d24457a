"""What self-supervision leaves alone, stops at and refuses: frozen blocks, collapse, networks that do not fit."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from inspection.data.index import ImageIndex
from inspection.errors import ConfigError, DataError, Refused, WeightsError
from inspection.features.backbone import load_backbone
from inspection.learning_config import TeacherConfig
from inspection.training.self_supervision import LAST_GOOD
from inspection.training.self_supervision_gain import tuned_teacher
from tests.unit.self_supervision_material import CNN, CONFIG, STEPS, VIT, drawn_index, tuned

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    return drawn_index(tmp_path_factory.mktemp("home"))


def test_frozen_blocks_stay_as_they_are(index: ImageIndex, tmp_path: Path) -> None:
    result = tuned(index, tmp_path, freeze_blocks=2, epochs=1, momentum=0.0)
    start = load_backbone(CNN, seed=3).module.network.state_dict()
    after = load_file(result.weights)
    frozen = ("conv1", "bn1", "layer1", "layer2")
    changed = {name for name in start if not torch.equal(start[name], after[name])}
    assert not [name for name in changed if name.startswith(frozen)]
    assert any(name.startswith("layer3") for name in changed)
    assert any(name.startswith("layer4") for name in changed)
    assert 0 < result.learned < result.parameters


def test_the_last_layer_waits_an_epoch(index: ImageIndex, tmp_path: Path) -> None:
    from inspection.training import self_supervision_loop as loop

    seen: list[torch.Tensor] = []
    learn = loop.Loop._learn

    def watched(self: loop.Loop, epoch: int, positions: torch.Tensor) -> object:
        pulse = learn(self, epoch, positions)
        seen.append(self.pair.student.head.last_layer.weight_v.detach().clone())
        return pulse

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Loop, "_learn", watched)
        tuned(index, tmp_path, epochs=2, freeze_last_layer_epochs=1)
    assert torch.equal(seen[0], seen[STEPS - 1])
    assert not torch.equal(seen[STEPS - 1], seen[-1])


@pytest.mark.slow
def test_the_best_epoch_may_be_the_start(index: ImageIndex, tmp_path: Path) -> None:
    """A learning rate that ruins everything, momentum 0, no watch: the start is what validation prefers."""
    result = tuned(
        index,
        tmp_path,
        keep="best",
        learning_rate=1.0,
        momentum=0.0,
        clip=1e9,
        collapse_patience=1000,
    )
    curve = [(each.knn, -each.epoch) for each in result.history if each.knn is not None]
    assert result.kept_epoch == -max(curve)[1]
    start = load_backbone(CNN, seed=3)
    kept = load_backbone(tuned_teacher(CNN, result), seed=3)
    assert (kept.info.weights_digest == start.info.weights_digest) == (result.kept_epoch == 0)


@pytest.mark.slow
@pytest.mark.parametrize("teacher", [CNN, VIT], ids=["cnn", "vit"])
def test_a_healthy_run_is_not_flagged(
    index: ImageIndex, teacher: TeacherConfig, tmp_path: Path
) -> None:
    result = tuned(index, tmp_path, teacher, epochs=12, collapse_patience=3, check_every_epochs=12)
    assert result.history[-1].pulse is not None
    assert result.history[-1].pulse.information > 3 * CONFIG.min_information


@pytest.mark.slow
def test_without_centring_it_collapses_and_is_stopped(index: ImageIndex, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="collapsed; set teacher") as stopped:
        tuned(
            index,
            tmp_path,
            VIT,
            epochs=60,
            centre_momentum=1.0,
            collapse_patience=5,
            check_every_epochs=60,
        )
    assert "\n" not in str(stopped.value)
    kept = load_backbone(VIT.model_copy(update={"weights": str(tmp_path / LAST_GOOD)}), seed=0)
    assert "tuned" in kept.info.licence
    assert not (tmp_path / "tuned.json").exists()


def test_a_huge_rate_collapses_and_the_last_good_weights_are_kept(
    index: ImageIndex, tmp_path: Path
) -> None:
    wild = {"learning_rate": 3.0, "clip": 1e9, "collapse_patience": 5, "epochs": 20}
    with pytest.raises(Refused, match=r"stopped at step \d+: .*lower teacher.tune.learning_rate"):
        tuned(index, tmp_path, CNN, **wild)
    state = load_file(tmp_path / LAST_GOOD)
    assert all(bool(torch.isfinite(tensor.float()).all()) for tensor in state.values())
    # Asked again, it says so at once; with another rate it starts anew and clears up.
    stopped = (tmp_path / LAST_GOOD).stat().st_mtime_ns
    with pytest.raises(Refused, match="stopped at step"):
        tuned(index, tmp_path, CNN, **wild)
    assert (tmp_path / LAST_GOOD).stat().st_mtime_ns == stopped
    assert tuned(index, tmp_path).resumed_from is None
    assert not (tmp_path / LAST_GOOD).exists()


def test_a_loss_that_is_no_number_stops(index: ImageIndex, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="the loss is not a number; lower"):
        tuned(index, tmp_path, VIT, learning_rate=1e30, clip=1e30)


def test_ibot_hides_patches_from_the_student(index: ImageIndex, tmp_path: Path) -> None:
    result = tuned(index, tmp_path, VIT, method="ibot", epochs=1)
    pulse = result.history[-1].pulse
    assert pulse is not None
    assert pulse.loss_patches > 0
    assert result.method == "ibot"
    after = load_backbone(tuned_teacher(VIT, result), seed=0)
    assert after.info.weights_digest != load_backbone(VIT, seed=3).info.weights_digest


@pytest.mark.parametrize(
    ("teacher", "changes", "error", "sentence"),
    [
        (CNN, {"method": "ibot"}, ConfigError, "has no patch tokens: set teacher.tune.method=dino"),
        (CNN, {"freeze_blocks": 4}, ConfigError, "has 4 blocks, freeze at most 3"),
        (VIT, {"local_size": 20}, WeightsError, "set teacher.tune.local_size"),
        (VIT, {"global_size": 50}, WeightsError, "set teacher.tune.global_size"),
    ],
)
def test_what_cannot_be_is_said_at_once(
    index: ImageIndex,
    tmp_path: Path,
    teacher: TeacherConfig,
    changes: dict[str, object],
    error: type[Exception],
    sentence: str,
) -> None:
    with pytest.raises(error, match=sentence):
        tuned(index, tmp_path, teacher, **changes)


def test_without_training_images_it_says_so(index: ImageIndex, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train split holds no images"):
        tuned(index.where(index.frame["split"] == "test"), tmp_path)


def test_nothing_is_said_but_by_our_own_bar(
    index: ImageIndex, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tuned(index, tmp_path, epochs=1)
    out, err = capfd.readouterr()
    assert out == ""
    assert all(line.startswith("self-supervision:") for line in err.splitlines())
