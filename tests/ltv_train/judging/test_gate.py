"""The gate promotes what is not worse than its opponents, and says why in sentences."""

from dataclasses import replace

import numpy as np
import pytest

from ltv_train.config import GateSettings
from ltv_train.judging import gate
from ltv_train.judging.draws import WeightedGini
from ltv_train.judging.evaluation import Fold
from ltv_train.judging.gate import (
    Comparison,
    _passes,
    after_refit,
    compare,
    decide,
    graded,
    is_baseline,
    opened,
    refit_problems,
    skills,
    without_folds,
)
from ltv_train.judging.paired import Differences, differences
from ltv_train.metrics.value import normalised_gini
from ltv_train.predictions import Predictions

SETTINGS = GateSettings(bootstrap=200)
USERS = 800


def said(mean: np.ndarray, median: np.ndarray | None = None) -> Predictions:
    both = [np.stack([0.4 * each, each], axis=1) for each in (mean, mean if median is None else median)]
    p = np.tile([0.3, 0.6], (len(mean), 1))
    return Predictions(both[0], both[1], p, 1 - p)


def some_folds(noise: dict[str, float], count: int = 2, users: int = USERS) -> list[Fold]:
    """Folds whose candidates see the truth through noise of different strength."""
    folds = []
    for number in range(count):
        chance = np.random.default_rng(number)
        taste = chance.normal(size=users)
        truth = 1000 * np.exp(taste) * (chance.random(users) < 0.8)
        guesses = {name: 1000 * np.exp(taste + size * chance.normal(size=users)) for name, size in noise.items()}
        spend = np.stack([0.4 * truth, truth], axis=1)
        parts = {name: said(guess) for name, guess in guesses.items()}
        folds.append(Fold(f"2026-0{number + 1}-01", np.arange(users), spend, (spend > 0).astype(float), parts))
    return folds


def test_the_best_is_promoted_with_its_reasons() -> None:
    folds = some_folds({"spend_rate": 1.0, "anchor": 0.9, "boosting_e": 0.3, "lstm": 0.5})
    verdict = decide(folds, production=None, settings=SETTINGS, seed=1)
    assert (verdict.promoted, verdict.best_baseline, verdict.grade) == ("boosting_e", "anchor", "A")
    assert verdict.comparisons[0].against == "anchor"
    assert "best baseline at 2 past origin(s): anchor" in verdict.reason
    assert "boosting_e against anchor: Gini +" in verdict.reason
    assert "boosting_e is promoted" in verdict.reason


def test_the_blend_goes_first_when_it_is_as_good_as_the_best() -> None:
    folds = some_folds({"spend_rate": 1.0, "boosting_e": 0.3})
    for fold in folds:
        best = fold.predictions["boosting_e"]
        fold.predictions["blend"] = Predictions(best.mean, best.median * 1.01, best.p_purchase, best.p_churn)  # type: ignore[index]
    ranks = skills(folds)
    assert ranks["boosting_e"] - 0.002 < ranks["blend"] < ranks["boosting_e"]
    assert decide(folds, production=None, settings=SETTINGS, seed=1).promoted == "blend"


@pytest.mark.parametrize(
    ("gini", "mae", "passes"),
    [
        ((0.007, 0.005), (0.009, -0.05), True),  # surely better in one, and by estimate no worse in the other
        ((0.007, 0.005), (-0.001, -0.05), False),
        ((0.007, -0.006), (0.009, -0.05), False),
        ((-0.001, -0.004), (-0.001, -0.01), True),  # within the margin in both
    ],
)
def test_few_customers_hide_no_candidate_that_is_surely_better_in_one_primary(
    gini: tuple[float, float], mae: tuple[float, float], passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = [np.array([bound] * 30 + [2 * value - bound] * 70) for value, bound in (gini, mae)]
    found = Differences(gini[0], mae[0], *drawn)
    monkeypatch.setattr(gate, "differences", lambda *given, **more: found)
    assert compare(some_folds({"lstm": 0.3}), "lstm", "anchor", SETTINGS, 1).not_worse is passes


def test_where_no_model_is_better_than_the_best_baseline_that_one_serves() -> None:
    verdict = decide(some_folds({"spend_rate": 0.3, "lstm": 0.9}), production=None, settings=SETTINGS, seed=1)
    assert (verdict.promoted, verdict.best_baseline) == ("spend_rate", "spend_rate")


@pytest.mark.parametrize(("times", "spent"), [(1, False), (5, False), (6, True)])
def test_windows_that_were_opened_too_often_are_marked_spent(times: int, spent: bool) -> None:
    verdict = decide(some_folds({"spend_rate": 1.0, "lstm": 0.5}), production=None, settings=SETTINGS, seed=1)
    told = opened(verdict, times)
    assert replace(told, reasons=verdict.reasons) == verdict
    assert (f"spent: {times} candidates" in told.reason) == spent


def test_against_production_a_candidate_must_improve() -> None:
    folds = some_folds({"spend_rate": 1.0, "boosting_e": 0.3, "lstm": 0.4})
    assert decide(folds, production="lstm", settings=SETTINGS, seed=1).promoted == "boosting_e"
    verdict = decide(folds, production="boosting_e", settings=SETTINGS, seed=1)
    assert verdict.promoted == "boosting_e"
    assert "refitted on newer data" in verdict.reason


def test_production_that_is_no_candidate_is_said_and_the_baseline_still_guards() -> None:
    folds = some_folds({"spend_rate": 0.9, "lstm": 0.3})
    verdict = decide(folds, production="gru", settings=SETTINGS, seed=1)
    assert verdict.promoted == "lstm"
    assert "gru is no candidate of this run" in verdict.reason


def test_a_candidate_within_the_margin_passes_and_one_beyond_it_does_not() -> None:
    folds = some_folds({"spend_rate": 0.5, "same": 0.5, "worse": 0.9})
    for fold in folds:
        fold.predictions["same"] = fold.predictions["spend_rate"]  # type: ignore[index]
    same, worse = (compare(folds, name, "spend_rate", SETTINGS, 1) for name in ("same", "worse"))
    assert (same.not_worse, same.better, same.gini, same.mae) == (True, False, 0.0, 0.0)
    assert (worse.not_worse, worse.surely_worse) == (False, True)
    assert "may be worse" in worse.sentence


def test_passing_needs_no_loss_and_against_production_a_gain() -> None:
    equal = Comparison("lstm", "anchor", 0.0, -0.001, 0.0, -0.001, not_worse=True, better=False, surely_worse=False)
    gain, loss = replace(equal, better=True), replace(equal, not_worse=False, better=True)
    for tried, production, passes in (
        ([equal], None, True),
        ([equal], "lstm", True),
        ([equal], "blend", False),
        ([gain, equal], "blend", False),
        ([gain, gain], "blend", True),
        ([gain, loss], None, False),
        ([loss], "lstm", False),
    ):
        assert _passes("lstm", tried, production) is passes


def test_the_bounds_are_one_sided_and_of_ninety_percent() -> None:
    folds = some_folds({"spend_rate": 0.5, "lstm": 0.45})
    found = compare(folds, "lstm", "spend_rate", SETTINGS, 1)
    drawn = differences(folds, "lstm", "spend_rate", draws=200, seed=1)
    assert found.gini_bound == pytest.approx(np.quantile(drawn.gini_draws, 0.1))
    assert found.mae_bound == pytest.approx(np.quantile(drawn.mae_draws, 0.1))


def test_grades_follow_bounds_and_the_number_of_people() -> None:
    folds = some_folds({"spend_rate": 0.9, "good": 0.3, "bad": 1.5})
    good, bad = (compare(folds, name, "spend_rate", SETTINGS, 1) for name in ("good", "bad"))
    names = ("good", "bad", "spend_rate", "gru")  # the best baseline itself, and one that is no candidate
    assert [graded(folds, (good, bad), name, "spend_rate") for name in names] == ["A", "C", "B", "U"]
    few_buyers = [replace(fold, purchased=fold.purchased * (np.arange(USERS) < 49)[:, None]) for fold in folds]
    for some in (some_folds({"spend_rate": 0.9, "good": 0.3}, users=499), few_buyers):
        assert graded(some, (good,), "good", "spend_rate") == "U"


def test_better_by_estimate_alone_is_grade_b() -> None:
    folds = some_folds({"spend_rate": 0.50, "hardly": 0.49})
    found = compare(folds, "hardly", "spend_rate", SETTINGS, 1)
    assert min(found.gini, found.mae) > 0 > min(found.gini_bound, found.mae_bound)
    assert graded(folds, (found,), "hardly", "spend_rate") == "B"


def test_what_passes_by_its_gain_alone_says_so() -> None:
    folds = some_folds({"spend_rate": 0.5})
    for fold in folds:
        rule = fold.predictions["spend_rate"]
        noise = np.random.default_rng(9).lognormal(0, 1.2, (USERS, 1))
        fold.predictions["ranks"] = Predictions(fold.spend + 1, rule.median, rule.p_purchase, rule.p_churn)  # type: ignore[index]
        fold.predictions["errs"] = Predictions(fold.spend + 1, rule.median * noise, rule.p_purchase, rule.p_churn)  # type: ignore[index]
    strict = SETTINGS.model_copy(update={"max_gini_loss": 0.0, "max_mae_loss": 0.0})
    ranks, errs = (compare(folds, name, "spend_rate", strict, 1) for name in ("ranks", "errs"))
    assert (ranks.mae, ranks.mae_bound, ranks.not_worse, ranks.by_gain) == (0.0, 0.0, True, True)
    assert ranks.sentence.endswith("better, for it surely gains in one and by estimate loses in neither")
    assert (errs.not_worse, errs.by_gain) == (False, False)


def test_without_a_past_origin_nothing_is_compared() -> None:
    assert without_folds("blend", production=None).promoted == "blend"
    held = without_folds("blend", production="lstm")
    assert (held.promoted, held.grade) == (None, "U")


def test_a_refit_that_ranks_or_sums_differently_is_held() -> None:
    chance = np.random.default_rng(1)
    old = chance.gamma(1.0, 1000.0, 500)
    assert refit_problems(said(old), said(old * 1.05), SETTINGS) == []
    assert "total moved by +20.0%, expected within -10% to +10%" in refit_problems(said(old), said(old * 1.2), SETTINGS)
    assert "rank correlation" in refit_problems(said(old), said(chance.permutation(old)), SETTINGS)[0]


def test_a_refit_may_mend_a_bias_that_was_measured() -> None:
    old = np.random.default_rng(1).gamma(1.0, 1000.0, 500)
    for told, times, calm in ((0.85, 1.2, True), (0.85, 0.95, True), (0.85, 1.35, False), (0.5, 1.4, False),
                              (1.2, 0.85, True), (1.2, 1.15, False), (float("nan"), 1.05, True)):  # fmt: skip
        assert (refit_problems(said(old), said(old * times), SETTINGS, told=told) == []) is calm, (told, times)


def test_the_order_of_those_who_are_worth_next_to_nothing_holds_no_refit() -> None:
    chance = np.random.default_rng(1)
    worth = chance.gamma(1.0, 1000.0, 200)
    old, new = (np.append(worth, chance.random(800)) for _ in range(2))
    assert normalised_gini(old, new) > 0.99
    assert refit_problems(said(old), said(new), SETTINGS) == []
    assert "rank correlation" in refit_problems(said(old), said(np.append(chance.permutation(worth), new[200:])),
                                                SETTINGS)[0]  # fmt: skip


def test_a_held_refit_keeps_production_or_begins_with_the_best_baseline() -> None:
    folds = some_folds({"spend_rate": 1.0, "lstm": 0.3})
    verdict = decide(folds, production=None, settings=SETTINGS, seed=1)
    begun = after_refit(verdict, ["total moved by +20%"], production=None)
    assert (begun.promoted, begun.grade) == ("spend_rate", "B")
    held = after_refit(verdict, ["total moved by +20%"], production="blend")
    assert (verdict.grade, held.promoted, held.grade) == ("A", None, "U")  # nobody compared blend: the A is of lstm
    compared = decide(folds, production="spend_rate", settings=SETTINGS, seed=1)
    assert after_refit(compared, ["total moved by +20%"], production="spend_rate").grade == "B"
    assert held.reasons[-2:] == ("refit of lstm: total moved by +20%", "held: blend stays")
    assert after_refit(verdict, [], production=None) == verdict
    worst = decide(
        some_folds({"spend_rate": 0.9, "good": 0.3, "bad": 1.5}), production="bad", settings=SETTINGS, seed=1
    )
    switched = after_refit(worst, ["total moved by +20%"], production="bad")
    assert (switched.promoted, switched.grade) == (worst.best_baseline, "B")
    assert "bad is surely worse than spend_rate" in switched.reason


def test_baselines_are_known_by_name() -> None:
    assert [is_baseline(name) for name in ("all_zero", "last_90_days", "anchor", "lstm", "blend")] == [True] * 3 + [
        False
    ] * 2


def test_a_weighted_gini_is_the_gini_of_repeated_rows() -> None:
    truth, guess = np.array([0.0, 5.0, 2.0, 9.0, 2.0]), np.array([1.0, 1.0, 3.0, 3.0, 0.5])
    weight = np.array([2.0, 1.0, 0.0, 3.0, 1.0])
    rows = np.repeat(np.arange(5), weight.astype(int))
    found = WeightedGini(truth, guess).raw(weight) / WeightedGini(truth, truth).raw(weight)
    assert found == pytest.approx(normalised_gini(truth[rows], guess[rows]), abs=1e-12)


def test_users_of_several_folds_are_drawn_together() -> None:
    """The same fold twice is no more evidence than once."""
    fold = some_folds({"one": 0.5, "other": 0.6}, count=1)[0]
    once, twice = (differences([fold] * times, "one", "other", draws=50, seed=1) for times in (1, 2))
    np.testing.assert_allclose(twice.gini_draws, once.gini_draws)
    np.testing.assert_allclose(twice.mae_draws, once.mae_draws)


def test_the_interval_is_as_wide_as_new_data_would_have_it() -> None:
    """The bootstrap's deviation of a difference agrees with that over freshly made worlds."""

    def one(seed: int) -> list[Fold]:
        chance = np.random.default_rng(seed)
        truth = chance.gamma(1.0, 100.0, 400)
        sides = {str(size): said(np.maximum(truth + size * chance.normal(size=400), 0)) for size in (60, 80)}
        return [Fold("f", np.arange(400), truth[:, None], np.ones((400, 1)), sides)]

    fresh = [differences(one(seed), "60", "80", draws=1, seed=1).gini for seed in range(60)]
    drawn = differences(one(99), "60", "80", draws=300, seed=1).gini_draws
    assert drawn.std() == pytest.approx(np.std(fresh), rel=0.35)
