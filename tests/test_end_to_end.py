"""The whole path on a tiny shop: every arrow, twice; and nothing from the future."""

from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs import (
    build_examples,
    build_features,
    evaluate,
    export_crm,
    ingest_events,
    land_files,
    publish_night,
    recommend_items,
    score_users,
    show_night,
    train,
    train_recommender,
)
from jobs._entry import Run
from ltv_features import controls
from ltv_features.contract import EVENT_TYPES
from ltv_features.tables import Lake
from ltv_train.bundle import load
from tests.tiny_world import AS_OF, FOUR_HORIZONS, settings_of, write_future, write_plain_shop, write_shop

pytestmark = [pytest.mark.spark, pytest.mark.slow]

PREPARE = (land_files, ingest_events, build_features, build_examples)
LEARN = (train, train_recommender, evaluate)
DELIVER = (score_users, recommend_items, publish_night, export_crm)
REFUSED = "c00001,soon,o_bad,i00001,1,1.00\n"


def night(spark: SparkSession, config: Path, jobs=PREPARE + LEARN + DELIVER, run_id: str = "test") -> Lake:
    """Runs the jobs for AS_OF and returns the lake."""
    run = Run(settings_of(config), AS_OF, run_id, spark)
    for job in jobs:
        job.main(run)
    return run.lake


def rows_of(lake: Lake, table: str) -> list[str]:
    """The rows of a table as sorted JSON text, without what names the run."""
    df = lake.read(table)
    kept = [name for name in df.columns if name not in ("run_id", "_landed_ts", "landed_ts", "input_digest")]
    return sorted(row.text for row in df.select(F.to_json(F.struct(*kept)).alias("text")).collect())


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Lake]:
    """A shop whose night has been run once."""
    config = write_shop(tmp_path_factory.mktemp("shop"), planted=REFUSED)
    lake = night(spark, config)
    controls.say(lake, AS_OF, controls.NIGHT, controls.RELEASE, reason="looked at", who="a person")
    return config, lake


def tables_of(lake: Lake) -> list[str]:
    """Every table of the lake."""
    return sorted(log.parent.name for log in Path(lake.root).glob("*/_delta_log"))


def test_every_known_user_has_one_score_with_numbers_that_make_sense(shop):
    _, lake = shop
    scores = lake.read("scores")
    known = {row.user_id for row in lake.read("user_state").select("user_id").collect()}
    rows = scores.collect()
    assert len(rows) == len({row.user_id for row in rows}) == len(known)
    for row in rows:
        assert 0 <= row.pltv_14 <= row.pltv_28
        assert 0 <= row.p_purchase_14 <= row.p_purchase_28 <= 1
        assert row.p_churn_28 <= 1 - row.p_purchase_28 + 1e-12  # who buys is active
        assert row.score_source in ("model", "model_through_anchor", "segment_mean", "fallback")
        assert 1 <= row.value_decile <= 10


def test_a_model_says_intervals_activity_the_named_period_and_the_next_order(shop):
    _, lake = shop
    said = lake.read("scores").where("score_source = 'model'").collect()
    assert len(said) > 50
    for row in said:
        assert 0 <= row.pltv_28_low <= row.pltv_28_p50 <= row.pltv_28_high
        assert row.pltv_14_high <= row.pltv_28_high
        assert row.pltv_fair >= 0
        assert 0 < row.p_purchase_fair < 1
        assert row.expected_next_order_value > 0
        assert (row.expected_next_order_days is None) == (row.p_purchase_28 < 0.5)
    assert any(row.p_churn_28 < 0.99 - row.p_purchase_28 for row in said)
    served = lake.read("models").where("purpose = 'value'").first()
    bundle = load(Path(lake.root, served.bundle))
    assert [each["name"] for each in bundle.config["named"]] == ["fair"]
    assert "conformal" in bundle.config
    exported = lake.read("crm_export").first().asDict()
    assert {"pltv_28_low", "pltv_28_high", "p_purchase_fair", "expected_next_order_days"} <= set(exported)


def test_the_export_holds_everybody_but_the_suppressed(shop):
    config, lake = shop
    exported = {row.user_id for row in lake.read("crm_export").collect()}
    scored = {row.user_id for row in lake.read("scores").collect()}
    assert "c00003" in scored
    assert exported == scored - {"c00003"}
    assert list((config.parent / "export" / "crm").glob("*/manifest.json"))


def test_every_hop_of_the_ledger_adds_up(shop):
    _, lake = shop
    for row in lake.read("ledger").collect():
        assert row.rows_in == row.rows_out + sum(row.accounted.values()), row
    jobs = {row.job for row in lake.read("ledger").collect()}
    assert jobs == {
        "land_files", "ingest_events", "build_features", "build_examples", "train", "train_recommender", "score_users",
        "recommend_items", "publish_night", "export_crm",
    }  # fmt: skip


def test_the_second_run_adds_no_row_and_no_version(spark, shop):
    config, lake = shop
    assert {*tables_of(lake)} >= {
        "controls", "crm_export", "events", "items", "ledger", "models", "nights", "quality", "quarantine",
        "raw_orders", "raw_views", "recommendations", "scores", "user_items", "user_state",
    }  # fmt: skip
    before = {name: (lake.version(name), rows_of(lake, name)) for name in tables_of(lake)}
    night(spark, config, run_id="again")
    assert {name: (lake.version(name), rows_of(lake, name)) for name in tables_of(lake)} == before


def test_a_night_is_shown_with_its_numbers_and_where_its_files_lie(spark, shop, capsys):
    config, lake = shop
    show_night.main(Run(settings_of(config), AS_OF + timedelta(40), "later", spark))  # the last one until then
    told = capsys.readouterr().out
    landed = sum(lake.read(name).count() for name in ("raw_orders", "raw_views"))
    lines = {tuple(line.split()) for line in told.splitlines()}
    assert ("night", str(AS_OF)) in lines
    assert ("rows", "landed", f"{landed:,}") in lines
    assert ("users", "scored", f"{lake.read('scores').count():,}") in lines
    assert "Recall@20" in told
    files = [Path(line[1]) for line in lines if line and line[0] in ("report", "export")]
    assert {file.name for file in files} == {"evaluation.html", "manifest.json", "part-00000.csv"}
    assert all(file.exists() for file in files)


def test_whatever_is_planted_at_and_after_as_of_changes_no_bit_of_scores_or_recommendations(spark, shop, tmp_path):
    _, lake = shop
    at = f"{AS_OF} 00:00:00.000000Z"
    planted = f"c00001,{at},o_future1,i00001,1,9999.00\nc_new,{AS_OF} 09:00:00.000000Z,o_future2,i_new,3,50.00\n"
    other = write_shop(tmp_path, planted=REFUSED + planted)
    more = write_future(other)
    with_future = night(spark, other, PREPARE + LEARN + (score_users, recommend_items), run_id="planted")
    events = with_future.read("events")
    assert events.count() == lake.read("events").count() + 2 + more
    assert {row.event_type for row in events.where(F.col("event_ts") >= F.lit(AS_OF)).collect()} == {*EVENT_TYPES}
    assert with_future.read("users").count() == 6
    assert rows_of(with_future, "user_state") == rows_of(lake, "user_state")
    without_names = [name for name in lake.read("scores").columns if name != "input_digest"]
    ours, theirs = (
        sorted(map(tuple, each.read("scores").select(*without_names).collect())) for each in (lake, with_future)
    )
    assert ours == theirs
    assert rows_of(with_future, "recommendations") == rows_of(lake, "recommendations")


def test_a_shop_without_items_order_ids_and_times_of_day_goes_all_the_way_over_four_periods(spark, tmp_path, caplog):
    config = write_plain_shop(tmp_path)
    caplog.set_level("INFO")
    lake = night(spark, config)
    known = {row.user_id for row in lake.read("user_state").select("user_id").collect()}
    scores = lake.read("scores").collect()
    assert sorted(row.user_id for row in scores) == sorted(known)
    for row in scores:
        assert row.p_churn_28 == pytest.approx(1 - row.p_purchase_28)
        for column in ("pltv_{}", "p_purchase_{}"):
            said = [row[column.format(days)] for days in FOUR_HORIZONS]
            assert 0 <= said[0] <= said[1] <= said[2] <= said[3]
    bought = {row.user_id: row.pltv_28 - row.pltv_7 for row in scores if row.score_source == "model"}
    assert min(bought.values()) > 0
    assert not lake.exists("recommendations")
    assert len([line for line in caplog.messages if "recommendations" in line and "items" in line]) == 1
    exported = lake.read("crm_export").collect()
    assert {row.user_id for row in exported} == known - {"c00003"}
    assert {row.top_items for row in exported} == {None}
    assert list((tmp_path / "export" / "crm").glob("*/manifest.json"))
