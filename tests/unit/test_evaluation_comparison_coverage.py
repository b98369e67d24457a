"""Simulated studies: intervals hold the truth as often as they say, and groups are what makes them."""

from __future__ import annotations

import numpy as np
import pytest

from inspection.evaluation.comparison import compare
from tests.unit.comparison_material import World

pytestmark = pytest.mark.slow

DRAWS = 400


@pytest.mark.parametrize(
    ("ease", "spread", "views"), [(4.0, 0.15, 1), (6.5, 0.3, 1), (4.0, 0.15, 4)]
)
def test_intervals_cover_the_truth(ease: float, spread: float, views: int) -> None:
    """Accuracy and paired difference; at 99 % accuracy, and with four views of each thing."""
    world = World(3, ease=ease, spread=spread)
    skills = (0.0, 0.4)
    truth = [world.accuracy(skill) for skill in skills]
    groups = {f"{i:064x}": str(i // views) for i in range(450)}
    inside = np.zeros(2)
    for k in range(150):
        study = world.study(skills, images=450, views=views)
        found = compare(study, seed=k, draws=DRAWS, groups=groups)
        one, pair = found.recipes[0].accuracy, found.pairs[0].difference
        inside += [
            one.low <= truth[0] <= one.high,
            pair.low <= truth[0] - truth[1] <= pair.high,
        ]
    assert (inside / 150 >= 0.91).all(), inside / 150


def test_views_taken_for_images_would_not_cover() -> None:
    """The same studies without their groups: what the group bootstrap is there for."""
    world = World(3)
    truth = world.accuracy(0.0)
    inside = 0
    for k in range(100):
        study = world.study((0.0, 0.4), images=450, views=9, seeds=1)
        one = compare(study, seed=k, draws=DRAWS).recipes[0].accuracy
        inside += one.low <= truth <= one.high
    assert inside < 80
