"""A Delta table of the shop's own lands like files: its first state, then commit after commit, each once."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from delta.tables import DeltaTable

from ltv_features.columns import needed_columns
from ltv_features.config import FeatureConfig
from ltv_features.errors import ContractBroken, InputMissing
from ltv_features.ingest import ingest
from ltv_features.land import land, look_over, raw_table, unaccounted
from ltv_features.rebuild import rebuild
from ltv_features.sources import SourceSettings
from ltv_features.tables import Lake
from tests.ingest_shop import DAY
from tests.killing import Killed, arm

pytestmark = [pytest.mark.spark, pytest.mark.slow]

NOW = datetime(2027, 1, 1, tzinfo=UTC)
SCHEMA = "who string, when timestamp, bill string, paid decimal(10,2), day date"


class Log:
    """The shop's table, partitioned by day, and the lake that takes it in."""

    def __init__(self, lake: Lake, folder: Path) -> None:
        self.lake, self.path = lake, str(folder / "shop log")
        self.source = SourceSettings(path=self.path, format="delta")

    def add(self, *rows: tuple[str, str, str, str], files: int = 1) -> None:
        frame = self.lake.spark.createDataFrame(rows, "who string, when string, bill string, paid string")
        frame = frame.selectExpr(
            "who", "cast(when as timestamp) when", "bill", "cast(paid as decimal(10,2)) paid", "to_date(when) day"
        )
        frame.repartition(files).write.format("delta").mode("append").partitionBy("day").save(self.path)

    def land(self) -> list[tuple[Any, ...]]:
        landing = look_over(self.lake, "log", self.source, needed=("who",))
        land(self.lake, landing, landed_ts=NOW)
        for _, hop in unaccounted(self.lake, "log"):
            assert hop.unexplained == 0
        rows = self.lake.read(raw_table("log")).selectExpr("who", "bill", "cast(paid as string)", "cast(day as string)")
        return sorted(tuple(row) for row in rows.collect())


@pytest.fixture
def log(lake: Lake, tmp_path: Path) -> Log:
    """A table with two commits."""
    log = Log(lake, tmp_path)
    log.add(("u1", "2026-01-01 10:00:00", "b1", "1.50"), ("u2", "2026-01-02 10:00:00", "b2", "2.00"), files=2)
    log.add(("u1", "2026-01-03 10:00:00", "b3", "3.00"))
    return log


def test_every_landing_takes_commit_after_commit_each_once(log: Log) -> None:
    first = [("u1", "b1", "1.50", "2026-01-01"), ("u1", "b3", "3.00", "2026-01-03"), ("u2", "b2", "2.00", "2026-01-02")]
    assert log.land() == first
    version = log.lake.version("raw_log")
    assert log.land() == first
    assert log.lake.version("raw_log") == version
    log.add(("u3", "2026-01-04 10:00:00", "b4", "4.00"), ("u3", "2026-01-05 10:00:00", "b4", "4.00"))
    log.add(("u4", "2026-01-04 10:00:00", "b5", "5.00"))
    new = [("u3", "b4", "4.00", "2026-01-04"), ("u3", "b4", "4.00", "2026-01-05"), ("u4", "b5", "5.00", "2026-01-04")]
    assert log.land() == sorted(first + new)
    marks = {row["_file_sha256"] for row in log.lake.read("raw_log").select("_file_sha256").collect()}
    assert {mark.split("@")[1] for mark in marks} == {"0", "1", "2", "3"}


def test_rows_land_with_the_time_of_their_commit_and_a_number_of_their_own(log: Log) -> None:
    log.land()
    rows = (
        log.lake.read("raw_log")
        .selectExpr("_landed_ts < timestamp'2027-01-01' as of_commit", "_landed_ts", "_file_sha256", "_row_number")
        .collect()
    )
    assert all(row["of_commit"] for row in rows)
    assert len({(row["_file_sha256"], row["_row_number"]) for row in rows}) == 3
    assert len({row["_landed_ts"] for row in rows}) == 2


def test_equal_lines_of_one_commit_both_live_wherever_their_files_lie(log: Log, lake: Lake) -> None:
    log.add(*[("u9", "2026-01-09 10:00:00", "b9", "9.00")] * 4, files=2)
    events = {
        "event_type": "purchase", "history": True,
        "columns": {"user": "who", "time": "when", "order": "bill", "amount": "paid"},
    }  # fmt: skip
    sources = {"log": {"path": log.path, "format": "delta", "events": events}}
    settings = FeatureConfig.model_validate({"lake": {"root": lake.root}, "sources": sources})
    landing = look_over(lake, "log", settings.sources["log"], needed=needed_columns("log", settings.sources))
    land(lake, landing, landed_ts=NOW)
    (hop,) = ingest(lake, settings, as_of=DAY, run_id="r")
    assert (hop.rows_in, hop.rows_out) == (7, 7)


def settings_of(log: Log, lake: Lake, **events: Any) -> FeatureConfig:
    columns = {"user": "who", "time": "when", "order": "bill", "amount": "paid"}
    mapping = {"event_type": "purchase", "columns": columns, **events}
    sources = {"log": {"path": log.path, "format": "delta", "events": mapping}}
    return FeatureConfig.model_validate(
        {"lake": {"root": lake.root}, "sources": sources, "ingest": {"max_bad_share": 1.0}}
    )


def ingested(log: Log, lake: Lake, **events: Any) -> list[tuple[int, int, dict[str, int]]]:
    settings = settings_of(log, lake, **events)
    landing = look_over(lake, "log", settings.sources["log"], needed=needed_columns("log", settings.sources))
    land(lake, landing, landed_ts=NOW)
    hops = ingest(lake, settings, as_of=DAY, run_id="r")
    return [(hop.rows_in, hop.rows_out, {name: n for name, n in hop.accounted.items() if n}) for hop in hops]


def test_a_line_of_two_commits_is_a_repetition_also_where_both_arrive_at_once(log: Log, lake: Lake) -> None:
    log.add(("u1", "2026-01-01 10:00:00", "b1", "1.50"))
    assert ingested(log, lake, history=True) == [(4, 3, {"duplicates": 1})]


def test_a_commit_is_read_with_the_columns_of_its_own_version(log: Log, lake: Lake) -> None:
    log.land()
    log.add(("u7", "2026-01-07 10:00:00", "b7", "7.00"))
    wider = lake.spark.createDataFrame([("u8", "b8", "web")], "who string, bill string, channel string")
    wider = wider.selectExpr("*", "timestamp'2026-01-08 10:00:00' when", "date'2026-01-08' day")
    wider.write.format("delta").mode("append").option("mergeSchema", "true").save(log.path)
    assert [row[:2] for row in log.land()][-2:] == [("u7", "b7"), ("u8", "b8")]


def test_rows_taken_back_come_to_events_with_a_rebuild_and_count_nobody_twice(log: Log, lake: Lake) -> None:
    assert ingested(log, lake, history=True) == [(3, 3, {})]
    log.add(("u5", "2020-01-05 10:00:00", "b5", "5.00"), ("u6", "2199-01-05 10:00:00", "b5", "5.00"))
    DeltaTable.forPath(lake.spark, log.path).delete("who = 'u2'")
    with pytest.raises(ContractBroken, match=r"DELETE in version 3; next: .* python -m jobs\.operate rebuild log"):
        ingested(log, lake)
    for _ in range(2):
        (hop,) = rebuild(lake, settings_of(log, lake), "log", as_of=DAY, run_id="r")
        assert (hop.rows_in, hop.rows_out, hop.accounted["quarantined"]) == (4, 3, 1)
        events = lake.read("events").select("source", "user_id", "order_id").collect()
        assert sorted(map(tuple, events)) == [("log", "u1", "b1"), ("log", "u1", "b3"), ("log", "u5", "b5")]
    assert lake.feed("events", 0, 1).where("_change_type = 'delete'").count() == 3
    log.add(("u9", "2026-01-09 10:00:00", "b9", "9.00"))
    assert ingested(log, lake, history=True) == [(1, 1, {})]


def test_a_rebuild_that_was_killed_before_its_events_were_replaced_is_finished_by_the_next_night(
    log: Log, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ingested(log, lake, history=True) == [(3, 3, {})]
    DeltaTable.forPath(lake.spark, log.path).delete("who = 'u2'")
    arm(monkeypatch, "events", after=False)
    with pytest.raises(Killed):
        rebuild(lake, settings_of(log, lake, history=True), "log", as_of=DAY, run_id="r")
    monkeypatch.undo()
    assert ingested(log, lake, history=True) == [(2, 2, {})]
    assert {row["user_id"] for row in lake.read("events").select("user_id").collect()} == {"u1"}
    assert ingested(log, lake, history=True) == []


def test_rearranged_files_bring_nothing_and_rows_taken_back_are_refused_by_name(log: Log) -> None:
    before = log.land()
    DeltaTable.forPath(log.lake.spark, log.path).optimize().executeCompaction()
    assert log.land() == before
    DeltaTable.forPath(log.lake.spark, log.path).delete("who = 'u2'")
    with pytest.raises(ContractBroken, match=r"commits .* that only add rows, actual DELETE in version"):
        log.land()


def test_what_cannot_be_landed_is_said(log: Log, lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match=r"no Delta table at .*nowhere; next: check sources.log.path"):
        look_over(lake, "log", SourceSettings(path=str(tmp_path / "nowhere"), format="delta"), needed=())
    with pytest.raises(ContractBroken, match=r"'whom' \(did you mean 'who'\?\)"):
        look_over(lake, "log", log.source, needed=("whom",))
    lake.spark.sql(
        f"ALTER TABLE delta.`{log.path}` SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name', "
        "'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5')"
    )
    with pytest.raises(ContractBroken, match="renames its columns"):
        log.land()
