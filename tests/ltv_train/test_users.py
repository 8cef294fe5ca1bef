"""Scores of a night through Spark: who gets a row, what it says, and that nothing but the inputs decides it."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import score_users
from ltv_features import contract, features
from ltv_features.config import ShopSettings
from ltv_features.cutoffs import midnight_us
from ltv_features.errors import BundleRefused, InputMissing
from ltv_features.increment import inputs_of
from ltv_features.kept import STATES
from ltv_features.project import project
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake
from ltv_train.config import ScoreSettings
from ltv_train.score import guards, users
from ltv_train.score.production import serving
from tests.score_world import ELIGIBLE, HORIZONS, NEVER, NIGHT, copy_world, plain_scores, run_in

pytestmark = pytest.mark.spark

TABLE = contract.scores(HORIZONS)


@pytest.fixture(scope="module")
def lake(spark: SparkSession, scored_world: Path) -> Lake:
    return run_in(scored_world, spark).lake


@pytest.fixture(scope="module")
def scores(lake: Lake) -> dict[str, dict]:
    rows = [row.asDict() for row in lake.read("scores").collect()]
    assert len(rows) == len({row["user_id"] for row in rows})
    return {row["user_id"]: row for row in rows}


def test_every_eligible_user_has_one_row_and_nobody_else(lake: Lake, scores: dict[str, dict]) -> None:
    stored = {row.user_id for row in lake.read("user_state").select("user_id").collect()}
    assert stored == ELIGIBLE | {"dora", "fred", "hugo"}
    assert set(scores) == ELIGIBLE
    assert {row["as_of"] for row in scores.values()} == {NIGHT}


def test_scores_are_what_predict_says_plainly(lake: Lake, scores: dict[str, dict], scored_world: Path) -> None:
    bought = lake.read("user_state").where(F.size("orders") > 0).where("user_id not in ('dora', 'hugo')")
    examples = project(bought.toArrow(), as_of_us=midnight_us(NIGHT))
    said = plain_scores(scored_world, examples)
    assert sorted(examples.user_id.to_pylist()) == ["anna", "bert", "gus"]
    for place, user in enumerate(examples.user_id.to_pylist()):
        row = scores[user]
        assert row["score_source"] == "model"
        for h, days in enumerate(HORIZONS):
            assert row[f"pltv_{days}"] == pytest.approx(said.mean[place, h] / 100, abs=1e-5)
            assert row[f"pltv_{days}_p50"] == pytest.approx(said.median[place, h] / 100, abs=1e-5)
            assert row[f"p_purchase_{days}"] == pytest.approx(said.p_purchase[place, h], abs=1e-5)
            assert row[f"p_churn_{days}"] == pytest.approx(said.p_churn[place, h], abs=1e-5)
    assert scores["anna"]["pltv_90"] > scores["bert"]["pltv_90"] > 0


def test_who_never_bought_gets_the_mean_of_those_who_never_bought(scores: dict[str, dict]) -> None:
    for user in ("cleo", "emil"):
        row = scores[user]
        assert row["score_source"] == "segment_mean"
        assert [row["pltv_30"], row["pltv_90"]] == [each / 100 for each in NEVER["mean_minor"]]
        assert [row["p_purchase_30"], row["p_purchase_90"]] == NEVER["p_purchase"]


def test_the_same_bits_come_out_of_any_number_of_partitions(lake: Lake) -> None:
    run_states = users.eligible_states(lake, NIGHT)
    scorer = users.scorer_of(serving(lake, NIGHT, "value"), lake.root, NIGHT, ShopSettings())
    said = []
    for partitions in (1, 2, 7):
        rows = users.score(run_states.repartition(partitions), scorer, TABLE).collect()
        said.append(sorted(tuple(v.hex() if isinstance(v, float) else v for v in row) for row in rows))
    assert said[0] == said[1] == said[2]
    assert len(said[0]) == len(ELIGIBLE)


def test_scores_that_nobody_accounted_for_are_counted_before_they_are_taken_as_done(
    spark: SparkSession, scored_world: Path, tmp_path: Path
) -> None:
    folder = copy_world(scored_world, tmp_path / "world")
    there = run_in(folder, spark).lake
    DeltaTable.forPath(spark, there.path("ledger")).delete("job = 'score_users'")  # killed between the two commits
    missing = "ledger: score_users left no account of scores; next: run it again"
    assert missing in guards.ledger_problems(there, NIGHT)
    version = there.version("scores")
    score_users.main(run_in(folder, spark))
    assert guards.ledger_problems(there, NIGHT) == []
    assert there.version("scores") == version


def test_who_makes_the_model_fail_has_a_row_and_a_note_in_quarantine(
    spark: SparkSession, scored_world: Path, tmp_path: Path
) -> None:
    there = run_in(copy_world(scored_world, tmp_path / "world"), spark).lake
    scores = there.read("scores").withColumn(
        "score_source", F.when(F.col("user_id") == "anna", "fallback").otherwise(F.col("score_source"))
    )
    before = there.read("quarantine").count() if there.exists("quarantine") else 0
    for _ in range(2):
        users.note_poison(there, scores, NIGHT, "digest")
    noted = there.read("quarantine").where(F.col("source") == users.QUARANTINED_BY).collect()
    assert [(row.reason, "anna" in row.raw) for row in noted] == [("model_failed", True)]
    users.note_poison(there, scores.where("user_id <> 'anna'"), NIGHT, "mended")
    assert there.read("quarantine").count() == before


def test_a_note_in_quarantine_is_not_lost_when_the_job_is_killed_beside_its_account(
    spark: SparkSession, scored_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_world(scored_world, tmp_path / "world")
    there = run_in(folder, spark).lake
    DeltaTable.forPath(spark, there.path("scores")).update("user_id = 'anna'", {"score_source": F.lit("fallback")})
    DeltaTable.forPath(spark, there.path("ledger")).delete("job = 'score_users'")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for step in ("ltv_train.score.users.note_poison", "ltv_features.ledger.record"):
        monkeypatch.setattr(step, killed)
        with pytest.raises(KeyboardInterrupt):
            score_users.main(run_in(folder, spark))
        monkeypatch.undo()
    score_users.main(run_in(folder, spark))
    noted = there.read("quarantine").where(F.col("source") == users.QUARANTINED_BY)
    assert [row.reason for row in noted.collect()] == ["model_failed"]


def test_a_model_of_other_horizons_is_refused(lake: Lake) -> None:
    scorer = users.scorer_of(serving(lake, NIGHT, "value"), lake.root, NIGHT, ShopSettings())
    users.hold_horizons(scorer, [30, 90])
    with pytest.raises(BundleRefused, match=r"expected horizons of \[30, 60\] days.*actual \[30, 90\]"):
        users.hold_horizons(scorer, [30, 60])


def test_scoring_again_adds_no_version(spark: SparkSession, lake: Lake, scored_world: Path) -> None:
    before = {name: lake.version(name) for name in ("scores", "ledger", "user_state")}
    score_users.main(run_in(scored_world, spark, run_id="again"))
    assert {name: lake.version(name) for name in before} == before
    assert not (scored_world / "lake" / "staging" / f"scores-{NIGHT}").exists()


def test_without_states_of_the_night_nothing_is_scored(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="build_features"):
        score_users.main(run_in(tmp_path, spark))
    assert not (tmp_path / "lake" / "scores").exists()


def unranked(spark: SparkSession, values: list[float]) -> DataFrame:
    kept = [c for c in TABLE.columns if c.name not in ("value_decile", "value_tier", "input_digest")]
    rows = [
        tuple(
            {"user_id": f"u{place:02}", "as_of": NIGHT, "pltv_90": value, "score_source": "model"}.get(c.name)
            for c in kept
        )
        for place, value in enumerate(values)
    ]
    return spark.createDataFrame(
        [
            tuple(
                0.0 if v is None and c.type == "float64" else "x" if v is None else v
                for v, c in zip(row, kept, strict=True)
            )
            for row in rows
        ],
        spark_schema(kept),
    )


def test_deciles_and_tiers_follow_the_rank_and_equal_values_share_them(spark: SparkSession) -> None:
    values = [float(20 - place) for place in range(10)] + [5.0] * 6 + [0.0] * 4
    rows = users.ranked(unranked(spark, values), TABLE, ScoreSettings(), "digest").orderBy("user_id").collect()
    assert [row.value_decile for row in rows] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, *[6] * 6, *[9] * 4]
    assert [row.value_tier for row in rows] == [*["high"] * 4, *["middle"] * 12, *["low"] * 4]
    assert {row.input_digest for row in rows} == {"digest"}
    assert np.isfinite([row.pltv_90 for row in rows]).all()


def test_when_all_are_worth_the_same_they_share_the_first_decile(spark: SparkSession) -> None:
    rows = users.ranked(unranked(spark, [3.0] * 5), TABLE, ScoreSettings(), "digest").collect()
    assert {(row.value_decile, row.value_tier) for row in rows} == {(1, "high")}


def test_an_earlier_night_reads_its_own_states_after_a_later_one_was_built(
    spark: SparkSession, scored_world: Path, tmp_path: Path
) -> None:
    folder = copy_world(scored_world, tmp_path / "world")
    there = run_in(folder, spark).lake
    before = sorted(map(tuple, users.eligible_states(there, NIGHT).collect()))
    later = NIGHT + timedelta(60)
    features.Night(there, later).bring(STATES, inputs_of(there), "later")
    assert sorted(map(tuple, users.eligible_states(there, NIGHT).collect())) == before
    assert sorted(map(tuple, users.eligible_states(there, later).collect())) != before
