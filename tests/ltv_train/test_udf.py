"""The worker's half of scoring, without Spark: states in, rows out."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ltv_features import state
from ltv_features.arrow import arrow_schema
from ltv_features.config import ShopSettings
from ltv_features.contract import KERNEL_EVENTS, TYPE_ID, scores
from ltv_features.cutoffs import midnight_us
from ltv_features.errors import BundleRefused
from ltv_features.project import Examples
from ltv_train import bundle, predict
from ltv_train.baselines import fit_baselines
from ltv_train.predictions import Predictions, finished
from ltv_train.score import users
from ltv_train.score.udf import Scorer, said_of
from tests.score_world import HORIZONS, NIGHT, rate_bundle
from tests.value_world import some_material

UNRANKED = [c for c in scores(HORIZONS).columns if c.name not in ("value_decile", "value_tier", "input_digest")]
DAY_US = 86_400_000_000
NEVER = Predictions(np.array([[150.0, 450.0]]), np.zeros((1, 2)), np.array([[0.1, 0.25]]), np.array([[0.9, 0.75]]))


def states(orders: dict[str, int], *, visitors: tuple[str, ...] = ()) -> pa.Table:
    """States of users with one order of so many minor units, and of visitors who only looked."""
    zero = {column.name: 0 for column in KERNEL_EVENTS} | {"profile": None}
    rows = []
    for key, (user, minor) in enumerate([*orders.items(), *((name, 0) for name in visitors)], start=1):
        kind = "view" if user in visitors else "purchase"
        own = {"user_id": user, "user_key": key, "ts_us": midnight_us(NIGHT) - key * DAY_US, "event_key": key}
        rows.append(zero | own | {"type": TYPE_ID[kind], "order_key": key * (minor > 0), "amount_minor": minor})
    return state.build(pa.Table.from_pylist(rows, schema=arrow_schema(KERNEL_EVENTS)), as_of_us=midnight_us(NIGHT))


class Mirror:
    """Says of everybody what their orders cost on average; fails where `poison` is among those asked about."""

    def __init__(self, poison: tuple[str, ...] = (), error: Exception | None = None) -> None:
        self.poison, self.error, self.asked = poison, error or ValueError("no"), 0

    def predict(self, examples: Examples) -> Predictions:
        self.asked += 1
        if set(self.poison) & set(examples.user_id.to_pylist()):
            raise self.error
        mean = np.stack([examples.anchor[:, 4], 2 * examples.anchor[:, 4]], axis=1)
        low, high = mean * [0.25, 0.175], mean * [1.5, 2.0]
        return finished(mean, mean / 2, np.full(mean.shape, 0.5), low=low, high=high, literal=True)


def scorer(**changes: object) -> Scorer:
    plain = {"bundle": "", "digest": "abc", "as_of": NIGHT, "horizons_days": HORIZONS, "minor_per_unit": 100}
    never = {"never_mean_minor": (150.0, 450.0), "never_purchase": (0.1, 0.25)}
    return Scorer(**plain | never | changes)  # type: ignore[arg-type]


def rows_of(batch: pa.RecordBatch) -> dict[str, dict]:
    assert [(f.name, f.type) for f in batch.schema] == [(f.name, f.type) for f in arrow_schema(UNRANKED)]
    return {row["user_id"]: row for row in batch.to_pylist()}


def test_money_leaves_in_units_of_the_currency() -> None:
    rows = rows_of(scorer().scored(states({"anna": 2_000, "bert": 500}), Mirror()))
    assert [rows["anna"][name] for name in ("pltv_30_low", "pltv_90_low", "pltv_30_high", "pltv_90_high")] == [
        5,
        7,
        30,
        80,
    ]
    assert [rows["anna"][name] for name in ("pltv_30", "pltv_90", "pltv_30_p50", "pltv_90_p50")] == [20, 40, 10, 20]
    assert [rows["bert"][name] for name in ("pltv_30", "p_purchase_30", "p_churn_90")] == [5, 0.5, 0.5]
    assert {(row["score_source"], row["model_digest"], row["as_of"]) for row in rows.values()} == {
        ("model", "abc", NIGHT)
    }
    yen = rows_of(scorer(minor_per_unit=1).scored(states({"anna": 2_000}), Mirror()))
    assert yen["anna"]["pltv_30"] == 2_000


def test_lifetime_value_is_also_said_discounted_and_by_the_simple_formula() -> None:
    """anna's one order of yesterday counts as if she were 28 days old; cleo, who never bought, has no simple value."""
    made = scorer(discount_rate=0.2, profit_margin=0.5, lifetime_years=2.0)
    rows = rows_of(made.scored(states({"anna": 2_800}, visitors=("cleo",)), Mirror()))
    today = 28 / 1.2 ** (15 / 365) + 28 / 1.2 ** (60 / 365)
    assert rows["anna"]["pltv_discounted"] == pytest.approx(today)
    assert rows["anna"]["simple_ltv"] == pytest.approx(28 * 0.5 * 365 / 28 * 2)
    assert rows["cleo"]["pltv_discounted"] == pytest.approx(1.5 / 1.2 ** (15 / 365) + 3.0 / 1.2 ** (60 / 365))
    assert rows["cleo"]["simple_ltv"] == 0.0


def test_the_next_order_has_a_day_and_a_value_where_something_is_known_of_it() -> None:
    """bert buys within 30 days as likely as not; anna makes the model fail and gets the fallback; cleo never bought."""

    class Anchored(Mirror):
        def predict(self, examples: Examples) -> Predictions:
            said = super().predict(examples)
            return finished(said.mean, said.median, said.p_purchase, order_minor=examples.anchor[:, 4:5] * 2)

    rows = rows_of(scorer().scored(states({"anna": 2_000, "bert": 500}, visitors=("cleo",)), Anchored(("anna",))))
    days, worth = "expected_next_order_days", "expected_next_order_value"
    assert [rows["bert"][days], rows["bert"][worth]] == [30.0, 10.0]
    assert [rows[who][name] for who in ("anna", "cleo") for name in (days, worth)] == [None] * 4


def test_who_never_bought_gets_the_segment_mean_and_the_model_is_not_asked() -> None:
    model = Mirror()
    rows = rows_of(scorer().scored(states({}, visitors=("cleo", "emil")), model))
    assert model.asked == 0
    for row in rows.values():
        assert row["score_source"] == "segment_mean"
        assert [row["pltv_30"], row["pltv_90"], row["pltv_90_p50"]] == [1.5, 4.5, 0.0]
        assert [row["p_purchase_90"], row["p_churn_90"]] == [0.25, 0.75]
        assert [row["pltv_30_low"], row["pltv_90_low"], row["pltv_30_high"]] == pytest.approx([0.0, 0.0, 0.0])
        assert row["pltv_90_high"] == pytest.approx(4.5 / 0.25 * np.log(2.5))


def test_churn_by_activity_passes_through_and_a_visitor_is_as_active_as_visitors_are() -> None:
    class Busy(Mirror):
        def predict(self, examples: Examples) -> Predictions:
            half = np.full((len(examples), 2), 0.5)
            return finished(half, half, half, p_active=np.tile([0.6, 0.8], (len(examples), 1)))

    rows = rows_of(scorer(never_active=(0.3, 0.4)).scored(states({"anna": 2_000}, visitors=("cleo",)), Busy()))
    said = [rows[who][name] for who in ("anna", "cleo") for name in ("p_churn_30", "p_churn_90")]
    assert said == pytest.approx([0.4, 0.2, 0.7, 0.6])
    assert [rows["anna"]["p_purchase_90"], rows["cleo"]["p_purchase_90"]] == [0.5, 0.25]


def test_the_median_of_a_segment_that_mostly_buys_is_its_mean() -> None:
    rows = rows_of(scorer(never_purchase=(0.4, 0.6)).scored(states({}, visitors=("cleo",)), Mirror()))
    assert [rows["cleo"]["pltv_30_p50"], rows["cleo"]["pltv_90_p50"]] == [0.0, 4.5]


@pytest.mark.parametrize("poison", [("u0",), ("u3", "u8"), ("u12",), tuple(f"u{n}" for n in range(13))])
def test_a_poison_row_gets_a_fallback_and_the_others_keep_their_scores(poison: tuple[str, ...]) -> None:
    given = states({f"u{number}": 100 * (number + 1) for number in range(13)}, visitors=("cleo",))
    clean = rows_of(scorer().scored(given, Mirror()))
    rows = rows_of(scorer().scored(given, Mirror(poison)))
    assert set(rows) == set(clean)
    for user, row in rows.items():
        if user in poison:
            assert [row["score_source"], row["pltv_30"], row["pltv_90"]] == ["fallback", 1.5, 4.5]
        else:
            assert row == clean[user]


def test_an_error_that_no_row_causes_is_not_hidden_behind_fallbacks() -> None:
    given = states({"anna": 2_000, "bert": 500})
    with pytest.raises(MemoryError):
        scorer().scored(given, Mirror(("anna",), MemoryError("full")))


def test_a_horizon_that_nobody_saw_whole_is_marked_in_the_source(tmp_path: Path) -> None:
    for exposure, source in (((1.0, 1.0), "model"), ((1.0, 0.5), "model_through_anchor")):
        material = some_material(60, exposure=exposure)
        built = next(each for each in fit_baselines(material) if each.name == "spend_rate")
        anchors = material.anchors.at_origin()
        made = bundle.write(tmp_path, kind=built.kind, config=built.config, files=built.files, anchors=anchors)
        ours = users.scorer_of({"bundle": made.digest, "digest": made.digest}, str(tmp_path), NIGHT, ShopSettings())
        rows = rows_of(ours.scored(states({"anna": 2_000}, visitors=("cleo",)), predict.open_predictor(made)))
        assert [rows["anna"]["score_source"], rows["cleo"]["score_source"]] == [source, "segment_mean"]


def test_another_bundle_in_the_place_of_the_promoted_one_is_refused(tmp_path: Path) -> None:
    material = some_material(60)
    anchors = material.anchors.at_origin()
    one, other = (
        bundle.write(tmp_path, kind=each.kind, config=each.config, files=each.files, anchors=anchors)
        for each in fit_baselines(material)[:2]
    )
    shutil.rmtree(one.path)
    shutil.copytree(other.path, one.path)
    with pytest.raises(BundleRefused, match=f"promoted one with digest {one.digest}, actual {other.digest}"):
        users.scorer_of({"bundle": one.digest, "digest": one.digest}, str(tmp_path), NIGHT, ShopSettings())


def test_nobody_to_ask_about_is_no_question() -> None:
    examples = some_nobody()
    spoken, said = said_of(Mirror(), examples, NEVER)
    assert (len(spoken), len(said), said.mean.shape) == (0, 0, (0, 2))


def some_nobody() -> Examples:
    from ltv_features.project import project

    whole = project(states({"anna": 2_000}), as_of_us=midnight_us(NIGHT))
    return whole.take(np.zeros(0, np.int64))


def test_an_empty_batch_gives_no_batch_and_a_full_one_all_its_rows(tmp_path: Path) -> None:
    made = rate_bundle(tmp_path)
    given = states({"anna": 2_000, "bert": 500}, visitors=("cleo",))
    batches = [state.empty().to_batches() or [pa.RecordBatch.from_pylist([], schema=given.schema)], given.to_batches()]
    ours = scorer(bundle=str(made.path), digest=made.digest)
    answers = list(ours(iter([batch for part in batches for batch in part])))
    assert [answer.num_rows for answer in answers] == [3]
    sources = {user: row["score_source"] for user, row in rows_of(answers[0]).items()}
    assert sources == {"anna": "model", "bert": "model", "cleo": "segment_mean"}


def test_a_worker_refuses_a_bundle_that_is_not_the_promoted_one(tmp_path: Path) -> None:
    made = rate_bundle(tmp_path)
    with pytest.raises(BundleRefused, match="changed under us"):
        list(scorer(bundle=str(made.path), digest="0" * 16)(iter(states({"anna": 1}).to_batches())))
