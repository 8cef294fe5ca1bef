"""The paired bootstrap is repeatable, finds no difference in a procedure and itself, and knows the better one."""

import numpy as np
import pytest

from ltv_train.judging import paired
from ltv_train.judging.evaluation import Fold
from ltv_train.judging.paired import Differences, differences
from ltv_train.metrics.value import mae, normalised_gini
from ltv_train.predictions import Predictions

USERS = 300


def fold(*noises: float, seed: int = 1, users: int = USERS) -> Fold:
    """Equal seeds give the same users and truth; candidate "0.3" sees it through noise of that size."""
    said = {}
    for noise in noises:
        chance = np.random.default_rng(seed)
        truth = chance.gamma(0.5, 1_000.0, users)
        seen = truth + noise * chance.normal(0, 500.0, users)
        said[str(noise)] = told(seen, 0.9 * seen)
    return of(truth, said)


def told(mean: np.ndarray, median: np.ndarray) -> Predictions:
    p = np.full((len(mean), 1), 0.5)
    return Predictions(mean[:, None], median[:, None], p, 1 - p)


def of(truth: np.ndarray, said: dict[str, Predictions]) -> Fold:
    keys = np.arange(len(truth)) * 7_919 - 500
    return Fold("f", keys, truth[:, None], np.ones((len(truth), 1)), said)


def parts(judged: Fold, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, mean and median of a candidate."""
    said = judged.predictions[name]
    return judged.spend[:, 0], said.mean[:, 0], said.median[:, 0]


def test_one_seed_always_gives_the_same_draws() -> None:
    folds = [fold(0.3, 1.0)]
    first, again, other = (differences(folds, "0.3", "1.0", draws=20, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.gini_draws, again.gini_draws)
    np.testing.assert_array_equal(first.mae_draws, again.mae_draws)
    assert not np.array_equal(first.gini_draws, other.gini_draws)
    assert (first.gini, first.mae) == (other.gini, other.mae)


def test_a_procedure_does_not_differ_from_itself_in_any_draw() -> None:
    found = differences([fold(0.5)], "0.5", "0.5", draws=30, seed=1)
    assert (found.gini, found.mae) == (0.0, 0.0)
    assert not found.gini_draws.any()
    assert not found.mae_draws.any()


def test_the_better_one_is_above_zero_in_every_draw_and_the_worse_one_below() -> None:
    folds = [fold(0.2, 3.0)]
    better, worse = (differences(folds, *names, draws=100, seed=1) for names in (("0.2", "3.0"), ("3.0", "0.2")))
    assert min(better.gini, better.mae, better.gini_draws.min(), better.mae_draws.min()) > 0
    assert max(worse.gini, worse.mae, worse.gini_draws.max(), worse.mae_draws.max()) < 0
    np.testing.assert_allclose(worse.gini_draws, -better.gini_draws)


def test_the_difference_is_the_mean_of_the_measures_over_folds() -> None:
    folds = [fold(0.3, 1.0, seed=seed) for seed in (1, 2)]
    found = differences(folds, "0.3", "1.0", draws=1, seed=1)
    pairs = [(parts(each, "0.3"), parts(each, "1.0")) for each in folds]
    ginis = [normalised_gini(*a[:2]) - normalised_gini(*b[:2]) for a, b in pairs]
    saved = [1 - mae(*a[::2]) / mae(*b[::2]) for a, b in pairs]
    assert found.gini == pytest.approx(np.mean(ginis))
    assert found.mae == pytest.approx(np.mean(saved))


def test_a_draw_is_the_measure_of_users_drawn_with_replacement() -> None:
    few = fold(0.3, 1.0, users=40)
    found = differences([few], "0.3", "1.0", draws=3, seed=8)
    rng = np.random.default_rng(8)
    for number in range(3):
        rows = rng.integers(0, 40, 40)
        sides = [[column[rows] for column in parts(few, name)] for name in ("0.3", "1.0")]
        ranks = [normalised_gini(truth, mean) for truth, mean, _ in sides]
        errors = [mae(truth, median) for truth, _, median in sides]
        assert found.gini_draws[number] == pytest.approx(ranks[0] - ranks[1])
        assert found.mae_draws[number] == pytest.approx(1 - errors[0] / errors[1])


def test_equal_predictions_share_their_spend_in_every_draw() -> None:
    truth, flat = np.arange(30.0), np.full(30, 7.0)
    judged = of(truth, {"constant": told(flat, flat), "perfect": told(truth, truth)})
    found = differences([judged], "constant", "perfect", draws=10, seed=1)
    np.testing.assert_allclose([found.gini, *found.gini_draws], -1.0)


def test_against_an_opponent_without_error_any_error_is_a_whole_loss() -> None:
    judged = fold(0.5)
    exact = told(judged.spend[:, 0], judged.spend[:, 0])
    judged = of(judged.spend[:, 0], {**judged.predictions, "exact": exact})
    assert differences([judged], "0.5", "exact", draws=1, seed=1).mae == -1.0
    assert differences([judged], "exact", "exact", draws=1, seed=1).mae == 0.0


def test_no_spend_leaves_the_gini_open_and_compares_errors_all_the_same() -> None:
    said = {name: told(np.arange(5.0), np.full(5, size)) for name, size in (("one", 1.0), ("two", 2.0))}
    found = differences([of(np.zeros(5), said)], "one", "two", draws=4, seed=1)
    assert np.isnan([found.gini, found.gini_bound(0.1)]).all()
    assert (found.mae, found.mae_bound(0.1)) == (0.5, 0.5)


def test_bounds_are_quantiles_of_the_draws_that_have_a_meaning() -> None:
    found = Differences(0.0, 0.0, np.array([np.nan, 1.0, 2.0, 3.0]), np.arange(11.0))
    assert found.gini_bound(0.5) == 2.0
    assert found.mae_bound(0.1) == 1.0


def test_more_users_than_the_limit_are_thinned_by_an_even_stride(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "MAX_USERS", 100)
    many = fold(0.3, 1.0, users=250)
    thin = many.take(np.arange(0, 250, 3))
    found, expected = (differences([each], "0.3", "1.0", draws=5, seed=1) for each in (many, thin))
    assert (found.gini, found.mae) == (expected.gini, expected.mae)
    np.testing.assert_array_equal(found.gini_draws, expected.gini_draws)
