"""Decisions by probability: the window that is judged never chooses its own threshold."""

import numpy as np
import pytest

from ltv_train.judging.decided import decided, threshold_to_use
from ltv_train.judging.evaluation import Fold
from ltv_train.judging.halves import half_of
from ltv_train.judging.segments import Segments
from ltv_train.metrics.classification import best_threshold
from ltv_train.predictions import Predictions

USERS = 400


def fold(*, moved: float, seed: int, active: bool = False) -> Fold:
    """Who buys is told well from `moved` on, which is the best threshold: above it 90 % buy, below it 10 %."""
    chance = np.random.default_rng(seed)
    p = chance.random((USERS, 1))
    bought = (chance.random((USERS, 1)) < np.where(p > moved, 0.9, 0.1)).astype(float)
    said = Predictions(p, p, p, 1 - p)
    segments = Segments(p[:, 0] > 0.5, (), {}) if active else None
    return Fold(f"2026-0{seed}-01", np.arange(USERS) * 7_919, bought, bought, {"lstm": said}, segments)


def test_the_threshold_comes_from_earlier_origins_and_not_from_the_window_it_is_judged_on() -> None:
    early, late = fold(moved=0.3, seed=1), fold(moved=0.7, seed=2)
    found = decided([early, late], "lstm", (90,), 0, "purchase")
    assert (found.origin, found.chosen) == (late.origin, "on 1 earlier past origin(s)")
    assert found.threshold == best_threshold(early.purchased[:, 0], early.predictions["lstm"].p_purchase[:, 0])
    assert abs(found.threshold - 0.3) < 0.1 < 0.7 - found.threshold
    p, bought = late.predictions["lstm"].p_purchase[:, 0], late.purchased[:, 0]
    assert found.at_best.true_positive == ((p >= found.threshold) & (bought > 0)).sum()
    assert found.at_half.false_negative == ((p < 0.5) & (bought > 0)).sum()


def test_at_the_first_origin_no_customers_own_outcome_chooses() -> None:
    only = fold(moved=0.4, seed=3)
    found = decided([only], "lstm", (90,), 0, "purchase")
    assert found.chosen == "on the other half of the users"
    half = half_of(only.user_key)
    truth, p = only.purchased[:, 0], only.predictions["lstm"].p_purchase[:, 0]
    by_side = [best_threshold(truth[half != side], p[half != side]) for side in (0, 1)]
    assert found.threshold == pytest.approx(np.mean(np.array(by_side)[half]))
    assert found.at_best.true_positive == ((p >= np.array(by_side)[half]) & (truth > 0)).sum()


def test_churn_is_judged_by_its_own_probability_and_mirrors_purchase() -> None:
    folds = [fold(moved=0.3, seed=1, active=True), fold(moved=0.7, seed=2, active=True)]
    bought, lost = (decided(folds, "lstm", (90,), 0, event) for event in ("purchase", "churn"))
    assert lost.share == pytest.approx(1 - bought.share)
    assert (lost.auc, lost.brier) == pytest.approx((bought.auc, bought.brier))
    assert lost.at_half.true_positive == bought.at_half.true_negative
    assert lost.reliability.users.sum() == USERS


def test_users_active_lately_have_an_auc_of_their_own() -> None:
    folds = [fold(moved=0.7, seed=1, active=True)]
    found = decided(folds, "lstm", (90,), 0, "purchase")
    assert found.auc_active != found.auc
    assert np.isnan(decided([fold(moved=0.7, seed=1)], "lstm", (90,), 0, "purchase").auc_active)


def test_the_threshold_to_use_from_now_on_is_that_of_all_origins_together() -> None:
    folds = [fold(moved=0.6, seed=1), fold(moved=0.6, seed=2)]
    truth = np.concatenate([each.purchased[:, 0] for each in folds])
    p = np.concatenate([each.predictions["lstm"].p_purchase[:, 0] for each in folds])
    assert threshold_to_use(folds, "lstm", 0, "purchase") == best_threshold(truth, p)
    assert threshold_to_use([], "lstm", 0, "purchase") == 0.5
