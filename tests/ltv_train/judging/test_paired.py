"""The paired bootstrap is repeatable, finds no difference in a procedure and itself, and knows the better one."""

import numpy as np
import pytest

from ltv_train.judging import paired
from ltv_train.judging.paired import Differences, Judged, differences
from ltv_train.metrics.value import mae, normalised_gini

USERS = 300


def judged(noise, *, seed=1, users=USERS):
    """Equal seeds give the same users and the same truth, seen through noise of a chosen size."""
    chance = np.random.default_rng(seed)
    truth = chance.gamma(0.5, 1_000.0, users)
    said = truth + noise * chance.normal(0, 500.0, users)
    return Judged(np.arange(users) * 7_919 - 500, truth, said, 0.9 * said)


def test_one_seed_always_gives_the_same_draws():
    sides = [judged(0.3)], [judged(1.0)]
    first, again, other = (differences(*sides, draws=20, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.gini_draws, again.gini_draws)
    np.testing.assert_array_equal(first.mae_draws, again.mae_draws)
    assert not np.array_equal(first.gini_draws, other.gini_draws)
    assert (first.gini, first.mae) == (other.gini, other.mae)


def test_a_procedure_does_not_differ_from_itself_in_any_draw():
    found = differences([judged(0.5)], [judged(0.5)], draws=30, seed=1)
    assert (found.gini, found.mae) == (0.0, 0.0)
    assert not found.gini_draws.any()
    assert not found.mae_draws.any()


def test_the_better_one_is_above_zero_in_every_draw_and_the_worse_one_below():
    good, bad = [judged(0.2)], [judged(3.0)]
    better, worse = differences(good, bad, draws=100, seed=1), differences(bad, good, draws=100, seed=1)
    assert min(better.gini, better.mae, better.gini_draws.min(), better.mae_draws.min()) > 0
    assert max(worse.gini, worse.mae, worse.gini_draws.max(), worse.mae_draws.max()) < 0
    np.testing.assert_allclose(worse.gini_draws, -better.gini_draws)


def test_the_difference_is_the_mean_of_the_measures_over_folds():
    first, second = ([judged(noise, seed=seed) for seed in (1, 2)] for noise in (0.3, 1.0))
    found = differences(first, second, draws=1, seed=1)
    pairs = list(zip(first, second, strict=True))
    ginis = [normalised_gini(a.truth, a.mean) - normalised_gini(b.truth, b.mean) for a, b in pairs]
    saved = [1 - mae(a.truth, a.median) / mae(b.truth, b.median) for a, b in pairs]
    assert found.gini == pytest.approx(np.mean(ginis))
    assert found.mae == pytest.approx(np.mean(saved))


def test_a_draw_is_the_measure_of_users_drawn_with_replacement():
    one, other = judged(0.3, users=40), judged(1.0, users=40)
    found = differences([one], [other], draws=3, seed=8)
    rng = np.random.default_rng(8)
    for number in range(3):
        rows = rng.integers(0, 40, 40)
        ranks = [normalised_gini(side.truth[rows], side.mean[rows]) for side in (one, other)]
        errors = [mae(side.truth[rows], side.median[rows]) for side in (one, other)]
        assert found.gini_draws[number] == pytest.approx(ranks[0] - ranks[1])
        assert found.mae_draws[number] == pytest.approx(1 - errors[0] / errors[1])


def test_equal_predictions_share_their_spend_in_every_draw():
    truth, flat = np.arange(30.0), np.full(30, 7.0)
    constant, perfect = (Judged(np.arange(30), truth, side, side) for side in (flat, truth))
    found = differences([constant], [perfect], draws=10, seed=1)
    np.testing.assert_allclose([found.gini, *found.gini_draws], -1.0)


def test_against_an_opponent_without_error_any_error_is_a_whole_loss():
    exact = judged(0.0)
    exact = Judged(exact.user_key, exact.truth, exact.mean, exact.truth)
    assert differences([judged(0.5)], [exact], draws=1, seed=1).mae == -1.0
    assert differences([exact], [exact], draws=1, seed=1).mae == 0.0


def test_no_spend_leaves_the_gini_open_and_compares_errors_all_the_same():
    nothing = np.zeros(5)
    sides = [[Judged(np.arange(5), nothing, np.arange(5.0), np.full(5, size))] for size in (1.0, 2.0)]
    found = differences(*sides, draws=4, seed=1)
    assert np.isnan([found.gini, found.gini_bound(0.1)]).all()
    assert (found.mae, found.mae_bound(0.1)) == (0.5, 0.5)


def test_bounds_are_quantiles_of_the_draws_that_have_a_meaning():
    found = Differences(0.0, 0.0, np.array([np.nan, 1.0, 2.0, 3.0]), np.arange(11.0))
    assert found.gini_bound(0.5) == 2.0
    assert found.mae_bound(0.1) == 1.0


def test_more_users_than_the_limit_are_thinned_by_an_even_stride(monkeypatch):
    monkeypatch.setattr(paired, "MAX_USERS", 100)
    one, other = judged(0.3, users=250), judged(1.0, users=250)
    thin = [Judged(*(column[::3] for column in vars(side).values())) for side in (one, other)]
    found, expected = differences([one], [other], draws=5, seed=1), differences(thin[:1], thin[1:], draws=5, seed=1)
    assert (found.gini, found.mae) == (expected.gini, expected.mae)
    np.testing.assert_array_equal(found.gini_draws, expected.gini_draws)
