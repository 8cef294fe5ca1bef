"""Intervals of every candidate: around what was measured, narrow for differences, and as wide as chance is."""

import numpy as np
import pytest

from ltv_train.judging import uncertainty
from ltv_train.judging.evaluation import Fold
from ltv_train.judging.paired import differences
from ltv_train.judging.uncertainty import Standing, standings
from ltv_train.metrics.value import mae, normalised_gini
from ltv_train.predictions import Predictions

USERS = 300


def fold(seed: int = 1, users: int = USERS) -> Fold:
    """Three candidates that see the truth through less and more noise, and one that sees nothing."""
    chance = np.random.default_rng(seed)
    truth = chance.gamma(0.5, 1_000.0, (users, 1))
    said = {}
    for name, noise in (("good", 0.2), ("twin", 0.2), ("bad", 2.0)):
        seen = truth + noise * np.random.default_rng(seed + 10).normal(0, 500.0, (users, 1))
        said[name] = Predictions(seen, 0.9 * seen, seen, seen)
    flat = np.ones((users, 1))
    said["flat"] = Predictions(flat, flat, flat, flat)
    return Fold(f"fold {seed}", np.arange(users) * 7_919 + seed, truth, flat, said)


def of(told: list[Standing]) -> dict[str, Standing]:
    return {each.candidate: each for each in told}


def test_values_are_the_measures_averaged_over_folds() -> None:
    folds = [fold(1), fold(2)]
    told = of(standings(folds, "bad", draws=20, seed=1))
    for name in ("good", "bad", "flat"):
        ginis = [normalised_gini(f.spend[:, -1], f.predictions[name].mean[:, -1]) for f in folds]
        errors = [mae(f.spend[:, -1], f.predictions[name].median[:, -1]) for f in folds]
        assert told[name].gini.value == pytest.approx(np.mean(ginis))
        assert told[name].mae.value == pytest.approx(np.mean(errors))


def test_differences_are_those_of_the_gate() -> None:
    folds = [fold(1), fold(2)]
    gained = of(standings(folds, "bad", draws=400, seed=4))["good"]
    gate = differences(folds, "good", "bad", draws=400, seed=4)
    assert (gained.gini_gain.value, gained.mae_saved.value) == pytest.approx((gate.gini, gate.mae))
    assert (gained.gini_gain.low, gained.gini_gain.high) == pytest.approx(
        (gate.gini_bound(0.05), gate.gini_bound(0.95))
    )
    assert (gained.mae_saved.low, gained.mae_saved.high) == pytest.approx((gate.mae_bound(0.05), gate.mae_bound(0.95)))


def test_what_is_common_to_two_candidates_cancels_out_of_their_difference() -> None:
    told = of(standings([fold()], "twin", draws=100, seed=1))["good"]
    assert told.gini.high - told.gini.low > 0.005
    assert (told.gini_gain.low, told.gini_gain.value, told.gini_gain.high) == (0, 0, 0)


def test_nine_of_ten_intervals_hold_the_gini_of_the_whole_shop() -> None:
    shop = fold(users=50_000)
    whole = normalised_gini(shop.spend[:, 0], shop.predictions["bad"].mean[:, 0])
    held, tries = 0, 100
    for number in range(tries):
        rows = np.random.default_rng(number).choice(50_000, 400, replace=False)
        said = {"bad": shop.predictions["bad"].take(rows)}
        some = Fold("some", np.arange(400), shop.spend[rows], shop.purchased[rows], said)
        found = of(standings([some], "bad", draws=100, seed=number))["bad"].gini
        held += found.low <= whole <= found.high
    assert 80 <= held <= 97


def test_thinned_users_give_wider_intervals_around_the_exact_value(monkeypatch: pytest.MonkeyPatch) -> None:
    folds = [fold(users=2_000)]
    exact = of(standings(folds, "bad", draws=100, seed=1))["good"].gini
    monkeypatch.setattr(uncertainty, "MAX_USERS", 200)
    thin = of(standings(folds, "bad", draws=100, seed=1))["good"].gini
    assert thin.value == exact.value
    assert thin.low < exact.low < exact.value < exact.high < thin.high
    rows = np.arange(0, 2_000, 10)
    said = {name: each.take(rows) for name, each in folds[0].predictions.items()}
    few = Fold("few", folds[0].user_key[rows], folds[0].spend[rows], folds[0].purchased[rows], said)
    drawn = of(standings([few], "bad", draws=100, seed=1))["good"].gini
    assert thin.low == pytest.approx(drawn.low + exact.value - drawn.value)


def test_no_fold_has_no_standing_and_no_spend_no_gini() -> None:
    assert standings([], "bad", draws=5, seed=1) == []
    nothing = fold()
    empty = Fold("f", nothing.user_key, np.zeros((USERS, 1)), nothing.purchased, nothing.predictions)
    told = of(standings([empty], "bad", draws=5, seed=1))["good"]
    assert np.isnan([told.gini.value, told.gini.low, told.gini_gain.high]).all()
    assert told.mae.low > 0
