"""Measures of predicted spend agree with plain loops over users, ties and odd inputs included."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltv_train.metrics.value import (
    bias,
    gain_curve,
    gini,
    mae,
    mse,
    normalised_gini,
    rmse,
    spearman,
    top_decile_capture,
    top_decile_lift,
)
from tests.naive_metrics import naive_capture, naive_gini, naive_normalised_gini, naive_spearman

NOTHING = np.zeros(0)
SMALL = st.integers(0, 4).map(float)
PAIRS = st.lists(st.tuples(SMALL, SMALL), min_size=1, max_size=35)


def columns(pairs):
    truth, predicted = np.array(pairs).T
    return truth, predicted


@given(PAIRS)
def test_errors_equal_a_loop(pairs):
    gaps = [predicted - truth for truth, predicted in pairs]
    assert mae(*columns(pairs)) == pytest.approx(sum(map(abs, gaps)) / len(gaps))
    assert mse(*columns(pairs)) == pytest.approx(sum(gap**2 for gap in gaps) / len(gaps))
    assert rmse(*columns(pairs)) == pytest.approx(math.sqrt(sum(gap**2 for gap in gaps) / len(gaps)))
    assert bias(*columns(pairs)) == pytest.approx(sum(gaps) / len(gaps), abs=1e-12)


def test_too_high_a_prediction_has_a_bias_above_zero():
    truth, predicted = np.array([0.0, 10.0, 2.0]), np.array([3.0, 10.0, 5.0])
    assert bias(truth, predicted) == 2.0
    assert bias(predicted, truth) == -2.0


@given(PAIRS)
def test_ginis_equal_a_loop_over_pairs_of_users(pairs):
    assert gini(*columns(pairs)) == pytest.approx(naive_gini(pairs), abs=1e-9, nan_ok=True)
    expected = naive_normalised_gini(pairs)
    assert normalised_gini(*columns(pairs)) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_one_buyer_among_four_ranked_second_keeps_a_third_of_the_gini():
    truth, predicted = np.array([8.0, 0.0, 0.0, 0.0]), np.array([3.0, 9.0, 2.0, 1.0])
    assert gini(truth, truth) == pytest.approx(3 / 4)
    assert gini(truth, predicted) == pytest.approx(1 / 4)
    assert normalised_gini(truth, predicted) == pytest.approx(1 / 3)


@given(st.lists(SMALL, min_size=2, max_size=20).filter(lambda truth: len(set(truth)) > 1))
def test_a_perfect_rank_has_normalised_gini_one_its_reverse_minus_one_and_a_constant_zero(truth):
    spent = np.array(truth)
    assert normalised_gini(spent, 10 * spent + 7) == pytest.approx(1.0)
    assert normalised_gini(spent, -spent) == pytest.approx(-1.0)
    assert normalised_gini(spent, np.full(len(spent), 3.0)) == pytest.approx(0.0, abs=1e-12)


@given(PAIRS)
def test_spearman_equals_a_loop_over_average_ranks(pairs):
    assert spearman(*columns(pairs)) == pytest.approx(naive_spearman(pairs), abs=1e-9, nan_ok=True)


def test_spearman_of_a_tie_by_hand():
    found = spearman(np.array([1.0, 2.0, 3.0]), np.array([5.0, 5.0, 900.0]))
    assert found == pytest.approx(1.5 / math.sqrt(2 * 1.5))


@given(PAIRS)
def test_the_gain_curve_has_a_point_for_every_distinct_prediction(pairs):
    users, spend = gain_curve(*columns(pairs))
    levels, total = sorted({p for _, p in pairs}, reverse=True), sum(truth for truth, _ in pairs)
    ahead = [[truth for truth, p in pairs if p >= level] for level in levels]
    assert users == pytest.approx([0.0, *(len(part) / len(pairs) for part in ahead)])
    if total:
        assert spend == pytest.approx([0.0, *(sum(part) / total for part in ahead)])
    else:
        assert np.isnan(spend[1:]).all()


@given(PAIRS)
def test_top_decile_capture_equals_filling_a_tenth_user_by_user(pairs):
    assert top_decile_capture(*columns(pairs)) == pytest.approx(naive_capture(pairs), abs=1e-9, nan_ok=True)


def test_the_top_decile_of_twenty_users_is_the_first_two():
    truth = np.array([50.0, 30.0, *[1.0] * 18])
    assert top_decile_capture(truth, np.arange(20.0, 0, -1)) == pytest.approx(80 / 98)
    assert top_decile_lift(truth, np.arange(20.0, 0, -1)) == pytest.approx((80 / 2) / (98 / 20))


def test_a_tie_across_the_border_of_the_decile_shares_its_spend():
    truth = np.array([100.0, *[0.0] * 9])
    predicted = np.array([7.0, 7.0, *[1.0] * 8])
    assert top_decile_capture(truth, predicted) == pytest.approx(0.5)
    assert top_decile_capture(truth, np.ones(10)) == pytest.approx(0.1)


@given(PAIRS, st.randoms(use_true_random=False))
def test_no_measure_depends_on_the_order_of_the_rows(pairs, chance):
    mixed = chance.sample(pairs, len(pairs))
    for measure in (mae, mse, rmse, bias, spearman, gini, normalised_gini, top_decile_capture):
        assert measure(*columns(mixed)) == pytest.approx(measure(*columns(pairs)), abs=1e-9, nan_ok=True)


@given(PAIRS)
def test_money_in_another_unit_moves_no_rank_and_no_share(pairs):
    truth, predicted = columns(pairs)
    for measure in (spearman, normalised_gini, top_decile_capture):
        expected = measure(truth, predicted)
        assert measure(truth * 1e3, predicted * 1e3) == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    "measure", [mae, mse, rmse, bias, spearman, gini, normalised_gini, top_decile_capture, top_decile_lift]
)
def test_no_users_is_nan(measure):
    assert math.isnan(measure(NOTHING, NOTHING))


@pytest.mark.parametrize("measure", [gini, normalised_gini, top_decile_capture])
def test_no_spend_has_no_rank_quality_at_all(measure):
    assert math.isnan(measure(np.zeros(5), np.arange(5.0)))


def test_one_user_has_errors_and_no_rank():
    truth, predicted = np.array([4.0]), np.array([1.0])
    assert (mae(truth, predicted), rmse(truth, predicted), bias(truth, predicted)) == (3.0, 3.0, -3.0)
    assert math.isnan(spearman(truth, predicted))
    assert math.isnan(normalised_gini(truth, predicted))
    assert top_decile_capture(truth, predicted) == pytest.approx(0.1)


@pytest.mark.parametrize(("truth", "predicted"), [([1.0, 2.0], [3.0, 3.0]), ([3.0, 3.0], [1.0, 2.0])])
def test_spearman_of_a_constant_side_is_nan(truth, predicted):
    assert math.isnan(spearman(np.array(truth), np.array(predicted)))
