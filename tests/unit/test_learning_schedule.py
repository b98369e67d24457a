"""The learning rate: a cosine, or drops when validation no longer improves, the same after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from inspection.learning_config import StudentConfig
from inspection.training.checkpoint import CHECKPOINT
from inspection.training.rates import DROP, MARGIN, PATIENCE, WARM_UP, climb, cosine, plateau
from tests.unit.learning_material import CONFIG, killed_at, taught, trained

STEPS = 3  # per epoch: 24 training images
MORE = {"mix": "mixup", "jitter": 0.2, "rotate": 10.0, "layer_decay": 0.7}
SOME = {"strategy": "partial", "last_stages": 2}
FALLING = StudentConfig.model_validate(
    {
        **CONFIG.model_dump(),
        **MORE,
        **SOME,
        "schedule": "plateau",
        "epochs": 12,
        "learning_rate": 0.1,
    }
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught(tmp_path_factory.mktemp("home"), 48)


@given(st.lists(st.floats(0.01, 10.0), max_size=40))
def test_a_plateau_is_torchs(losses: list[float]) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, patience=PATIENCE, factor=DROP, threshold=MARGIN, eps=0.0
    )
    for loss in losses:
        scheduler.step(loss)
    assert plateau(losses) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)


def test_a_plateau_drops_after_more_than_its_patience() -> None:
    assert plateau([]) == plateau([1.0, 0.9, 0.95, 0.95]) == 1.0
    assert plateau([1.0, 0.9, 0.95, 0.95, 0.9]) == DROP
    assert plateau([1.0, 0.9, 0.95, 0.95, 0.9, 0.9, 0.9]) == DROP
    assert plateau([1.0, *[2.0] * 6]) == pytest.approx(DROP**2)


def test_both_climb_alike_and_a_cosine_ends_low() -> None:
    assert climb(0.05) == cosine(0.05) == pytest.approx(0.5)
    assert climb(WARM_UP) == cosine(WARM_UP) == climb(0.9) == 1.0
    assert cosine(1.0) == pytest.approx(0.01)


@pytest.mark.slow
@pytest.mark.training
def test_the_rate_stands_until_validation_stops_improving_then_drops(
    home: Path, tmp_path: Path
) -> None:
    """Nothing learns at this rate: no epoch is better than the first."""
    still = {"learning_rate": 1e-9, "epochs": 9, "strategy": "freeze"}
    result = trained(home, tmp_path, FALLING.model_copy(update=still))
    rates = [epoch.learning_rate / 1e-9 for epoch in result.history]
    assert rates[1:4] == pytest.approx([1.0] * 3)
    assert rates[4:7] == pytest.approx([DROP] * 3)
    assert rates[7:] == pytest.approx([DROP**2] * 2)


@pytest.mark.training
@pytest.mark.slow
def test_killed_at_an_epochs_end_a_plateau_goes_on_as_if_nothing_had_been(
    home: Path, tmp_path: Path
) -> None:
    straight, again = tmp_path / "straight", tmp_path / "again"
    straight.mkdir()
    again.mkdir()
    expected = trained(home, straight, FALLING)
    rates = [epoch.learning_rate for epoch in expected.history]
    dropped = next(k for k in range(2, len(rates)) if rates[k] < 0.5 * max(rates))
    killed_at(home, again, (dropped + 1) * STEPS + 1, FALLING)  # a drop is behind it
    assert (again / CHECKPOINT).is_file()
    result = trained(home, again, FALLING)
    assert result.trained_parameters == expected.trained_parameters
    assert result.resumed_from == (dropped + 1) * STEPS
    assert [epoch.learning_rate for epoch in result.history] == rates
    for ours, theirs in zip(result.history, expected.history, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, abs=1e-6)
        assert ours.validation.loss == pytest.approx(theirs.validation.loss, abs=1e-6)
    states = [load_file(folder / "student.safetensors") for folder in (straight, again)]
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, atol=1e-6, rtol=0)
