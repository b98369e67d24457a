"""The numbers the report works out itself: macro-F1's interval covers, components are the components."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.evaluation.metrics import Evaluation, evaluate
from inspection.evaluation.score_intervals import macro_f1_interval
from inspection.reporting.figures import principal_components, retention


def model(confusion: npt.NDArray[np.int64]) -> Evaluation:
    """An evaluation with exactly this confusion matrix."""
    classes = [f"c{i}" for i in range(len(confusion))]
    cells = [(i, j) for i, j in np.ndindex(confusion.shape) for _ in range(confusion[i, j])]
    probabilities = np.eye(len(confusion))[[j for _, j in cells]]
    return evaluate(
        "model",
        [classes[i] for i, _ in cells],
        probabilities,
        classes,
        image_ids=[str(k) for k in range(len(cells))],
        test_digest="t",
    )


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=3, max_size=3))
def test_the_interval_holds_the_value_and_stays_in_range(rows: list[list[int]]) -> None:
    confusion = np.array(rows)
    confusion[0, 0] += 1  # at least one image
    found = model(confusion)
    low, high = macro_f1_interval(found)
    assert 0.0 <= low <= found.macro_f1 <= high <= 1.0


def test_a_faultless_small_test_set_does_not_claim_certainty() -> None:
    low, high = macro_f1_interval(model(np.diag([8, 8, 8])))
    assert high == 1.0
    assert 0.7 < low < 0.9


def test_more_images_narrow_the_interval() -> None:
    confusion = np.array([[18, 2], [3, 17]])
    few, many = (macro_f1_interval(model(confusion * k)) for k in (1, 10))
    assert many[1] - many[0] < 0.5 * (few[1] - few[0])


@pytest.mark.parametrize(
    ("classes", "images", "right"), [(2, 8, 0.92), (3, 12, 0.75), (6, 8, 0.98), (6, 25, 0.92)]
)
def test_the_interval_covers_about_as_often_as_it_says(
    classes: int, images: int, right: float
) -> None:
    chances = np.full((classes, classes), (1 - right) / (classes - 1))
    np.fill_diagonal(chances, right)
    truth = right  # equal classes, mistakes spread evenly: recall, precision and F1 agree
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        drawn = np.stack([generator.multinomial(images, row) for row in chances])
        low, high = macro_f1_interval(model(drawn))
        held += low <= truth <= high
    # Nominal 0.95. A bootstrap over images holds 0.70 of the time in the first and the third case.
    assert held / 300 >= 0.89


def test_classes_without_test_images_do_not_count() -> None:
    confusion = np.zeros((3, 3), np.int64)
    confusion[:2, :2] = [[9, 1], [0, 10]]
    assert macro_f1_interval(model(confusion)) == macro_f1_interval(model(confusion[:2, :2]))


def test_retention_is_a_share_of_macro_f1() -> None:
    teacher, student = model(np.array([[9, 1], [1, 9]])), model(np.array([[8, 2], [2, 8]]))
    assert retention(student, teacher) == pytest.approx(8 / 9)
    nothing = model(np.array([[0, 5], [5, 0]]))
    assert retention(student, nothing) == 0.0


@pytest.mark.parametrize("shape", [(40, 7), (7, 40), (2, 3), (3, 1)])
def test_components_are_those_of_the_singular_value_decomposition(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(3).normal(size=shape) * np.linspace(3, 1, shape[1])
    found = principal_components(matrix)
    centred = matrix - matrix.mean(axis=0)
    left, strength, _ = np.linalg.svd(centred, full_matrices=False)
    expected = np.zeros((shape[0], 2))
    kept = min(2, len(strength))
    expected[:, :kept] = (left * strength)[:, :kept]
    np.testing.assert_allclose(np.abs(found.points), np.abs(expected), atol=1e-6)
    shares = strength**2 / (strength**2).sum()
    assert found.explained == pytest.approx((*shares, 0.0)[:2], abs=1e-9)


def test_equal_features_give_a_point_not_a_fault() -> None:
    found = principal_components(np.ones((5, 4)))
    assert np.isfinite(found.points).all()
    assert found.explained == (0.0, 0.0)


def test_the_sign_of_a_component_is_fixed() -> None:
    matrix = np.random.default_rng(4).normal(size=(30, 5))
    # Reordering the images reorders the points and nothing else.
    again = principal_components(matrix[::-1])
    np.testing.assert_allclose(principal_components(matrix).points[::-1], again.points, atol=1e-8)
