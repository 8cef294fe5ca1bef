"""Measures of probabilities agree with counting pairs and summing by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltv_train.metrics.classification import auc, brier, log_loss

NOTHING = np.zeros(0)
PAIRS = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.integers(0, 5).map(lambda n: n / 5)), max_size=25)


def columns(pairs):
    truth, probability = np.array(pairs).reshape(-1, 2).T
    return truth, probability


def naive_auc(pairs):
    yes, no = ([p for truth, p in pairs if truth == label] for label in (1, 0))
    wins = sum((good > bad) + (good == bad) / 2 for good in yes for bad in no)
    return wins / (len(yes) * len(no)) if yes and no else math.nan


@given(PAIRS)
def test_auc_equals_counting_pairs(pairs):
    assert auc(*columns(pairs)) == pytest.approx(naive_auc(pairs), abs=1e-12, nan_ok=True)


def test_auc_of_three_positives_and_two_negatives_by_hand():
    truth = np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    probability = np.array([0.9, 0.5, 0.1, 0.5, 0.2])
    assert auc(truth, probability) == pytest.approx((2 + 1.5 + 0) / 6)


def test_any_amount_above_zero_is_a_positive():
    probability = np.array([0.1, 0.9, 0.5])
    assert auc(np.array([0.0, 250.0, 0.3]), probability) == auc(np.array([0.0, 1.0, 1.0]), probability) == 1.0


@pytest.mark.parametrize("truth", [[], [1.0], [0.0, 0.0], [1.0, 1.0, 1.0]])
def test_auc_of_one_class_is_nan(truth):
    assert math.isnan(auc(np.array(truth), np.linspace(0, 1, len(truth))))


def test_a_constant_probability_has_auc_a_half():
    assert auc(np.array([0.0, 1.0, 1.0]), np.full(3, 0.4)) == 0.5


@given(PAIRS.filter(bool))
def test_brier_equals_a_loop(pairs):
    assert brier(*columns(pairs)) == pytest.approx(sum((p - truth) ** 2 for truth, p in pairs) / len(pairs))


@given(PAIRS.filter(bool))
def test_log_loss_equals_a_loop_that_clips(pairs):
    found = [min(max(p if truth else 1 - p, 1e-12), 1 - 1e-12) for truth, p in pairs]
    assert log_loss(*columns(pairs)) == pytest.approx(-sum(map(math.log, found)) / len(found), rel=1e-4, abs=1e-9)


def test_brier_and_log_loss_by_hand():
    truth, probability = np.array([1.0, 0.0]), np.array([0.5, 0.25])
    assert brier(truth, probability) == (0.25 + 0.0625) / 2
    assert log_loss(truth, probability) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def test_being_certain_and_wrong_costs_much_and_not_everything():
    assert log_loss(np.array([1.0]), np.array([0.0])) == pytest.approx(12 * math.log(10))
    assert log_loss(np.array([0.0]), np.array([1.0])) == pytest.approx(12 * math.log(10), rel=1e-4)
    assert log_loss(np.array([1.0, 0.0]), np.array([1.0, 0.0])) == pytest.approx(0.0, abs=1e-11)


@pytest.mark.parametrize("measure", [auc, brier, log_loss])
def test_no_users_is_nan(measure):
    assert math.isnan(measure(NOTHING, NOTHING))
