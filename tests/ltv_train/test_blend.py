"""The blend: weights from the past, values averaged as logarithms, members inside its bundle."""

from pathlib import Path

import numpy as np
import pytest

from ltv_train import blend
from ltv_train.baselines import fit_baselines
from ltv_train.blend import combine, cross_fitted, fit_weights, half_of, write_blend
from ltv_train.blend_weights import BlendWeights, equal_weights
from ltv_train.bundle import Bundle, load, write
from ltv_train.judging.evaluation import Fold
from ltv_train.predict import predict
from ltv_train.predictions import Predictions
from tests.value_world import some_examples, some_material

SCALE = 1000.0


def said(mean: np.ndarray, median: np.ndarray) -> Predictions:
    p = np.full((len(mean), 1), 0.5)
    return Predictions(mean[:, None], median[:, None], p, 1 - p)


def some_fold(seed: int, users: int = 400, noise: tuple[float, float, float] = (0.1, 2.0, 2.0)) -> Fold:
    """Member g ranks well and member e has the better median; the third one is noise in both."""
    chance = np.random.default_rng(seed)
    truth = 1000 * np.exp(chance.normal(size=users))
    guess = [truth * np.exp(size * chance.normal(size=users)) for size in (*noise, *noise[::-1])]
    parts = {"g": said(guess[0], guess[3]), "e": said(guess[1], guess[5]), "n": said(guess[2], guess[4])}
    return Fold(f"fold {seed}", np.arange(users) * 7_919, truth[:, None], np.ones((users, 1)), parts)


def test_values_meet_as_logarithms_and_probabilities_as_logits() -> None:
    p = np.array([[0.2], [0.8]])
    parts = {
        "a": Predictions(np.array([[0.0]]), np.array([[1000.0]]), p[:1], 1 - p[:1]),
        "b": Predictions(np.array([[3000.0]]), np.array([[1000.0]]), p[1:], 1 - p[1:]),
    }
    made = combine(parts, BlendWeights(("a", "b"), (0.5, 0.5), (0.5, 0.5), SCALE, ""))
    assert made.mean[0, 0] == pytest.approx(1000.0)  # sqrt((1 + 0) (1 + 3)) - 1 in units of 1000
    assert made.median[0, 0] == pytest.approx(1000.0)
    assert made.p_purchase[0, 0] == pytest.approx(0.5)


def test_churn_by_activity_is_blended_for_itself_and_churn_by_purchase_stays_its_complement() -> None:
    one, p = np.array([[1.0]]), np.array([[0.2]])
    quiet = {name: Predictions(one, one, p, 1 - p) for name in "ab"}
    busy = {"a": Predictions(one, one, p, np.array([[0.2]])), "b": Predictions(one, one, p, np.array([[0.8]]))}
    weights = BlendWeights(("a", "b"), (0.5, 0.5), (0.5, 0.5), SCALE, "")
    assert combine(quiet, weights).p_churn == 1 - combine(quiet, weights).p_purchase
    assert combine(busy, weights).p_churn[0, 0] == pytest.approx(0.5)
    assert combine(busy, weights).p_purchase[0, 0] == pytest.approx(0.2)


def test_all_weight_on_one_member_is_that_member() -> None:
    fold = some_fold(1)
    made = combine(fold.predictions, BlendWeights(("g", "e"), (1.0, 0.0), (0.0, 1.0), SCALE, ""))
    np.testing.assert_allclose(made.mean, fold.predictions["g"].mean)
    np.testing.assert_allclose(made.median, fold.predictions["e"].median)


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


def test_halves_are_about_equal_and_belong_to_the_user() -> None:
    keys = np.arange(10_000, dtype=np.int64) - 5_000
    assert 0.45 < half_of(keys).mean() < 0.55
    np.testing.assert_array_equal(half_of(keys)[::-1], half_of(keys[::-1]))


def members(folder: Path) -> dict[str, Bundle]:
    material = some_material(100)
    anchors = material.anchors.at_origin()
    return {
        built.name: write(folder, kind=built.kind, config=built.config, files=built.files, anchors=anchors)
        for built in fit_baselines(material)
    }


def test_a_blend_bundle_says_what_its_members_say_together(tmp_path: Path) -> None:
    parts = members(tmp_path / "parts")
    weights = BlendWeights(("spend_rate", "anchor", "mean"), (0.7, 0.3, 0.0), (0.4, 0.6, 0.0), SCALE, "by hand")
    made = write_blend(tmp_path, parts, weights)
    examples = some_examples(30, seed=9)
    each = {name: predict(parts[name], examples) for name in weights.names}
    found, expected = predict(load(made.path), examples), combine(each, weights)
    np.testing.assert_array_equal(found.mean, expected.mean)
    np.testing.assert_array_equal(found.median, expected.median)
    assert sorted(place.name for place in (made.path / "members").iterdir()) == ["anchor", "spend_rate"]
    assert made.config["trained_horizons"] == 2


def test_a_blend_of_a_blend_is_a_bundle_too(tmp_path: Path) -> None:
    parts = members(tmp_path / "parts")
    inner = write_blend(tmp_path / "inner", parts, equal_weights(("spend_rate", "anchor"), SCALE, ""))
    outer = write_blend(tmp_path, {"inner": inner, "mean": parts["mean"]}, equal_weights(("inner", "mean"), SCALE, ""))
    assert np.isfinite(predict(outer, some_examples(5, seed=2)).mean).all()


def test_the_grid_holds_every_tenth_once() -> None:
    grid = blend.simplex(3)
    assert len(np.unique(grid, axis=0)) == len(grid) == 66
    np.testing.assert_allclose(grid.sum(axis=1), 1.0)
