"""Measures of probabilities agree with counting pairs and summing by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from ltv_train.metrics.classification import auc, best_threshold, brier, decisions, log_loss

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


@given(PAIRS, st.integers(0, 5).map(lambda n: n / 5))
def test_decisions_equal_counting_one_by_one(pairs, threshold):
    truth, probability = columns(pairs)
    found = decisions(truth, probability >= threshold)
    count = {(yes, said): 0 for yes in (True, False) for said in (True, False)}
    for happened, p in pairs:
        count[happened > 0, p >= threshold] += 1
    cells = (found.true_positive, found.false_positive, found.false_negative, found.true_negative)
    assert cells == (count[True, True], count[False, True], count[True, False], count[False, False])
    right, said, happened = cells[0], cells[0] + cells[1], cells[0] + cells[2]
    expected = {
        "accuracy": (cells[0] + cells[3], len(pairs)),
        "precision": (right, said),
        "recall": (right, happened),
        "f1": (2 * right, said + happened),
    }
    for name, (over, under) in expected.items():
        assert getattr(found, name) == pytest.approx(over / under if under else math.nan, nan_ok=True), name


def test_decisions_by_hand():
    found = decisions(np.array([1.0, 1.0, 1.0, 0.0, 0.0]), np.array([True, True, False, True, False]))
    assert (found.true_positive, found.false_positive, found.false_negative, found.true_negative) == (2, 1, 1, 1)
    assert (found.accuracy, found.precision, found.recall, found.f1) == pytest.approx((3 / 5, 2 / 3, 2 / 3, 2 / 3))


def f1_of_the_rarer(truth, yes):
    rare = truth.mean() <= 0.5
    return metrics.f1_score(truth == rare, yes == rare, zero_division=0)


@given(PAIRS)
def test_no_threshold_has_a_larger_f1_of_the_rarer_outcome_than_the_best(pairs):
    truth, probability = columns(pairs)
    if len(set(truth)) < 2:
        assert best_threshold(truth, probability) == 0.5
        return
    best = best_threshold(truth, probability)
    assert best in probability
    most = max(f1_of_the_rarer(truth, probability >= p) for p in probability)
    assert f1_of_the_rarer(truth, probability >= best) == pytest.approx(most)


def test_where_nearly_all_buy_the_best_threshold_still_finds_those_who_do_not():
    truth = np.array([*[1.0] * 16, 0.0, 0.0, 0.0, 1.0])
    probability = np.array([*np.linspace(0.8, 1, 16), 0.6, 0.65, 0.7, 0.75])
    assert best_threshold(truth, probability) == 0.75
    everybody = max(probability, key=lambda t: metrics.f1_score(truth, probability >= t))
    assert everybody == 0.75
    lonely = np.where(probability == 0.65, 0.99, probability)  # one who does not buy is taken for a sure buyer
    assert (lonely < best_threshold(truth, lonely)).sum() == 2


def test_the_cut_of_an_event_and_of_its_opposite_part_the_same_people():
    chance = np.random.default_rng(1)
    p = chance.random(200).round(3)
    bought = (chance.random(200) < 0.3 + 0.6 * p).astype(float)
    buys = p >= best_threshold(bought, p)
    stays = 1 - p < best_threshold(1 - bought, 1 - p)
    assert abs(buys.sum() - stays.sum()) <= 2  # the border itself belongs to the yes of each


def test_the_roc_of_the_histogram_agrees_where_every_level_is_one_value():
    truth, probability = np.array([1.0, 0.0, 1.0, 0.0, 1.0]), np.array([0.9, 0.5, 0.5, 0.2, 0.1])
    assert auc(truth, probability, exact_up_to=0) == pytest.approx(auc(truth, probability))
    assert best_threshold(truth, probability, exact_up_to=0) == best_threshold(truth, probability)
