"""What lies between a night that was held, killed or silent and the next one: rows that came, went or never arrived."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ltv_features import controls
from ltv_features.config import FeatureConfig
from ltv_features.errors import TooManyBadRows
from ltv_features.ingest import ingest
from ltv_features.replay import replay
from ltv_features.tables import Lake
from tests.ingest_shop import DAY, HEADER, ORDERS, Shop
from tests.killing import Killed, arm

pytestmark = [pytest.mark.spark, pytest.mark.slow]

HISTORY = {**ORDERS, "history": True}
LATER = datetime(2026, 2, 1, tzinfo=UTC)
BAD = "u1,2026-01-01,b1,s1,1\nu1,02.01.2026,b2,s2,2\n"


def reads_german_dates(shop: Shop) -> Shop:
    changed = shop.settings.model_dump()
    changed["sources"]["orders"]["events"]["time_formats"] = ["yyyy-MM-dd", "dd.MM.yyyy"]
    shop.settings = FeatureConfig.model_validate(changed)
    return shop


def test_a_delivery_between_a_held_night_and_its_release_counts_each_refused_row_once(
    lake: Lake, tmp_path: Path
) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": dict(HISTORY)}}, max_bad_share=0.1)
    shop.deliver("orders", HEADER + BAD)
    with pytest.raises(TooManyBadRows):
        shop.run()
    shop.deliver("orders", HEADER + "u1,2026-01-03,b3,s1,1\n", landed=LATER)
    controls.say(lake, DAY, "ingest/orders", controls.RELEASE, reason="known", who="me")
    assert shop.run() == {"orders": (3, 2, {"quarantined": 1})}
    assert shop.column("quarantine", "raw_version", "row_number", "reason") == [(1, 1, "time_unreadable")]
    assert shop.column("quality", "raw_version", "rows_in", "quarantined") == [(1, 3, 1)]
    (hop,) = replay(lake, reads_german_dates(shop).settings, "orders", as_of=DAY, run_id="r")
    assert (hop.rows_in, hop.rows_out) == (1, 1)
    assert shop.column("events", "order_id") == ["b1", "b2", "b3"]


def test_a_delivery_between_a_killed_run_and_the_next_is_in_one_account(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": dict(HISTORY)}})
    shop.deliver("orders", HEADER + BAD)
    arm(monkeypatch, "events", after=False)
    with pytest.raises(Killed):
        shop.run()
    monkeypatch.undo()
    shop.deliver("orders", HEADER + "u1,2026-01-03,b3,s1,1\n", landed=LATER)
    for table in ("ledger", "quality"):  # right after what the first run said of its rows is taken back
        arm(monkeypatch, table, after=True)
        with pytest.raises(Killed):
            shop.run("between")
        monkeypatch.undo()
    assert shop.run("second") == {"orders": (3, 2, {"quarantined": 1})}
    committed = ("orders: events committed", 2, 2)
    assert shop.column("ledger", "hop", "rows_in", "rows_out") == [("orders", 3, 2), committed]
    assert shop.column("quarantine", "raw_version", "row_number") == [(1, 1)]
    assert shop.column("quality", "raw_version", "rows_in") == [(1, 3)]


def test_rows_erased_from_the_raw_table_stop_nothing_and_stay_away(lake: Lake, tmp_path: Path) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": dict(HISTORY)}})
    shop.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1\nu2,2026-01-01,b1,s1,1\nu2,x,b2,s1,1\n")
    shop.run()
    shop.deliver("orders", HEADER + "u1,2026-01-02,b3,s1,1\nu2,2026-01-02,b4,s1,1\n", landed=LATER)
    for table, person in (("raw_orders", "who = 'u2'"), ("events", "user_id = 'u2'")):
        lake._table(table).delete(person)
    assert shop.run() == {"orders": (2, 1, {"erased": 1})}
    assert shop.run() == {}
    shop.deliver("orders", HEADER + "u1,2026-01-03,b5,s1,1\n", landed=LATER + timedelta(1))
    assert shop.run() == {"orders": (1, 1, {})}
    assert shop.column("events", "user_id", "order_id") == [("u1", "b1"), ("u1", "b3"), ("u1", "b5")]


def test_a_refused_row_that_was_erased_leaves_the_quarantine_with_the_replay(lake: Lake, tmp_path: Path) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": dict(HISTORY)}})
    shop.deliver("orders", HEADER + "u1,02.01.2026,b1,s1,1\nu2,x,b2,s1,1\nu3,y,b3,s1,1\n")
    shop.run()
    lake._table("raw_orders").delete("who = 'u2'")
    shop.run()
    (hop,) = replay(lake, reads_german_dates(shop).settings, "orders", as_of=DAY, run_id="r")
    assert (hop.rows_in, hop.rows_out, hop.accounted["erased"], hop.accounted["quarantined"]) == (3, 1, 1, 1)
    assert shop.column("quarantine", "row_number") == [2]


def test_where_no_source_delivers_freshness_is_judged_and_holds_the_night(lake: Lake, tmp_path: Path) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": dict(ORDERS)}}, max_age_days=3, on_problem="hold")
    shop.deliver("orders", HEADER + "u1,2026-01-31,b1,s1,1\n")
    shop.run()
    late = DAY + timedelta(10)
    for _ in range(2):
        with pytest.raises(TooManyBadRows, match=r"an event of the last 3 days, actual newest 11\.0 days before"):
            ingest(lake, shop.settings, as_of=late, run_id="r2")
    (told,) = [row for row in lake.read("quality").collect() if row["as_of"] == late]
    assert (told["rows_in"], len(told["problems"])) == (0, 1)
    controls.say(lake, late, "ingest/orders", controls.RELEASE, reason="holidays", who="me")
    assert ingest(lake, shop.settings, as_of=late, run_id="r2") == []


def test_where_no_source_delivers_volume_is_judged_and_holds_the_night(lake: Lake, tmp_path: Path) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": dict(ORDERS)}}, on_problem="hold")
    shop.deliver("orders", HEADER + "u1,2026-01-31,b1,s1,1\n")
    shop.run()
    with pytest.raises(TooManyBadRows, match=r"0\.2 to 5 times the usual 1 rows, actual 0"):
        ingest(lake, shop.settings, as_of=DAY + timedelta(1), run_id="r2")


def test_refused_profiles_and_links_of_a_source_with_events_are_kept_judged_and_replayed(
    lake: Lake, tmp_path: Path
) -> None:
    signups = {"event_type": "signup", "history": True, "columns": {"user": "who", "time": "when"}}
    source: dict[str, Any] = {
        "events": signups,
        "users": {"user": "who", "valid_from": "since", "attributes": ["town"]},
        "links": {"visitor": "cookie", "user": "who", "time": "linked"},
        "items": {"item": "sku"},
    }
    shop = Shop(lake, tmp_path, {"orders": source}, max_bad_share=0.3)
    shop.deliver("orders", "who,when,since,town,cookie,linked,sku\n" + (
        "u1,2026-01-01,2026-01-01,Ulm,c1,2026-01-01,s1\nu2,2026-01-02,02.01.2026,Bonn,c2,03.01.2026,\n"
    ))  # fmt: skip
    with pytest.raises(TooManyBadRows, match=r"'orders: links'(.|\n)*") as held:
        shop.run()
    assert "'orders: users': expected at most 30.0% refused rows, actual 50.0% of 2 rows" in str(held.value)
    controls.say(lake, DAY, "ingest/orders", controls.RELEASE, reason="known", who="me")
    assert shop.run() == {
        "orders": (2, 2, {}),
        "orders: users": (2, 1, {"quarantined": 1}),
        "orders: items": (2, 1, {"unrelated": 1}),
        "orders: links": (2, 1, {"quarantined": 1}),
    }
    assert shop.column("quarantine", "kind", "row_number") == [("links", 1), ("users", 1)]
    changed = shop.settings.model_dump()
    for kind in ("users", "links"):
        changed["sources"]["orders"][kind]["time_formats"] = ["dd.MM.yyyy"]
    shop.settings = FeatureConfig.model_validate(changed)
    hops = replay(lake, shop.settings, "orders", as_of=DAY, run_id="r")
    told = {hop.name: (hop.rows_in, hop.rows_out) for hop in hops}
    assert told == {"orders: users: replay": (1, 1), "orders: links: replay": (1, 1)}
    assert shop.column("users", "user_id") == ["u1", "u2"]
    assert shop.column("links", "visitor_id") == ["c1", "c2"]
    assert shop.column("quarantine", "kind") == []
    assert replay(lake, shop.settings, "orders", as_of=DAY, run_id="r") == []


def test_a_delivery_without_a_good_row_adds_no_version_of_events(lake: Lake, tmp_path: Path) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": dict(HISTORY)}})
    shop.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1\nu1,x,b2,s2,2\n")
    shop.run()
    before = shop.versions()
    shop.deliver("orders", HEADER, landed=LATER)
    assert shop.run() == {"orders": (0, 0, {})}
    assert shop.run() == {}
    assert {**shop.versions(), "ledger": 0} == {**before, "ledger": 0}
    before = shop.versions()
    for _ in range(2):
        (hop,) = replay(lake, shop.settings, "orders", as_of=DAY, run_id="r")
        assert (hop.rows_in, hop.rows_out, hop.accounted["quarantined"]) == (1, 0, 1)
    assert {**shop.versions(), "ledger": 0} == {**before, "ledger": 0}


def test_people_and_things_that_came_before_are_not_read_or_judged_again(lake: Lake, tmp_path: Path) -> None:
    sources: dict[str, Any] = {
        "people": {"users": {"user": "who", "valid_from": "since", "attributes": ["town"]}},
        "things": {"items": {"item": "sku", "category": "kind"}},
    }
    shop = Shop(lake, tmp_path, sources, max_bad_share=0.5)
    shop.deliver("people", "who,since,town\n" + "".join(f"u{n},2026-01-01,Ulm\n" for n in range(9)) + "u9,x,Bonn\n")
    shop.deliver("things", "sku,kind\ns1,tea\n")
    assert shop.run() == {"people: users": (10, 9, {"quarantined": 1}), "things: items": (1, 1, {})}
    shop.deliver("people", "who,since,town\nv1,never,Ulm\nv2,never,Ulm\n", landed=LATER)
    with pytest.raises(TooManyBadRows, match=r"'people: users'.* actual 100.0% of 2 rows"):
        shop.run()
    controls.say(lake, DAY, "ingest/people", controls.RELEASE, reason="known", who="me")
    assert shop.run() == {"people: users": (2, 0, {"quarantined": 2})}
    assert shop.run() == {}
    assert shop.column("quarantine", "row_number") == [0, 1, 9]
    changed = shop.settings.model_dump()
    changed["sources"]["people"]["users"]["attributes"] = []
    shop.settings = FeatureConfig.model_validate(changed)
    assert shop.run() == {"people: users": (12, 9, {"quarantined": 3})}
    assert shop.column("quarantine", "row_number") == [0, 1, 9]
