"""A night is published once, and held with its reason when anything about it is wrong."""

from pathlib import Path

import pytest
from delta.tables import DeltaTable
from pyspark.errors import PythonException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import publish_night
from ltv_features import as_of, contract, ledger
from ltv_features.errors import GateHeld, InputMissing
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake
from ltv_train.score import guards, nights
from ltv_train.score.users import eligible_states
from tests.score_world import ELIGIBLE, NIGHT, copy_world, run_in

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def lake(spark: SparkSession, scored_world: Path) -> Lake:
    return run_in(scored_world, spark).lake


@pytest.fixture(scope="module")
def scores(lake: Lake) -> DataFrame:
    return lake.read("scores").cache()


@pytest.fixture(scope="module")
def states(lake: Lake) -> DataFrame:
    return eligible_states(lake, NIGHT).select("user_id").cache()


def test_a_night_as_it_was_scored_has_no_problem(scores: DataFrame, states: DataFrame) -> None:
    assert guards.row_problems("scores", scores, states) + guards.score_problems(scores) == []
    guards.hold([], NIGHT)


def test_a_missing_row_is_a_problem(scores: DataFrame, states: DataFrame) -> None:
    problems = guards.row_problems("scores", scores.where("user_id != 'anna'"), states)
    assert problems == ["scores: 1 eligible users have no row, 0 rows are of no eligible user"]


def test_a_user_twice_is_a_problem(scores: DataFrame, states: DataFrame) -> None:
    problems = guards.row_problems("scores", scores.union(scores.where("user_id = 'anna'")), states)
    assert problems == ["scores: 6 rows for 5 users; expected one each"]


def test_a_stranger_is_a_problem(scores: DataFrame, states: DataFrame) -> None:
    problems = guards.row_problems("scores", scores, states.where("user_id != 'bert'"))
    assert problems == ["scores: 0 eligible users have no row, 1 rows are of no eligible user"]


@pytest.mark.parametrize("number", ["double('NaN')", "double('Infinity')", "-1D", "CAST(NULL AS DOUBLE)"])
def test_a_number_that_is_none_is_a_problem(number: str, scores: DataFrame) -> None:
    said = F.when(F.col("user_id") == "cleo", F.expr(number)).otherwise(F.col("pltv_30_p50"))
    problems = guards.score_problems(scores.withColumn("pltv_30_p50", said))
    assert problems == ["scores: 1 rows with a number that is missing, negative or not finite"]


def test_only_what_may_be_unknown_may_be_missing(scores: DataFrame) -> None:
    assert {row["expected_next_order_value"] is None for row in scores.where("user_id = 'cleo'").collect()} == {True}
    assert guards.score_problems(scores.withColumn("expected_next_order_days", F.lit(None).cast("double"))) == []
    for wrong in ("double('NaN')", "-1D"):
        spoilt = scores.withColumn("expected_next_order_days", F.expr(wrong))
        assert guards.score_problems(spoilt) == ["scores: 5 rows with a number that is missing, negative or not finite"]


def test_a_model_that_fails_for_more_than_a_stray_user_is_a_problem(scores: DataFrame) -> None:
    for failed, expected in (
        (["anna"], []),
        (["anna", "bert"], ["scores: the model failed for 2 of 5 users; next: read the log"]),
    ):
        source = F.when(F.col("user_id").isin(failed), "fallback").otherwise(F.col("score_source"))
        assert guards.score_problems(scores.withColumn("score_source", source)) == expected


def test_every_reason_is_in_the_message_that_holds_the_night() -> None:
    with pytest.raises(GateHeld, match=r"night 2026-04-01 is held.*2 guard\(s\)\n  - one\n  - two"):
        guards.hold(["one", "two"], NIGHT)


def spoil(spark: SparkSession, folder: Path) -> Lake:
    """A ledger that lost two rows, and a state whose stored profile nobody ever said."""
    lake = run_in(folder, spark).lake
    row = ("ingest_events", NIGHT, "digest", "raw to events", 10, 7, {"quarantined": 1}, "test")
    lake.upsert(spark.createDataFrame([row], spark_schema(contract.LEDGER)), contract.LEDGER)
    state = DeltaTable.forPath(spark, lake.path("user_state"))
    state.update("user_id = 'bert'", {"profile": F.lit('{"made":"up"}')})
    return lake


def test_a_spoilt_ledger_and_a_tampered_state_hold_the_night(
    spark: SparkSession, scored_world: Path, tmp_path: Path
) -> None:
    lake = spoil(spark, copy_world(scored_world, tmp_path / "world"))
    with pytest.raises(GateHeld) as held:
        publish_night.main(run_in(tmp_path / "world", spark))
    assert "2 guard(s)" in str(held.value)
    assert "ledger: ingest_events, raw to events: 10 in, 7 out" in str(held.value)
    assert "self-audit: 2 rows of user_state differ" in str(held.value)
    assert nights.published(lake, NIGHT) is None


@pytest.mark.parametrize("door", ["happened_before", "valid_before"])
def test_the_self_audit_finds_a_door_to_time_that_stands_open(
    scored_world: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    lake = run_in(scored_world, spark).lake
    assert guards.audit_problems(lake, NIGHT) == []
    monkeypatch.setattr(as_of, door, lambda rows, *_, **__: rows)
    with pytest.raises(PythonException, match="FutureLeak"):
        guards.audit_problems(lake, NIGHT)


def test_a_shop_with_items_needs_its_recommendations(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "audit_problems", lambda *_: [])
    made = {"scores": str(lake.committed("scores", NIGHT)), "recommendations": "of this night"}
    problems = guards.problems_of(lake, NIGHT, made)
    assert problems == ["recommendations: none for this night; next: python -m jobs recommend_items"]


def test_scores_of_states_that_were_made_again_since_are_not_published(
    spark: SparkSession, scored_world: Path, tmp_path: Path
) -> None:
    run = run_in(copy_world(scored_world, tmp_path / "world"), spark)
    states = run.lake.read("user_state")
    run.lake.replace(states, contract.USER_STATE, as_of=NIGHT, input_digest="late events came", facts=noted(run.lake))
    ledger.record(
        run.lake,
        job="build_features",
        as_of=NIGHT,
        input_digest="late events came",
        run_id="",
        hops=[ledger.Hop("events", 0, 0)],
    )
    with pytest.raises(GateHeld, match=r"1 guard\(s\)\n  - scores: made before .* next: python -m jobs score_users"):
        publish_night.main(run)
    assert nights.published(run.lake, NIGHT) is None


def noted(lake: Lake) -> dict:
    """What the newest commit of the states says it was made from."""
    _, note = lake.night_until("user_state", NIGHT) or (None, {})
    return {name: note[name] for name in ("inputs", "base")}


def test_a_night_of_two_bundles_is_not_published(scored_world: Path, spark: SparkSession, tmp_path: Path) -> None:
    lake = run_in(copy_world(scored_world, tmp_path / "world"), spark).lake
    scores = DeltaTable.forPath(spark, lake.path("scores"))
    scores.update("user_id = 'anna'", {"model_digest": F.lit("another")})
    with pytest.raises(GateHeld, match=r"scores are of 2 bundles: .*another"):
        nights.night_row(lake, NIGHT, input_digest="d", run_id="r")


def test_a_published_night_names_versions_and_digests_and_is_published_once(
    spark: SparkSession, published_world: Path
) -> None:
    lake = run_in(published_world, spark).lake
    row = nights.published(lake, NIGHT)
    assert row is not None
    assert row["table_versions"] == {
        name: lake.version(name)
        for name in ("events", "users", "items", "user_state", "user_items", "scores", "models")
    }
    model = lake.read("models").first()
    assert (row["model_digest"], row["recommender_digest"]) == (model.digest, "")
    assert (row["eligible_users"], row["run_id"]) == (len(ELIGIBLE), "test")
    before = lake.version("nights")
    publish_night.main(run_in(published_world, spark, run_id="again"))
    assert lake.version("nights") == before
    assert lake.read("nights").count() == 1


def test_a_night_without_scores_is_not_published(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="score_users"):
        publish_night.main(run_in(tmp_path, spark))
