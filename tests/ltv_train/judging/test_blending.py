"""The weights of a blend come from the past, and nobody is judged by weights that their own outcome chose."""

import numpy as np
import pytest

from ltv_train.blend import combine
from ltv_train.blend_weights import equal_weights
from ltv_train.judging import blending
from ltv_train.judging.blending import cross_fitted, fit_weights
from ltv_train.judging.evaluation import Fold
from ltv_train.judging.halves import half_of
from ltv_train.predictions import Predictions
from tests.blend_world import SCALE, some_fold


def test_the_past_finds_the_good_members_for_each_column() -> None:
    weights = fit_weights([some_fold(1), some_fold(2)], ("g", "e", "n"), scale_minor=SCALE, users=10_000)
    assert weights.mean[0] >= 0.9
    assert weights.median[1] >= 0.9
    assert sum(weights.mean) == pytest.approx(1.0)
    assert "2 past origins" in weights.how


def test_few_users_draw_the_weights_halfway_to_equal() -> None:
    folds = [some_fold(1), some_fold(2)]
    free = fit_weights(folds, ("g", "e", "n"), scale_minor=SCALE, users=10_000)
    drawn = fit_weights(folds, ("g", "e", "n"), scale_minor=SCALE)
    assert drawn.mean == pytest.approx([(weight + 1 / 3) / 2 for weight in free.mean])
    assert "halfway" in drawn.how


@pytest.mark.parametrize("count", [0, 1])
def test_one_fold_or_none_gives_equal_weights(count: int) -> None:
    weights = fit_weights([some_fold(1)][:count], ("g", "e"), scale_minor=SCALE)
    assert weights.mean == weights.median == (0.5, 0.5)
    assert "too few" in weights.how


def test_money_in_another_unit_finds_the_same_weights() -> None:
    def scaled(fold: Fold) -> Fold:
        parts = {
            n: Predictions(p.mean * 1e3, p.median * 1e3, p.p_purchase, p.p_churn) for n, p in fold.predictions.items()
        }
        return Fold(fold.origin, fold.user_key, fold.spend * 1e3, fold.purchased, parts)

    folds = [some_fold(seed, noise=(0.5, 0.6, 0.7)) for seed in (1, 2)]
    here = fit_weights(folds, ("g", "e", "n"), scale_minor=SCALE)
    there = fit_weights([scaled(fold) for fold in folds], ("g", "e", "n"), scale_minor=SCALE * 1e3)
    assert (here.mean, here.median) == (there.mean, there.median)


def test_no_outcome_of_a_user_touches_what_the_back_test_blend_says_about_the_user() -> None:
    folds = [some_fold(seed, noise=(0.5, 0.6, 0.7)) for seed in (1, 2)]
    before = cross_fitted(folds, ("g", "e", "n"), scale_minor=SCALE)
    mine = half_of(folds[0].user_key) == 0
    changed = [
        Fold(f.origin, f.user_key, np.where(mine[:, None], f.spend[::-1], f.spend), f.purchased, f.predictions)
        for f in folds
    ]
    after = cross_fitted(changed, ("g", "e", "n"), scale_minor=SCALE)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old.mean[mine], new.mean[mine])
    assert not np.array_equal(before[0].mean[~mine], after[0].mean[~mine])


def test_rows_of_the_back_test_blend_stay_in_the_order_of_the_users() -> None:
    fold = some_fold(1)
    made = cross_fitted([fold], ("g", "e"), scale_minor=SCALE)[0]
    whole = combine(fold.predictions, equal_weights(("g", "e"), SCALE, ""))
    np.testing.assert_allclose(made.mean, whole.mean)


def test_the_grid_holds_every_tenth_once() -> None:
    grid = blending.simplex(3)
    assert len(np.unique(grid, axis=0)) == len(grid) == 66
    np.testing.assert_allclose(grid.sum(axis=1), 1.0)


def test_halves_are_about_equal_and_belong_to_the_user() -> None:
    keys = np.arange(10_000, dtype=np.int64) - 5_000
    assert 0.45 < half_of(keys).mean() < 0.55
    np.testing.assert_array_equal(half_of(keys)[::-1], half_of(keys[::-1]))
