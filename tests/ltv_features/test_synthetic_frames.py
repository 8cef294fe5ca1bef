"""Spark makes the same shop as NumPy, however it is cut; and ingest accounts for every bad row of a dirty one."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs._entry import Settings
from ltv_features import synthetic_frames as frames
from ltv_features.columns import needed_columns
from ltv_features.ingest import ingest
from ltv_features.land import land, look_over
from ltv_features.strict import load
from ltv_features.synthetic import DIRT, LOG, Campaigns, Form, Shop, Shoppers, expected_spend_minor, log
from ltv_features.synthetic.delivery import configuration, lines, log_text, write_shop
from ltv_features.synthetic.dirt import CORRUPT, PLANTED
from ltv_features.tables import Lake

pytestmark = pytest.mark.spark

SHOP = Shop(
    users=250, days=45, seed=5, refund_share=0.2, review_share=0.4, anonymous_visits=0.5, browsing=0.0,
    campaigns=Campaigns(every_days=20),
)  # fmt: skip
DIRTY = Form(dirt={dirt.kind: 0.05 for dirt in DIRT})


def ingested(lake: Lake, folder: Path) -> tuple[int, int, dict[str, int]]:
    """The hop of the first night of a delivered log; the other sources, which have no bad rows, stay outside."""
    settings = load(folder / "shop.toml", Settings)
    settings = settings.model_copy(update={"sources": {LOG: settings.sources[LOG]}})
    landing = look_over(lake, LOG, settings.sources[LOG], needed=needed_columns(LOG, settings.sources))
    land(lake, landing, landed_ts=datetime(2026, 1, 1, tzinfo=UTC))
    [hop] = ingest(lake, settings, as_of=SHOP.start, run_id="r")
    return hop.rows_in, hop.rows_out, dict(hop.accounted)


def refused(lake: Lake) -> dict[str, int]:
    """Quarantined rows of the log by reason; no whole line is refused by more than the one rule that it breaks."""
    rows = lake.read("quarantine").where(F.col("source") == LOG).select("reason", "rules").collect()
    assert {tuple(row.rules) for row in rows if row.reason != CORRUPT} == {(row.reason,) for row in rows} - {(CORRUPT,)}
    return dict(Counter(row.reason for row in rows))


@pytest.mark.slow
def test_ingest_finds_every_bad_row_for_its_reason_and_leaves_the_clean_shop(lake: Lake, tmp_path: Path) -> None:
    account = write_shop(tmp_path, SHOP, DIRTY)
    quarantined = sum(account.quarantined.values())
    parts = {"anonymous": account.anonymous, "duplicates": account.duplicates, "quarantined": quarantined}
    assert ingested(lake, tmp_path) == (account.rows, account.events, parts)
    assert refused(lake) == account.quarantined
    assert min(account.quarantined.values()) > 0
    clean = log(SHOP).filter(pc.field("customer").is_valid()).to_pylist()
    kept = lake.read("events").select("event_id", "user_id", "event_type", "amount_minor", "event_ts").collect()
    assert {(row.event_id, row.user_id, row.event_type, row.amount_minor, row.event_ts) for row in kept} == {
        (
            row["event_id"], row["customer"], row["type"], int(100 * (row["amount"] or 0)),
            row["time"].replace(tzinfo=None),
        )
        for row in clean
    }  # fmt: skip


def sorted_rows(table: pa.Table) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in table.column_names]).combine_chunks()


def test_partitions_and_blocks_change_no_row(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = replace(SHOP, users=90)
    monkeypatch.setattr(frames, "BLOCK", 20)
    whole = sorted_rows(log(shop))
    for partitions in (1, 3):
        made = frames.log_frame(spark, shop, partitions=partitions).toArrow()
        assert sorted_rows(made.cast(whole.schema)).equals(whole)
    dirty = frames.log_text_frame(spark, shop, DIRTY, partitions=2).toArrow()
    expected = log_text(shop, DIRTY)
    assert sorted_rows(dirty.cast(expected.schema)).equals(sorted_rows(expected))


def test_the_truth_of_spark_is_the_truth_of_numpy(spark: SparkSession) -> None:
    shoppers = Shoppers.of(SHOP, SHOP.numbers)
    known = (shoppers.joined_day < 40) & ~shoppers.guest
    rows = frames.truth_frame(spark, SHOP, 40, 30, partitions=2).orderBy("customer").collect()
    for name in ("gross", "net"):
        truth = expected_spend_minor(SHOP, shoppers, 40, 30, net=name == "net")[known]
        assert [row[f"{name}_minor"] for row in rows] == truth.tolist()


def test_files_written_by_spark_hold_the_same_lines_and_account(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = replace(SHOP, users=50)
    monkeypatch.setattr(frames, "BLOCK", 20)
    frames.write_sources(spark, shop, DIRTY, str(tmp_path), partitions=2)
    (tmp_path / "shop.toml").write_text(configuration(shop, DIRTY))
    delivered = log_text(shop, DIRTY)
    found = [file.read_text().splitlines() for file in (tmp_path / "log").glob("part-*")]
    header = ",".join(name for name in delivered.column_names if name != PLANTED)
    assert [part[0] for part in found] == [header] * 2
    assert sorted(line for part in found for line in part[1:]) == sorted(lines(delivered).to_pylist())
    assert frames.account(spark, shop, DIRTY, partitions=2).rows == len(delivered)
