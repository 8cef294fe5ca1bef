"""Above the switch, measures come from a histogram: within .001 of the exact ones, on data as skewed as a shop's."""

import numpy as np
import pytest

from ltv_train.metrics import classification, value
from ltv_train.metrics.deciles import deciles
from ltv_train.metrics.levels import BINS, average_ranks, level_of, levels

USERS = 200_000
MEASURES = (value.normalised_gini, value.gini, value.spearman, value.top_decile_capture)


def skewed(kind, users=USERS):
    """(truth, prediction) of customers of whom most spend nothing and a few spend nearly everything."""
    chance = np.random.default_rng(5)
    spend = {
        "log-normal": lambda: np.exp(chance.normal(3, 2, users)),
        "a heavy tail": lambda: chance.pareto(1.2, users) * 100,
        "one price": lambda: np.full(users, 10.0),
        "wholesalers": lambda: np.where(chance.random(users) < 1e-4, 1e5, 1) * chance.gamma(1, 50, users),
    }[kind]()
    truth = np.where(chance.random(users) < 0.3, spend.round(2), 0.0)
    said = np.where(
        chance.random(users) < 0.2, 0.0, truth * np.exp(chance.normal(0, 1, users)) + chance.gamma(1, 5, users)
    )
    return truth, said


@pytest.mark.parametrize("kind", ["log-normal", "a heavy tail", "one price", "wholesalers"])
def test_measures_of_rank_from_a_histogram_are_within_a_thousandth(kind):
    truth, said = skewed(kind)
    for measure in MEASURES:
        assert abs(measure(truth, said, exact_up_to=0) - measure(truth, said)) < 1e-3, measure.__name__


@pytest.mark.parametrize("share", [0.5, 0.02, 0.0005])
def test_the_auc_from_a_histogram_is_within_a_thousandth_however_rare_the_event(share):
    chance = np.random.default_rng(6)
    happened = (chance.random(USERS) < share).astype(float)
    p = np.clip(chance.beta(0.3, 3, USERS) + 0.1 * happened, 0, 1).round(6)
    assert abs(classification.auc(happened, p, exact_up_to=0) - classification.auc(happened, p)) < 1e-3


def test_more_values_than_the_sample_that_finds_the_borders():
    truth, said = skewed("log-normal", 1_300_000)
    for measure in (value.normalised_gini, value.top_decile_capture):
        assert abs(measure(truth, said, exact_up_to=0) - measure(truth, said)) < 1e-3


def test_deciles_from_a_histogram_are_within_a_thousandth_of_the_total():
    truth, said = skewed("wholesalers")
    near, exact = deciles(truth, said, exact_up_to=0), deciles(truth, said)
    assert near.users.tolist() == exact.users.tolist()
    assert np.abs((near.happened - exact.happened) * exact.users).max() < 1e-3 * truth.sum()
    assert abs(near.error - exact.error) < 2e-3


def test_the_best_threshold_from_a_histogram_decides_as_well_as_the_exact_one():
    chance = np.random.default_rng(7)
    happened = (chance.random(USERS) < 0.3).astype(float)
    p = np.clip(chance.beta(2, 5, USERS) + 0.1 * happened, 0, 1)

    def f1(threshold):
        return classification.decisions(happened, p >= threshold).f1

    exact, near = (classification.best_threshold(happened, p, exact_up_to=switch) for switch in (USERS, 0))
    assert f1(exact) - f1(near) < 1e-3


def test_up_to_the_switch_nothing_is_folded():
    truth, said = np.arange(100.0), np.sqrt(np.arange(100.0)) + 1
    assert len(levels(truth, said, exact_up_to=100).users) == 100
    assert value.spearman(truth, said, exact_up_to=100) == pytest.approx(1.0)


def test_above_the_switch_there_are_about_as_many_levels_as_bins():
    truth, said = skewed("log-normal")
    assert BINS / 2 < len(levels(truth, said, exact_up_to=0).users) <= 2 * BINS


def test_a_value_that_fills_many_bins_is_alone_in_its_level():
    values = np.concatenate([np.zeros(50_000), np.random.default_rng(1).gamma(1, 1e-9, 50_000)])
    place = level_of(values, exact_up_to=0)
    assert set(values[place == place[0]]) == {0.0}


def test_equal_values_share_a_level_and_its_mean_rank_on_both_sides_of_the_switch():
    values = np.array([3.0, 1.0, 3.0, 2.0])
    for switch in (0, 4):
        assert average_ranks(values, exact_up_to=switch).tolist() == [3.5, 1.0, 3.5, 2.0]
