"""TreeSHAP: contributions add up to what the model says, and find what was planted."""

from pathlib import Path

import numpy as np
import pytest

from ltv_train.explain.contributions import combined, contributions
from ltv_train.explain.words import START
from ltv_train.predict import open_predictor
from tests.explain_world import boosters, column, with_column
from tests.value_world import some_examples, some_material


@pytest.mark.parametrize("name", ["boosting_g", "boosting_e"])
def test_the_sum_of_a_row_is_the_logarithm_of_its_mean(tmp_path: Path, name: str) -> None:
    model, ahead = open_predictor(boosters(tmp_path, seeds=1)[name]), some_examples(50, seed=9)
    told = contributions(model, ahead)
    scale = model.offsets[-1].money_scale_minor
    np.testing.assert_allclose(np.exp(told.log_mean) * scale, model.predict(ahead).mean[:, -1], rtol=1e-9)


def test_of_several_seeds_the_sum_is_the_mean_of_their_logarithms(tmp_path: Path) -> None:
    model, ahead = open_predictor(boosters(tmp_path, seeds=3)["boosting_e"]), some_examples(50, seed=9)
    told = contributions(model, ahead)
    apart = []
    for booster in model.means[-1]:
        model.means[-1] = [booster]
        apart.append(contributions(model, ahead).log_mean)
    np.testing.assert_allclose(told.log_mean, np.mean(apart, axis=0), rtol=1e-12)


def test_a_planted_feature_comes_first_and_a_feature_that_nothing_depends_on_adds_nothing(tmp_path: Path) -> None:
    material, chance = some_material(400), np.random.default_rng(1)
    planted = chance.integers(0, 40, 400).astype(float)
    with_column(material.examples, "views_90", planted)
    with_column(material.examples, "clicks_30", np.full(400, 3.0))
    material.train.labels["spend_minor"][:] = planted[:, None] * 1_000
    told = contributions(open_predictor(boosters(tmp_path, material)["boosting_e"]), material.examples)
    strength = dict(zip(told.names, told.strength, strict=True))
    assert max(strength, key=lambda name: strength[name]) == "views_90"
    assert strength["clicks_30"] == min(strength.values()) == 0.0
    assert np.corrcoef(column(material.examples, "views_90"), told.added[:, told.names.index("views_90")])[0, 1] > 0.8


def test_only_a_model_that_multiplies_the_classical_one_begins_at_it(tmp_path: Path) -> None:
    made, ahead = boosters(tmp_path), some_examples(50, seed=9)
    started = {name: contributions(open_predictor(bundle), ahead).added[:, -3:] for name, bundle in made.items()}
    assert (np.ptp(started["boosting_g"], axis=0) > 0.3).all()
    assert not started["boosting_e"].any()


def test_the_classical_model_is_told_as_how_often_whether_still_and_how_much(tmp_path: Path) -> None:
    model, ahead = open_predictor(boosters(tmp_path)["boosting_g"]), some_examples(50, seed=9)
    ahead.anchor[:3] = (10.0, 9.0, 80.0, 90.0, 1_000.0)
    ahead.anchor[1, 4] = 4_000.0  # the same customer with larger orders
    ahead.anchor[2, 2] = 20.0  # the same customer, gone for 70 days
    told = contributions(model, ahead)
    orders, recency, size = (told.added[:3, told.names.index(name)] for name in START)
    assert orders[0] == orders[1]
    assert recency[0] == pytest.approx(recency[1])
    assert size[1] > size[0] + 0.5
    assert recency[2] < recency[0] - 0.5
    assert size[2] == size[0]
    assert told.values[:3, -3:].tolist() == [[10.0, 10.0, 1_000.0], [10.0, 10.0, 4_000.0], [10.0, 70.0, 1_000.0]]


def test_with_a_given_start_a_row_depends_on_no_other_row(tmp_path: Path) -> None:
    model, ahead = open_predictor(boosters(tmp_path)["boosting_g"]), some_examples(50, seed=9)
    usual = np.array([1.0, -0.5, 0.2])
    whole, alone = (contributions(model, part, usual_start=usual) for part in (ahead, ahead.take(np.arange(3))))
    np.testing.assert_array_equal(whole.added[:3], alone.added)
    assert whole.base == alone.base
    assert contributions(model, ahead.take(np.arange(3))).base != contributions(model, ahead).base


def test_several_models_count_by_their_weight(tmp_path: Path) -> None:
    ahead = some_examples(20, seed=9)
    parts = {name: contributions(open_predictor(bundle), ahead) for name, bundle in boosters(tmp_path).items()}
    both = combined(parts, {"boosting_g": 0.3, "boosting_e": 0.1})
    expected = 0.75 * parts["boosting_g"].log_mean + 0.25 * parts["boosting_e"].log_mean
    np.testing.assert_allclose(both.log_mean, expected, rtol=1e-12)
    assert both.names[-3:] == START
    one_sided = combined(parts, {"boosting_g": 0.0, "boosting_e": 0.4})
    np.testing.assert_allclose(one_sided.log_mean, parts["boosting_e"].log_mean, rtol=1e-12)
