"""What features are worth, judged by nearest neighbours and a linear probe, and shown on one basis."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from inspection.errors import DataError
from inspection.evaluation.representation import (
    PENALTIES,
    SelfSupervisionGain,
    Split,
    judged,
    knn_predictions,
    probe_predictions,
    representation_gain,
)
from inspection.evaluation.representation_maps import pca_maps

pytestmark = pytest.mark.thorough

CLASSES = 3


def made(count: int, signal: float, seed: int, width: int = 20) -> Split:
    """Noise around a class's own direction; two images to a group."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    rows = generator.normal(size=(count, width))
    rows[np.arange(count), labels] += signal
    # Columns on wildly different scales, as pooled maxima and means are; the noise ones are loudest.
    rows *= np.geomspace(0.01, 100.0, width)
    groups = tuple(f"part {place // (2 * CLASSES)}-{place % CLASSES}" for place in range(count))
    return Split(rows.astype(np.float32), labels.astype(np.int64), groups)


def splits(signal: float, seed: int = 0) -> tuple[Split, Split, Split]:
    return made(120, signal, seed), made(60, signal, seed + 1), made(150, signal, seed + 2)


def test_neighbours_are_scikit_learns() -> None:
    train, _, test = splits(3.0)
    model = make_pipeline(
        StandardScaler(),
        Normalizer(),
        # On the unit sphere: 2 - d^2 / 2 is 1 + cosine, our vote.
        KNeighborsClassifier(5, weights=lambda distance: 2.0 - distance**2 / 2.0),
    )
    expected = model.fit(train.features, train.labels).predict(test.features)
    assert np.array_equal(knn_predictions(train.features, train.labels, test.features), expected)


def test_neighbours_stand_few_images_and_constant_columns() -> None:
    train = np.array([[0.0, 1.0, 7.0], [0.0, -1.0, 7.0]])
    said = knn_predictions(train, np.array([4, 2]), np.array([[0.0, 3.0, 7.0], [5.0, -2.0, 7.0]]))
    assert said.tolist() == [4, 2]
    with pytest.raises(DataError, match="there are none"):
        knn_predictions(train[:0], np.array([], dtype=np.int64), train)


@pytest.mark.parametrize("width", [20, 200])
def test_the_probe_is_the_plain_fit_at_its_penalty(width: int) -> None:
    """Also where there are more columns than images, and the probe works on a rotation."""
    train, val, test = (made(n, 2.5, seed, width) for seed, n in enumerate((90, 60, 60)))
    probe = probe_predictions(train, val, test)
    assert probe.penalty in PENALTIES
    scale = StandardScaler().fit(train.features)
    rows, asked = scale.transform(train.features), scale.transform(test.features)
    size = np.sqrt((rows**2).sum(axis=1).mean())
    plain = LogisticRegression(C=probe.penalty * len(rows), max_iter=10_000, tol=1e-8)
    expected = plain.fit(rows / size, train.labels).predict(asked / size)
    assert (probe.said == expected).mean() >= 0.98
    assert (probe.said == test.labels).mean() > 0.6


def test_the_probe_chooses_its_penalty_on_validation_rows_only() -> None:
    train, val, test = splits(1.0)
    garbled = Split(test.features, np.roll(test.labels, 1), test.groups)
    assert probe_predictions(train, val, test).penalty == (
        probe_predictions(train, val, garbled).penalty
    )
    nobody = Split(val.features[:0], val.labels[:0], ())
    assert probe_predictions(train, nobody, test).penalty == 1.0


def test_one_class_cannot_be_probed() -> None:
    train, val, test = splits(1.0)
    single = Split(train.features, np.zeros_like(train.labels), train.groups)
    with pytest.raises(DataError, match="two classes"):
        probe_predictions(single, val, test)


def test_better_features_gain_and_equal_ones_do_not() -> None:
    weak, strong = splits(0.5), splits(4.0)
    gain = representation_gain(weak, strong, seed=1)
    for each in (gain.knn, gain.probe):
        assert each.accuracy.low > 0.1
        assert each.accuracy.gain == pytest.approx(each.accuracy.after - each.accuracy.before)
        assert each.mended - each.broken == pytest.approx(150 * each.accuracy.gain)
        assert each.balanced_accuracy.gain > 0.1
    assert (gain.train_images, gain.test_images, gain.test_groups) == (120, 150, 75)
    assert SelfSupervisionGain.from_json(gain.to_json()) == gain
    assert representation_gain(weak, strong, seed=1) == gain
    same = representation_gain(weak, weak, seed=1).probe.accuracy
    assert (same.gain, same.low, same.high) == (0.0, 0.0, 0.0)
    lost = representation_gain(strong, weak, seed=1).knn.accuracy
    assert lost.high < 0


def test_the_interval_is_the_normal_one_for_single_images() -> None:
    generator = np.random.default_rng(0)
    labels = np.zeros(400, dtype=np.int64)
    before = (generator.random(400) < 0.4).astype(np.int64)
    after = (generator.random(400) < 0.2).astype(np.int64)
    found = judged(labels, before, after, groups=[str(n) for n in range(400)], seed=0).accuracy
    differences = (after == 0).astype(float) - (before == 0)
    half = norm.ppf(0.975) * differences.std() / np.sqrt(400)
    assert found.low == pytest.approx(differences.mean() - half, abs=0.01)
    assert found.high == pytest.approx(differences.mean() + half, abs=0.01)


def test_images_of_one_part_count_once() -> None:
    """The same answers, each ten times over: the interval must not shrink."""
    generator = np.random.default_rng(3)
    before, after = generator.integers(0, 2, (2, 60))
    labels = np.zeros(60, dtype=np.int64)
    once = judged(labels, before, after, groups=[str(n) for n in range(60)], seed=0).accuracy
    ten = [np.repeat(each, 10) for each in (labels, before, after)]
    names = [str(n) for n in range(60) for _ in range(10)]
    copied = judged(*ten, groups=names, seed=0).accuracy
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))
    alone = judged(*ten, groups=[str(n) for n in range(600)], seed=0).accuracy
    assert alone.high - alone.low < 0.5 * (once.high - once.low)


def test_balanced_accuracy_counts_a_rare_class_as_much() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    before, after = np.zeros(100, dtype=np.int64), labels.copy()
    found = judged(labels, before, after, groups=[str(n) for n in range(100)], seed=0)
    assert found.accuracy.gain == pytest.approx(0.1)
    assert found.balanced_accuracy.gain == pytest.approx(0.5)
    assert (found.mended, found.broken) == (10, 0)


def test_other_images_are_refused() -> None:
    before, after = splits(1.0), splits(1.0)
    regrouped = Split(after[2].features, after[2].labels, after[2].groups[::-1])
    with pytest.raises(ValueError, match="same images"):
        representation_gain(before, (after[0], after[1], regrouped), seed=0)
    with pytest.raises(ValueError, match="as many rows"):
        Split(before[0].features, before[0].labels[:5], before[0].groups)
    with pytest.raises(DataError, match="test split holds no images"):
        judged(np.array([]), np.array([]), np.array([]), groups=[], seed=0)


def test_both_are_shown_on_one_basis() -> None:
    before, after = made(80, 1.0, 0).features, made(80, 4.0, 0).features
    maps = pca_maps(before, after)
    levelled = []
    for rows in (before.astype(float), after.astype(float)):
        centred = rows - rows.mean(0)
        levelled.append(centred / np.sqrt((centred**2).sum(1).mean()))
    independent = PCA(2).fit(np.concatenate(levelled))
    for ours, rows in zip((maps.before, maps.after), levelled, strict=True):
        theirs = rows @ independent.components_.T
        np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-4)
    assert sum(maps.explained_before) <= 1.0 + 1e-6
    assert maps.before.shape == maps.after.shape == (80, 2)
    same = pca_maps(before, before)
    np.testing.assert_allclose(same.before, same.after)
    scaled = pca_maps(before, 5 * before + 3)  # scale and offset of a network are not what is shown
    np.testing.assert_allclose(scaled.before, scaled.after, atol=1e-5)
    with pytest.raises(ValueError, match="equal shapes"):
        pca_maps(before, after[:, :5])


@pytest.mark.process
def test_no_torch_and_no_umap_on_import() -> None:
    code = (
        "import sys, inspection.evaluation.representation, inspection.evaluation.representation_maps;"
        "sys.exit(bool({'torch', 'umap', 'numba'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
