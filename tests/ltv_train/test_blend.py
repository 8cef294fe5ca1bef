"""The blend: values averaged as logarithms, members inside its bundle."""

from pathlib import Path

import numpy as np
import pytest

from ltv_train.baselines import fit_baselines
from ltv_train.blend import combine, write_blend
from ltv_train.blend_weights import BlendWeights, equal_weights
from ltv_train.bundle import Bundle, load, write
from ltv_train.predict import predict
from ltv_train.predictions import Predictions
from tests.blend_world import SCALE, some_fold
from tests.value_world import some_examples, some_material


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
