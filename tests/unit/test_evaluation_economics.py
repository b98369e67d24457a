"""Escapes and overkill counted by hand, bounds against their definition, thresholds that keep what they promise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from deploy.edge.spec import Decision
from inspection.config import EconomicsConfig
from inspection.evaluation.economics import Rule, cost_curve, economics, outcome_shares
from inspection.evaluation.metrics import Evaluation, evaluate
from inspection.evaluation.thresholds import choose_thresholds, defects_needed, escape_bound

CLASSES = ("crack", "ok")


def answered(bad: list[float], good: list[float]) -> Evaluation:
    """Defective and good parts by their P(defect)."""
    suspicion = np.array([*bad, *good])
    labels = ["crack"] * len(bad) + ["ok"] * len(good)
    ids = [str(i) for i in range(len(labels))]
    table = np.stack([suspicion, 1 - suspicion], axis=1)
    return evaluate("it", labels, table, CLASSES, image_ids=ids, test_digest="d" * 64)


FOUND = answered([0.2, 0.6, 0.9, 0.9], [0.1, 0.1, 0.1, 0.3, 0.55])


def test_counts_are_those_of_the_devices_decision():
    found = economics(FOUND, Rule("ok", 0.5), EconomicsConfig())
    assert (found.escape.hits, found.escape.total) == (1, 4)
    assert (found.overkill.hits, found.overkill.total) == (1, 5)
    assert found.review.hits == 0
    assert found.escape_ppm[0] == 250_000
    assert "1 of 4 defects" in found.sentence
    assert "ppm of defective parts" in found.sentence


def test_a_band_sends_doubt_to_a_person():
    found = economics(FOUND, Rule("ok", 0.7, accept_below=0.15), EconomicsConfig())
    assert (found.escape.hits, found.overkill.hits, found.review.hits) == (0, 0, 4)
    assert "review 44.4 %" in found.sentence


def test_a_known_defect_rate_makes_it_per_million_parts_and_a_cost():
    config = EconomicsConfig(defect_rate=0.01, escape_cost=100, overkill_cost=1, review_cost=0)
    found = economics(FOUND, Rule("ok", 0.5), config)
    assert found.escape_ppm[0] == pytest.approx(2500)
    assert "2,500 ppm of parts" in found.sentence
    assert found.cost == pytest.approx(0.01 * 0.25 * 100 + 0.99 * 0.2 * 1)


def test_a_set_without_a_good_class_has_none_of_it():
    assert economics(FOUND, Rule(None), EconomicsConfig()) is None
    assert economics(FOUND, Rule("fine"), EconomicsConfig()) is None


# escapes and defects (the latter with P(defect) 0 and 1), target, holds, shown, what the sentence ends with
TARGETS = [
    (0, 300, 0.01, True, True, "1 % escape is shown"),
    (0, 298, 0.01, True, False, "cannot be shown with 298 defects, it needs 299"),
    (2, 100, 0.01, False, False, "more than the 1 % escape allowed"),
    (0, 0, 0.01, True, False, "cannot be shown with 0 defects, it needs 299"),
]


@pytest.mark.parametrize(("escapes", "defects", "target", "holds", "shown", "end"), TARGETS)
def test_a_target_is_shown_missed_or_needs_more_defects(
    escapes, defects, target, holds, shown, end
):
    evaluation = answered([0.0] * escapes + [1.0] * (defects - escapes), [0.0] * 5)
    found = economics(evaluation, Rule("ok", 0.5), EconomicsConfig(max_escape=target))
    assert (found.holds, found.shown) == (holds, shown)
    assert found.sentence.endswith(end)


@given(st.integers(0, 40), st.integers(1, 400), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_bound_is_where_so_few_escapes_become_too_lucky(escapes, defects, confidence):
    if escapes >= defects:
        assert escape_bound(escapes, defects, confidence) == 1.0
        return
    bound = escape_bound(escapes, defects, confidence)
    assert binom.cdf(escapes, defects, bound) == pytest.approx(1 - confidence, abs=1e-6)


@pytest.mark.parametrize(
    ("escapes", "defects", "target"), [(0, 10, 0.05), (1, 200, 0.02), (0, 0, 0.1)]
)
def test_so_many_defects_would_show_it_and_fewer_would_not(escapes, defects, target):
    needed = defects_needed(escapes, defects, target, 0.95)
    rate = escapes / defects if defects else 0.0
    assert escape_bound(int(np.ceil(rate * needed)), needed, 0.95) <= target
    assert escape_bound(int(np.ceil(rate * (needed - 1))), needed - 1, 0.95) > target


@given(st.lists(st.floats(0, 1), min_size=3, max_size=60), st.integers(1, 59))
def test_along_the_curve_escapes_rise_and_overkill_falls(values, cut):
    suspicion = np.array(values)
    defective = np.arange(len(values)) < cut
    points = cost_curve(suspicion, defective, EconomicsConfig())
    assert [p.reject_at for p in points] == sorted({p.reject_at for p in points})
    assert all(a.escape <= b.escape for a, b in itertools.pairwise(points))
    assert all(a.overkill >= b.overkill for a, b in itertools.pairwise(points))
    assert points[0].escape == 0


def chosen(bad, good, config, things=None):
    names = things or [str(i) for i in range(len(bad) + len(good))]
    defective = [True] * len(bad) + [False] * len(good)
    return choose_thresholds(np.array([*bad, *good]), names, defective, config, Decision("ok"))


def test_a_promised_escape_rate_sets_the_threshold_by_rank():
    bad = np.linspace(0.2, 1.0, 300)
    found = chosen(bad, [0.1] * 10, EconomicsConfig(max_escape=0.02))
    assert found.shown
    # Tables of sampling plans: 236 without more than one, 313 without more than two show 2 % with 95 %.
    assert found.decision.reject_at == pytest.approx(bad[1], abs=2e-6)
    assert (bad < found.decision.reject_at).sum() == 1
    assert "at most 2 % of defective parts escape, with 95 % confidence" in found.sentences[0]


def test_too_few_defects_promise_nothing_and_say_how_many_it_needs():
    found = chosen([0.4, 0.8], [0.1], EconomicsConfig(max_escape=0.01))
    assert not found.shown
    assert "cannot be shown with 2 defective validation images, it needs 299" in found.sentences[0]
    assert found.decision.reject_at < 0.4


def test_views_of_one_part_are_one_witness():
    bad, config = [0.9] * 300, EconomicsConfig(max_escape=0.01)
    assert chosen(bad, [0.1], config).shown
    assert not chosen(bad, [0.1], config, ["one part"] * 300 + ["good"]).shown


def test_the_worst_view_of_a_part_is_its_witness():
    config = EconomicsConfig(max_escape=0.5)
    found = chosen([0.9, 0.2] * 5, [0.0], config, [f"p{i // 2}" for i in range(10)] + ["good"])
    assert found.decision.reject_at < 0.2


def test_a_band_leaves_few_wrong_on_either_side():
    bad, good = np.linspace(0.3, 1.0, 99), np.linspace(0.0, 0.6, 99)
    found = chosen(bad, good, EconomicsConfig(review_error=0.05))
    decision = found.decision
    assert found.shown
    assert (bad < decision.accept_below).sum() == 4
    assert (good >= decision.reject_at).sum() == 4
    assert decision.accept_below < decision.reject_at


def test_a_gap_between_good_and_bad_goes_to_a_person():
    found = chosen([0.9] * 40, [0.1] * 40, EconomicsConfig(review_error=0.1))
    assert found.decision.accept_below == pytest.approx(0.1, abs=1e-5)
    assert found.decision.reject_at == pytest.approx(0.9, abs=1e-5)


def test_a_band_that_cannot_be_promised_shows_everything_to_a_person():
    found = chosen([0.9] * 5, [0.1] * 5, EconomicsConfig(review_error=0.05))
    assert not found.shown
    assert (found.decision.accept_below, found.decision.reject_at) == (0.0, 1.0)
    assert (
        "5 % cannot be promised with 5 defective validation images, it needs 19" in found.sentences
    )


def test_both_promises_keep_the_stricter_side():
    bad, good = np.linspace(0.3, 1.0, 300), np.linspace(0.0, 0.6, 300)
    band = chosen(bad, good, EconomicsConfig(review_error=0.1)).decision
    both = chosen(bad, good, EconomicsConfig(review_error=0.1, max_escape=0.02)).decision
    assert both.accept_below < band.accept_below
    assert both.reject_at == band.reject_at


@pytest.mark.parametrize("config", [
    EconomicsConfig(max_escape=0.05), EconomicsConfig(review_error=0.05),
])  # fmt: skip
def test_promises_hold_on_parts_not_seen(config):
    """1,000 validation sets from one known distribution; the share of it below the threshold is exact."""
    generator = np.random.default_rng(4)
    shares = []
    for _ in range(1000):
        bad, good = generator.beta(4, 1, 120), generator.beta(1, 4, 120)
        decision = chosen(bad, good, config).decision
        lowest = decision.reject_at if decision.accept_below is None else decision.accept_below
        shares.append(lowest**4)  # P(Beta(4, 1) < x)
    if config.max_escape is not None:
        assert 0.005 < np.mean(np.array(shares) > config.max_escape) <= 0.065
    else:
        assert 0.03 < np.mean(shares) <= 0.05


def test_unlabelled_images_have_shares_of_outcomes():
    shares = outcome_shares(np.array(FOUND.probabilities), CLASSES, Rule("ok", 0.7, 0.0, 0.15))
    assert {name: share.hits for name, share in shares.items()} == {
        "accept": 3,
        "reject": 2,
        "review": 4,
    }
