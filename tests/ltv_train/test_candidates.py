"""Every simple candidate, from training rows through its bundle to predictions."""

from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ltv_features.errors import BundleRefused, ContractBroken, TrainingFailed
from ltv_train.baselines import fit_baselines, platt
from ltv_train.bundle import Bundle, load, write
from ltv_train.candidates import Built, Material
from ltv_train.classical import boosting
from ltv_train.config import BoostingSettings
from ltv_train.metrics.value import mae, normalised_gini
from ltv_train.predict import cached_predictor, predict
from ltv_train.predictions import Predictions, amounts_through_anchor, chances_through_anchor, finished
from tests.value_world import some_examples, some_labels, some_material

FEW_TREES = BoostingSettings(trees=40, learning_rate=0.1, leaves=7, min_child=10)
NAMES = (
    *("all_zero", "mean", "last_90_days", "spend_rate", "linear_rfm", "linear_orders", "rfm_cells", "anchor"),
    *("boosting_g", "boosting_e"),
)
MADE_ANEW = ("config.json", "contract.json", "card.md", "digests.json")
COLUMNS = ("mean", "median", "low", "high", "p_purchase", "p_churn")


@lru_cache(maxsize=2)
def everything(short: bool = False) -> tuple[Material, dict[str, Built]]:
    """Training rows and all candidates; `short`: nobody has seen the second period as a whole."""
    material = some_material(exposure=(1.0, 0.5) if short else (1.0, 1.0))
    made = fit_baselines(material) + boosting.fit_boosters(material, FEW_TREES, seeds=2, seed=1, threads=1)
    return material, {built.name: built for built in made}


def stored(name: str, folder: Path, *, short: bool = False) -> Bundle:
    material, made = everything(short)
    one = made[name]
    return write(folder, kind=one.kind, config=one.config, files=one.files, anchors=material.anchors.at_origin())


def same(one: Predictions, other: Predictions) -> bool:
    return all(np.array_equal(getattr(one, column), getattr(other, column)) for column in COLUMNS)


def test_the_baselines_and_boosters_are_all_there() -> None:
    assert tuple(everything()[1]) == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("short", [False, True])
def test_predictions_are_legal(name: str, short: bool, tmp_path: Path) -> None:
    bundle = stored(name, tmp_path, short=short)
    said = predict(bundle, some_examples(50, seed=9))
    for column in COLUMNS:
        values = getattr(said, column)
        assert values.shape == (50, 2)
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    for rising in (said.mean, said.median, said.low, said.high, said.p_purchase, 1 - said.p_churn):
        assert (np.diff(rising, axis=1) >= 0).all()
    assert (said.p_purchase <= 1).all()
    assert (said.low <= said.median).all()
    assert (said.median <= said.high).all()
    assert max(said.mean.max(), said.high.max()) <= bundle.config["cap_minor"]
    assert bundle.config["trained_horizons"] == (1 if short else 2)


def test_the_next_order_is_worth_what_the_anchor_of_the_origin_says(tmp_path: Path) -> None:
    examples = some_examples(20, seed=9)
    expected = everything()[0].anchors.parameters[-1].expected_order_value(examples.anchor)
    for name in ("anchor", "boosting_e"):
        np.testing.assert_allclose(predict(stored(name, tmp_path), examples).order_minor[:, 0], expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_says_the_same_bits_in_any_company_and_order(name: str, tmp_path: Path) -> None:
    bundle, examples = stored(name, tmp_path), some_examples(67, seed=9)
    whole, order = predict(bundle, examples), np.random.default_rng(3).permutation(67)
    assert same(predict(bundle, examples.take(order)), whole.take(order))
    alone = [predict(bundle, examples.take(np.array([row]))) for row in (0, 13, 66)]
    assert same(Predictions.concat(alone), whole.take(np.array([0, 13, 66])))
    assert len(predict(bundle, examples.take(np.array([], np.int64)))) == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_read_again_says_the_same(name: str, tmp_path: Path) -> None:
    bundle, examples = stored(name, tmp_path), some_examples(20, seed=9)
    assert same(
        predict(load(bundle.path), examples), cached_predictor(str(bundle.path), bundle.digest).predict(examples)
    )


@pytest.mark.parametrize(
    ("name", "file", "content", "said"),
    [
        ("boosting_g", "mean_0_0.txt", None, "mean_0_0.txt is cut"),
        ("boosting_g", "anchor.json", b"{}", "does not hold what a boosting needs"),
        ("rfm_cells", "baseline.json", b"{}", "does not hold what a cells needs"),
    ],
)
def test_a_bundle_whose_digests_fit_but_whose_content_does_not_is_refused(
    name: str, file: str, content: bytes | None, said: str, tmp_path: Path
) -> None:
    made = stored(name, tmp_path / "whole")
    files = {path.name: path.read_bytes() for path in made.path.iterdir() if path.name not in MADE_ANEW}
    half = files[file][: len(files[file]) // 2]
    spoilt = write(tmp_path / "spoilt", kind=made.kind, config=made.config, files=files | {file: content or half})
    with pytest.raises(BundleRefused, match=said):
        predict(spoilt, some_examples(3, seed=9))


@pytest.mark.parametrize("name", ["spend_rate", "boosting_g", "boosting_e"])
def test_churn_by_activity_has_its_own_hazard_and_leaves_everything_else_as_it_was(name: str, tmp_path: Path) -> None:
    """Everybody who has been here for more than 70 days is active whatever they buy, the others only when they buy."""
    plain, _ = everything()
    loyal = plain.examples.anchor[:, 3] > 70
    labels = plain.train.labels | {"active": np.maximum(plain.train.labels["purchased"], loyal[:, None])}
    rows = SimpleNamespace(examples=plain.examples, labels=labels, weight=plain.train.weight)
    material = Material(rows, plain.anchors, plain.horizons_days, activity=True)
    built = {each.name: each for each in fit_baselines(material)}
    built |= {each.name: each for each in boosting.fit_boosters(material, FEW_TREES, seeds=2, seed=1, threads=1)}
    one = built[name]
    bundle = write(tmp_path, kind=one.kind, config=one.config, files=one.files, anchors=material.anchors.at_origin())
    ahead = some_examples(200, seed=9)
    said, before = predict(bundle, ahead), predict(stored(name, tmp_path), ahead)
    for column in ("mean", "median", "low", "high", "p_purchase"):
        assert np.array_equal(getattr(said, column), getattr(before, column))
    assert np.array_equal(before.p_churn, 1 - before.p_purchase)
    assert (said.p_churn <= 1 - said.p_purchase).all()
    assert (np.diff(said.p_churn, axis=1) <= 0).all()
    happened = labels["active"].max(axis=1).mean()
    assert 1 - said.p_churn[:, 1].mean() == pytest.approx(happened, abs=0.12)
    if name != "spend_rate":
        stays = ahead.anchor[:, 3] > 70
        assert said.p_churn[stays, 0].max() < said.p_churn[~stays & (ahead.anchor[:, 0] < 4), 0].mean()


@pytest.mark.parametrize("at_risk", [0, 1, 2])
def test_boosters_are_fitted_however_few_did_not_buy_in_the_first_period(at_risk: int) -> None:
    plain, _ = everything()
    labels = {name: values.copy() for name, values in plain.train.labels.items()}
    labels["purchased"][at_risk:, 0], labels["purchased"][:at_risk, 0] = 1.0, 0.0
    rows = SimpleNamespace(examples=plain.examples, labels=labels, weight=plain.train.weight)
    few = BoostingSettings(trees=2, min_child=1)
    made = boosting.fit_boosters(Material(rows, plain.anchors, plain.horizons_days), few, seeds=1, seed=1, threads=1)
    assert [each.name for each in made] == ["boosting_g", "boosting_e"]


def test_what_habits_say_is_learned(tmp_path: Path) -> None:
    ahead = some_examples(400, seed=11)
    spend = some_labels(ahead, seed=11)["spend_minor"].sum(axis=1)
    said = {name: predict(stored(name, tmp_path), ahead) for name in NAMES}
    gini = {name: normalised_gini(spend, each.mean[:, 1]) for name, each in said.items()}
    error = {name: mae(spend, each.median[:, 1]) for name, each in said.items()}
    assert gini["all_zero"] == gini["mean"] == 0
    assert min(gini["spend_rate"], gini["boosting_g"], gini["boosting_e"]) > 0.8
    assert max(error["spend_rate"], error["boosting_g"], error["boosting_e"]) < 0.5 * error["mean"] < error["all_zero"]
    for name in ("anchor", "boosting_g", "boosting_e"):
        assert said[name].mean[:, 1].sum() == pytest.approx(spend.sum(), rel=0.25)


@pytest.mark.parametrize("name", ["mean", "spend_rate", "boosting_g"])
def test_about_a_tenth_of_what_was_learned_from_lies_beyond_each_end(name: str, tmp_path: Path) -> None:
    material, _ = everything()
    said = predict(stored(name, tmp_path), material.examples)
    for h in range(2):
        spend = material.mature(h).spend
        low, high = ((spend < said.low[:, h]).mean(), (spend > said.high[:, h]).mean())
        assert 0.0 <= low <= 0.2
        assert 0.05 <= high <= 0.2


def test_fitting_again_gives_the_same_bytes() -> None:
    material, made = everything()
    again = boosting.fit_boosters(material, FEW_TREES, seeds=2, seed=1, threads=1)
    assert [built.files for built in again] == [made[built.name].files for built in again]


def test_no_booster_inherits_labels_weights_or_starts_of_the_one_before_it() -> None:
    material, _ = everything()
    x = boosting.features(material.examples, material.cutoff_no, material.anchors, 90)
    horizon = boosting._Horizon(material, FEW_TREES, x, 1, seed=1, threads=1)
    offset = horizon.offset("e", 1000.0)
    first = horizon.mean(offset, 1)
    median = horizon.median(offset, [first])
    assert horizon.mean(offset, 1).model_to_string() == first.model_to_string()
    fresh = boosting._Horizon(material, FEW_TREES, x, 1, seed=1, threads=1)
    assert fresh.median(offset, [first]).model_to_string() == median.model_to_string()


def test_an_unseen_horizon_follows_the_anchor_and_not_the_days(tmp_path: Path) -> None:
    material, _ = everything(True)
    examples = some_examples(30, seed=9)
    origin = np.full(30, -1, np.int32)
    anchor = material.anchors.cumulative_values(examples.anchor, origin, (30, 90))
    for name in ("spend_rate", "boosting_g", "boosting_e"):
        said = predict(stored(name, tmp_path, short=True), examples)
        free = said.mean[:, 1] < material.cap_minor
        assert free.sum() > 20
        np.testing.assert_allclose((said.mean[:, 1] / said.mean[:, 0])[free], (anchor[:, 1] / anchor[:, 0])[free])
        assert (said.mean[:, 1] < 3 * said.mean[:, 0]).mean() > 0.8


def test_a_constant_stays_one_over_an_unseen_horizon(tmp_path: Path) -> None:
    said = predict(stored("mean", tmp_path, short=True), some_examples(30, seed=9))
    assert np.ptp(said.mean, axis=0).tolist() == np.ptp(said.p_purchase, axis=0).tolist() == [0.0, 0.0]
    assert (said.mean[0, 1], said.median[0, 1]) > (said.mean[0, 0], said.median[0, 0])


def test_through_the_anchor_not_buying_is_a_power() -> None:
    anchor = np.array([[2.0, 4.0]])
    mean, median = amounts_through_anchor([np.array([[10.0]]), np.array([[4.0]])], anchor)
    (p,) = chances_through_anchor([np.array([[0.5]])], anchor)
    assert (mean.tolist(), median.tolist(), p.tolist()) == ([[10.0, 20.0]], [[4.0, 8.0]], [[0.5, 0.75]])


def test_money_in_another_unit_gives_the_same_ranking_and_scaled_amounts(tmp_path: Path) -> None:
    said = {}
    for money in (1.0, 1000.0):
        material = some_material(money=money)
        built = boosting.fit_boosters(material, FEW_TREES, seeds=1, seed=1, threads=1)[0]
        files, config = built.files, built.config
        bundle = write(tmp_path, kind=built.kind, config=config, files=files, anchors=material.anchors.at_origin())
        said[money] = predict(bundle, some_examples(40, seed=9, money=money))
    np.testing.assert_allclose(said[1000.0].mean, said[1.0].mean * 1000, rtol=1e-3)
    np.testing.assert_allclose(said[1000.0].p_purchase, said[1.0].p_purchase, rtol=1e-3)


def test_a_number_that_is_not_finite_is_not_passed_on() -> None:
    bad = np.array([[1.0, np.nan]])
    with pytest.raises(ContractBroken, match="median: 1 numbers are not finite"):
        finished(np.ones((1, 2)), bad, np.ones((1, 2)))


def test_finished_predictions_never_fall_and_respect_the_cap() -> None:
    said = finished(np.array([[5.0, 3.0]]), np.array([[-1.0, 99.0]]), np.array([[0.6, 0.5]]), cap=10.0)
    assert (said.mean.tolist(), said.median.tolist()) == ([[5.0, 5.0]], [[0.0, 10.0]])
    assert said.p_churn.tolist() == [[0.4, 0.4]]


def test_no_quantile_of_a_model_is_above_0_where_its_chance_of_a_purchase_says_0() -> None:
    p = np.array([[0.05, 0.4, 0.6], [0.5, 0.9, 1.0]])
    told = {"median": np.full(p.shape, 4.0), "low": np.full(p.shape, 2.0), "high": np.full(p.shape, 9.0)}
    said = finished(np.full(p.shape, 5.0), p_purchase=p, **told)
    assert said.median.tolist() == [[0.0, 0.0, 4.0], [4.0, 4.0, 4.0]]
    assert said.low.tolist() == [[0.0, 0.0, 0.0], [0.0, 2.0, 2.0]]
    formula = finished(np.full(p.shape, 5.0), p_purchase=p, literal=True, **told)
    assert (formula.median == 4.0).all()


def test_platt_finds_the_curve_and_the_base_rate_of_a_constant() -> None:
    chance = np.random.default_rng(1)
    scores = chance.normal(size=20_000)
    happened = (chance.random(20_000) < 1 / (1 + np.exp(-(0.5 + 2 * scores)))).astype(float)
    assert platt(scores, happened) == pytest.approx((0.5, 2.0), abs=0.08)
    a, b = platt(np.zeros(1000), np.repeat([1.0, 0.0], [250, 750]))
    assert (1 / (1 + np.exp(-a)), b) == (pytest.approx(0.25, abs=1e-3), 0.0)


def test_boosters_refuse_rows_without_spend_and_rows_without_a_day() -> None:
    material = some_material(50)
    material.train.labels["spend_minor"][:] = 0
    with pytest.raises(TrainingFailed, match="nobody spent"):
        boosting.fit_boosters(material, FEW_TREES, seeds=1, seed=1)
    with pytest.raises(TrainingFailed, match="no training row has seen any day"):
        fit_baselines(some_material(50, exposure=(0.0, 0.0)))


def test_boosters_of_a_changed_text_are_refused(tmp_path: Path) -> None:
    material, made = everything()
    built = made["boosting_g"]
    text = built.files["mean_0_0.txt"].decode()
    start = text.index("leaf_value=") + len("leaf_value=")
    for changed, reason in (
        (text[:start] + "nan " + text[start:], "not finite"),
        (text.replace("orders_7", "x"), "'x'"),
    ):
        files = dict(built.files) | {"mean_0_0.txt": changed.encode()}
        bundle = write(tmp_path, kind="boosting", config=built.config, files=files, anchors=material.anchors)
        with pytest.raises(BundleRefused, match=reason):
            predict(bundle, some_examples(5, seed=1))


def test_an_unknown_kind_or_a_swapped_bundle_does_not_speak(tmp_path: Path) -> None:
    bundle = write(tmp_path, kind="oracle", config={"horizons_days": [30]}, files={})
    with pytest.raises(BundleRefused, match="kind 'oracle'; known: naive"):
        predict(bundle, some_examples(5, seed=1))
    with pytest.raises(BundleRefused, match="changed under us"):
        cached_predictor(str(bundle.path), "0" * 16)
