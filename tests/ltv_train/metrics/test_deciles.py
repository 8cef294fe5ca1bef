"""Ten groups of customers agree with plain loops, ties and odd inputs included."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltv_train.metrics.deciles import deciles, residual_quantiles
from tests.naive_metrics import naive_deciles

NOTHING = np.zeros(0)
SMALL = st.integers(0, 4).map(float)
PAIRS = st.lists(st.tuples(SMALL, SMALL), min_size=1, max_size=35)


def columns(pairs):
    truth, predicted = np.array(pairs).T
    return truth, predicted


@given(PAIRS)
def test_deciles_equal_a_loop_over_ten_groups(pairs):
    found, expected = deciles(*columns(pairs)), naive_deciles(pairs)
    users, said, happened = (list(column) for column in zip(*expected, strict=True))
    assert found.users.tolist() == users
    np.testing.assert_allclose(found.predicted, said, atol=1e-9)
    np.testing.assert_allclose(found.happened, happened, atol=1e-9)
    total = sum(truth for truth, _ in pairs)
    gap = sum(n * abs(p - h) for n, p, h in expected if n)
    assert found.error == pytest.approx(gap / total if total else math.nan, abs=1e-9, nan_ok=True)


def test_deciles_begin_with_the_best_and_weigh_their_gaps_by_users():
    predicted = np.repeat(np.arange(10.0, 0, -1), 2)
    found = deciles(2 * predicted, predicted)
    assert found.predicted.tolist() == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert found.happened.tolist() == [20, 18, 16, 14, 12, 10, 8, 6, 4, 2]
    assert found.users.tolist() == [2] * 10
    assert found.error == pytest.approx(0.5)


def test_one_tie_over_all_deciles_gives_each_the_mean_truth():
    found = deciles(np.arange(20.0), np.full(20, 9.5))
    assert found.happened.tolist() == [9.5] * 10
    assert found.error == 0.0


def test_no_users_make_ten_empty_deciles():
    found = deciles(NOTHING, NOTHING)
    assert found.users.tolist() == [0] * 10
    assert np.isnan([*found.predicted, *found.happened, found.error]).all()


def test_no_spend_has_no_calibration_error_and_yet_its_deciles():
    found = deciles(np.zeros(10), np.arange(10.0))
    assert math.isnan(found.error)
    assert found.predicted.tolist() == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert found.happened.tolist() == [0] * 10


@given(PAIRS, st.randoms(use_true_random=False))
def test_no_group_depends_on_the_order_of_the_rows(pairs, chance):
    mixed = chance.sample(pairs, len(pairs))
    here, there = deciles(*columns(pairs)), deciles(*columns(mixed))
    np.testing.assert_allclose(there.happened, here.happened, atol=1e-9)
    assert there.error == pytest.approx(here.error, abs=1e-9, nan_ok=True)
    shares = (0.1, 0.5, 0.9)
    spread = [residual_quantiles(*columns(each), shares) for each in (pairs, mixed)]
    np.testing.assert_allclose(*spread, atol=1e-9)


@given(PAIRS)
def test_money_in_another_unit_moves_no_error(pairs):
    truth, predicted = columns(pairs)
    expected = deciles(truth, predicted).error
    assert deciles(truth * 1e3, predicted * 1e3).error == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_the_error_of_one_user_is_that_users_gap():
    assert deciles(np.array([4.0]), np.array([1.0])).error == 0.75


def test_lift_is_the_mean_of_a_decile_over_the_mean_of_all():
    truth = np.repeat([9.0, *[1.0] * 9], 2)
    found = deciles(truth, -np.arange(20.0))
    assert found.lift.tolist() == pytest.approx([5.0, *[1 / 1.8] * 9])
    assert np.isnan(deciles(np.zeros(20), np.arange(20.0)).lift).all()


def test_of_probabilities_the_gap_is_the_expected_calibration_error():
    said, happened = np.repeat([0.9, 0.1], 10), np.repeat([1.0, 0.0], [8, 12])
    assert deciles(happened, said).gap == pytest.approx((10 * 0.1 + 10 * 0.1) / 20)
    assert math.isnan(deciles(NOTHING, NOTHING).gap)


def test_residuals_are_truth_less_promise_by_decile_of_the_promise():
    predicted = np.repeat(np.arange(10.0, 0, -1), 3)
    truth = predicted + np.tile([-1.0, 0.0, 5.0], 10)
    found = residual_quantiles(truth, predicted, (0.0, 0.5, 1.0))
    np.testing.assert_allclose(found, np.tile([-1.0, 0.0, 5.0], (10, 1)))


def test_a_tie_goes_whole_to_the_decile_of_its_middle_and_leaves_the_others_empty():
    found = residual_quantiles(np.arange(20.0), np.full(20, 9.5), (0.5,))[:, 0]
    assert np.isnan(found).sum() == 9
    assert found[5] == 0.0


def test_ten_customers_are_ten_deciles_the_best_first():
    predicted = np.arange(10.0)
    assert residual_quantiles(predicted**2, predicted, (0.5,))[:, 0].tolist() == [72, 56, 42, 30, 20, 12, 6, 2, 0, 0]
