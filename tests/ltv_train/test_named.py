"""Named periods of the calendar: windows seen from cut-offs, models that learn them, columns that leave."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ltv_features.config import NamedPeriod, ShopSettings
from ltv_features.errors import TrainingFailed
from ltv_train import bundle, models, network
from ltv_train.baselines import fit_baselines
from ltv_train.blend import write_blend
from ltv_train.blend_weights import equal_weights
from ltv_train.bundle import Bundle
from ltv_train.candidates import Material
from ltv_train.classical import boosting
from ltv_train.classical.anchors import AT_ORIGIN
from ltv_train.config import BoostingSettings
from ltv_train.models import Shape
from ltv_train.named import NO_PERIODS, Named, named_of
from ltv_train.predict import predict
from ltv_train.predictions import Predictions, finished
from ltv_train.score import users
from tests.ltv_train.test_udf import Mirror, scorer, states
from tests.score_world import HORIZONS, NIGHT
from tests.value_world import some_examples, some_material

TREES = BoostingSettings(trees=100, learning_rate=0.1, leaves=7, min_child=10)
FAIR = {
    "name": "fair",
    "starts": "2026-06-11",
    "ends": "2026-06-21",
    "by_cutoff": [["2026-03-01", "2026-03-11"], ["2026-03-01", "2026-03-11"]],
}
NAMED = named_of([FAIR], "2026-06-01", ["2026-01-30", "2026-02-19"])
LIFT = 3.0


def fair_material(*, lift: float = LIFT) -> Material:
    """Users who buy in the fair `lift` times as much as the anchor expects of ten such days."""
    plain = some_material(400)
    value = NAMED.anchor_values(plain.anchors, plain.examples.anchor, plain.cutoff_no)
    chance = np.random.default_rng(3)
    bought = chance.random(value.shape) < 0.5
    own = {
        "named_spend_minor": value * lift * 2 * bought,
        "named_purchased": bought.astype(float),
        "named_mask": np.ones(value.shape),
    }
    rows = SimpleNamespace(examples=plain.examples, labels=plain.train.labels | own, weight=plain.train.weight)
    return Material(rows, plain.anchors, plain.horizons_days, named=NAMED)


def stored(material: Material, folder: Path) -> dict[str, Bundle]:
    built = fit_baselines(material) + boosting.fit_boosters(material, TREES, seeds=1, seed=1, threads=1)
    anchors, own = material.anchors.at_origin(), {"named": NAMED.to_config()}
    return {
        one.name: bundle.write(folder, kind=one.kind, config={**one.config, **own}, files=one.files, anchors=anchors)
        for one in built
    }


def test_windows_are_counted_in_days_from_each_cutoff_and_from_the_origin() -> None:
    assert NAMED.windows == {AT_ORIGIN: ((10.0, 20.0),), 0: ((30.0, 40.0),), 1: ((10.0, 20.0),)}
    gone = named_of([FAIR | {"by_cutoff": [None, ["2026-03-01", "2026-03-11"]]}], "2026-06-01", ["2026-05-01"] * 2)
    assert gone.windows[0] == ((0.0, 0.0),)
    assert Named.from_config(NAMED.to_config()).windows[AT_ORIGIN] == NAMED.windows[AT_ORIGIN]
    for nothing in (NO_PERIODS, named_of([], "2026-06-01", ["2026-05-01"])):
        values = nothing.anchor_values(some_material(10).anchors, np.ones((10, 5)), np.zeros(10, np.int32))
        assert values.shape == (10, 0)


def test_the_anchor_of_a_window_is_what_it_expects_between_two_days() -> None:
    material = some_material(30)
    inputs, numbers = material.examples.anchor, material.cutoff_no
    said = NAMED.anchor_values(material.anchors, inputs, numbers)[:, 0]
    for row, (x, number) in enumerate(zip(inputs, numbers, strict=True)):
        lead, end = NAMED.windows[int(number)][0]
        one, no = x[None], np.array([number])
        expected = material.anchors.expected_value(one, no, end) - material.anchors.expected_value(one, no, lead)
        assert said[row] == pytest.approx(float(expected[0]))


def test_baselines_boosters_and_blend_foretell_what_the_last_occurrence_taught(tmp_path: Path) -> None:
    material = fair_material()
    made = stored(material, tmp_path)
    made["blend"] = write_blend(tmp_path, made, equal_weights(("boosting_g", "boosting_e", "anchor"), 1000.0, "test"))
    ahead = some_examples(300, seed=9)
    expected = NAMED.at_origin(material.anchors, ahead.anchor)[:, 0] * LIFT
    for name in ("spend_rate", "anchor", "boosting_g", "boosting_e", "blend"):
        said = predict(made[name], ahead)
        assert said.named_mean.shape == said.named_purchase.shape == (300, 1)
        assert said.named_mean.sum() == pytest.approx(expected.sum(), rel=0.25), name
        assert np.corrcoef(np.log(said.named_mean[:, 0] + 1), np.log(expected + 1))[0, 1] > 0.6
        assert said.named_purchase.mean() == pytest.approx(0.5, abs=0.1), name


def test_a_period_in_which_nobody_bought_is_refused_with_its_name() -> None:
    with pytest.raises(TrainingFailed, match="named period 'fair': nobody bought"):
        boosting.fit_boosters(fair_material(lift=0.0), TREES, seeds=1, seed=1, threads=1)


def test_a_network_says_the_anchor_of_the_window_before_it_has_learned_anything(tmp_path: Path) -> None:
    from tests.network_world import some_anchors, some_encoding, some_world

    world, _ = some_world(30, signal=1.0, seed=3)
    encoding, anchors = some_encoding(world), some_anchors()
    shape = Shape(encoding.vocabulary_sizes, 8, world.aggregates.shape[1], periods=2, width=16, named=1)
    net = models.build("mlp", shape, residual=True, seed=1)
    for weight in net.head.project.parameters():
        weight.data.zero_()
    config = network.to_config(shape.to_dict(), encoder="mlp", residual=True, members=1, cap_minor=1e9)
    made = bundle.write(
        tmp_path,
        kind=network.KIND,
        config=config | {"horizons_days": [30, 90], "named": NAMED.to_config()},
        files=network.to_files([net.state_dict()]),
        encoding=encoding,
        anchors=anchors,
    )
    said = predict(made, world)
    floor = 0.05 * encoding.money_scale_minor
    np.testing.assert_allclose(said.named_mean, NAMED.at_origin(anchors, world.anchor) + floor, rtol=1e-4)
    np.testing.assert_allclose(said.named_purchase, 0.5)


class Foreteller(Mirror):
    def predict(self, examples):
        said = super().predict(examples)
        one = np.full((len(examples), 1), 0.25)
        return finished(said.mean, said.median, said.p_purchase, named_mean=one * 4000, named_purchase=one)


@pytest.mark.parametrize(("begins", "told"), [(NIGHT, True), (date(2026, 3, 31), False)])
def test_a_period_has_columns_of_its_own_that_are_missing_once_it_has_begun(begins: date, told: bool) -> None:
    """The night is 2026-04-01; `easter` was asked for after the training."""
    ours = scorer(named=("easter", "fair"), named_begin=(("fair", begins),))
    batch = ours.scored(states({"anna": 2_000}, visitors=("cleo",)), Foreteller())
    rows = {row["user_id"]: row for row in batch.to_pylist()}
    said = [rows["anna"][name] for name in ("pltv_fair", "p_purchase_fair")]
    assert said == ([10.0, 0.25] if told else [None, None])
    assert [rows["anna"]["pltv_easter"], rows["cleo"]["pltv_fair"], rows["cleo"]["p_purchase_fair"]] == [None] * 3


def test_the_settings_and_the_bundle_decide_which_periods_a_night_speaks_of(tmp_path: Path) -> None:
    made = stored(fair_material(), tmp_path)["spend_rate"]
    shop = ShopSettings(named_periods={"fair": NamedPeriod(every_year="06-11", days=10)})
    ours = users.scorer_of({"bundle": made.digest, "digest": made.digest}, str(tmp_path), NIGHT, shop)
    assert (ours.named, ours.named_begin) == (("fair",), (("fair", date(2026, 6, 11)),))
    assert ours.horizons_days == HORIZONS
    with pytest.raises(ValueError, match="name of another score column"):
        ShopSettings(named_periods={"discounted": NamedPeriod(every_year="06-11", days=10)})


def test_a_model_that_does_not_speak_of_periods_has_no_columns_for_them() -> None:
    one = np.ones((3, 2))
    said = Predictions(one, one, one, one)
    assert said.named_mean.shape == (3, 0)
    assert Predictions.concat([said, said]).named_purchase.shape == (6, 0)
