"""After a mapping is corrected, a replay turns refused rows into events; nothing is lost or counted twice."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ltv_features.config import FeatureConfig
from ltv_features.errors import InputMissing
from ltv_features.replay import replay
from ltv_features.tables import Lake
from tests.ingest_shop import DAY, HEADER, ORDERS, Shop
from tests.killing import Killed, arm

pytestmark = [pytest.mark.spark, pytest.mark.slow]

FIRST = HEADER + "u1,2026-01-01,b1,s1,1\nu1,02.01.2026,b2,s2,2\nu1,02.01.2026,b2,s2,2\nu2,never,b3,s1,3\n"
SECOND = HEADER + "u2,03.01.2026,b4,s3,4\nu2,2026-01-04,b5,s1,5\n,04.01.2026,b6,s1,5\n"


def told(hop: Any) -> tuple[int, int, dict[str, int]]:
    return hop.rows_in, hop.rows_out, {name: rows for name, rows in hop.accounted.items() if rows}


def corrected(shop: Shop) -> Shop:
    changed = shop.settings.model_dump()
    changed["sources"]["orders"]["events"]["time_formats"] = ["yyyy-MM-dd", "dd.MM.yyyy"]
    shop.settings = FeatureConfig.model_validate(changed)
    return shop


@pytest.fixture(scope="module")
def refused(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Two deliveries with dates that the mapping cannot read, ingested; made once, every test has a copy."""
    folder = tmp_path_factory.mktemp("refused")
    shop = Shop(
        Lake(spark, str(folder / "lake")), folder / "files", {"orders": {"events": {**ORDERS, "history": True}}}
    )
    for text in (FIRST, SECOND):
        shop.deliver("orders", text)
        shop.run()
    return shop


@pytest.fixture
def shop(refused: Shop, lake: Lake, tmp_path: Path) -> Shop:
    return refused.copied(lake, tmp_path / "files")


def again(shop: Shop) -> tuple[int, int, dict[str, int]]:
    (hop,) = replay(shop.lake, shop.settings, "orders", as_of=DAY, run_id="r")
    return told(hop)


def test_what_is_good_under_the_corrected_mapping_leaves_the_quarantine(shop: Shop, tmp_path: Path) -> None:
    held = shop.column("quarantine", "raw_version", "row_number")
    assert again(shop) == (4, 0, {"quarantined": 4})
    assert shop.column("quarantine", "raw_version", "row_number") == held
    assert again(corrected(shop)) == (4, 3, {"quarantined": 1})
    assert shop.column("quarantine", "raw_version", "row_number", "reason") == [(held[2][0], 3, "time_unreadable")]
    assert shop.column("events", "order_id", "amount_minor") == [
        ("b1", 100),
        ("b2", 200),
        ("b2", 200),
        ("b4", 400),
        ("b5", 500),
    ]
    assert "s3" in shop.column("items", "item_id")
    replays = [row for row in shop.lake.read("ledger").collect() if row["hop"] == "orders: replay"]
    assert sorted((row["rows_in"], row["rows_out"]) for row in replays) == [(4, 0), (4, 3)]


def test_events_of_a_replay_are_those_of_an_ingest_that_was_right_at_once(
    shop: Shop, lake: Lake, tmp_path: Path
) -> None:
    again(corrected(shop))
    right = corrected(Shop(Lake(lake.spark, str(tmp_path / "right")), tmp_path / "r", {"orders": {"events": ORDERS}}))
    right.settings = right.settings.model_copy(update={"sources": {"orders": shop.settings.sources["orders"]}})
    for text in (FIRST, SECOND):
        right.deliver("orders", text)
        right.run()
    columns = lake.read("events").columns
    assert shop.column("events", *columns) == right.column("events", *columns)
    assert shop.column("quarantine", "row_number", "reason") == right.column("quarantine", "row_number", "reason")


def test_killed_between_events_and_quarantine_a_second_replay_only_clears(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrected(shop)
    whole = Lake.replace

    def killed(lake: Lake, rows: Any, table: Any, **rest: Any) -> int:
        if table.name == "quarantine":
            raise KeyboardInterrupt
        return whole(lake, rows, table, **rest)

    monkeypatch.setattr(Lake, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        again(shop)
    monkeypatch.undo()
    assert len(shop.column("quarantine", "row_number")) == 4
    events = shop.lake.version("events")
    again(shop)
    assert (shop.lake.version("events"), shop.column("quarantine", "row_number")) == (events, [3])
    hops = [row for row in shop.lake.read("ledger").collect() if row["hop"] == "orders: replay"]
    assert [(row["rows_in"], row["rows_out"]) for row in hops] == [(4, 3)]


def test_links_of_a_replay_that_was_killed_are_no_repetitions(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signups = {"event_type": "signup", "history": True, "columns": {"user": "who", "time": "when"}}
    links = {"visitor": "cookie", "user": "who", "time": "linked"}
    shop = Shop(lake, tmp_path, {"logins": {"events": signups, "links": links}})
    lines = ["u1,2026-01-01,c1,2026-01-01", "u2,2026-01-02,c2,02.01.2026", "u3,2026-01-03,c3,never"]
    for some in (lines[:1], lines[1:]):  # two commits: the mark of a replay is no version of the raw table
        shop.deliver("logins", "\n".join(["who,when,cookie,linked", *some, ""]))
    shop.run()
    changed = shop.settings.model_dump()
    changed["sources"]["logins"]["links"]["time_formats"] = ["dd.MM.yyyy"]
    shop.settings = FeatureConfig.model_validate(changed)
    arm(monkeypatch, "links", after=True)
    with pytest.raises(Killed):
        replay(lake, shop.settings, "logins", as_of=DAY, run_id="r")
    monkeypatch.undo()
    (hop,) = replay(lake, shop.settings, "logins", as_of=DAY, run_id="r")
    assert told(hop) == (2, 1, {"quarantined": 1})
    assert shop.column("links", "visitor_id", "user_id") == [("c1", "u1"), ("c2", "u2")]
    assert shop.column("quarantine", "row_number") == [1]


def test_rows_that_wait_to_be_ingested_are_in_the_way_of_a_replay(shop: Shop) -> None:
    shop.deliver("orders", HEADER + "u9,2026-01-09,b9,s1,1\n", landed=datetime(2026, 2, 1, tzinfo=UTC))
    with pytest.raises(InputMissing, match="rows wait to be ingested"):
        again(shop)
    shop.run()
    shop.lake._table("raw_orders").delete("bill = 'b3'")
    with pytest.raises(InputMissing, match="rows wait to be ingested"):
        again(shop)


def test_without_refused_rows_nothing_happens(lake: Lake, tmp_path: Path) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": ORDERS}})
    shop.deliver("orders", HEADER + "u1,2026-01-30,b1,s1,1\n")
    shop.run()
    before = shop.versions()
    assert replay(lake, shop.settings, "orders", as_of=DAY, run_id="r") == []
    assert shop.versions() == before
