"""An ingest that is killed right after any of its commits, and run again, equals one that was not.

To die before a commit is to die after the one before it.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ltv_features.errors import RowsUnexplained
from ltv_features.tables import Lake
from tests.ingest_shop import HEADER, ORDERS, Shop
from tests.killing import Killed, arm

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SOURCES: dict[str, Any] = {
    "orders": {"events": {**ORDERS, "history": True, "columns": {**ORDERS["columns"], "visitor": "cookie"}}},
    "web": {"events": {"event_type": "view", "history": True, "columns": {"user": "who", "time": "when"}}},
    "people": {"users": {"user": "who", "valid_from": "always", "attributes": ["town"]}},
    "things": {"items": {"item": "sku", "category": "kind"}},
    "logins": {"links": {"visitor": "cookie", "user": "who", "time": "when"}},
}
WITH_COOKIE = HEADER.strip() + ",cookie\n"
FIRST = {
    "orders": WITH_COOKIE + "u1,2026-01-01,b1,s1,1,\n,2026-01-02,b2,s2,2,c1\nu2,x,b3,s1,3,\n",
    "web": "who,when\nu1,2026-01-01\n",
    "people": "who,town\nu1,Ulm\n",
    "things": "sku,kind\ns1,tea\n",
    "logins": "cookie,who,when\nc1,u1,2026-01-03\n",
}
SECOND = {
    "orders": WITH_COOKIE + "u1,2026-01-01,b1,s1,1,\nu3,2026-01-05,b5,s3,5,\nu3,never,b6,s1,1,\n",
    "web": "who,when\nu1,2026-01-01\nu2,2026-01-06\n",
    "people": "who,town\nu3,Bonn\n",
    "things": "sku,kind\ns3,cups\ns1,green tea\n",
    "logins": "cookie,who,when\nc2,u3,2026-01-06\nc1,u9,2026-01-07\n",
}
LATER = datetime(2026, 2, 1, tzinfo=UTC)
TABLES = ("quarantine", "quality", "users", "items", "links", "ledger", "events")
POINTS = (*TABLES[:-1], "ingested", "events", "events")
"""The last two: between the sources of events, and after both."""


def tables_of(shop: Shop) -> dict[str, list[str]]:
    """Every table's rows as text, what tells runs apart left out."""
    told = {}
    for name in TABLES:
        rows = shop.lake.read(name).drop("run_id", "raw_version", "input_digest")
        told[name] = sorted(str(row.asDict()) for row in rows.collect())
    return told


def test_killed_anywhere_and_run_again_equals_one_clean_run(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = Shop(lake, tmp_path / "of clean", {name: dict(source) for name, source in SOURCES.items()})
    for source, text in FIRST.items():
        clean.deliver(source, text)
    clean.run()
    for source, text in SECOND.items():
        clean.deliver(source, text, landed=LATER)
    torn = clean.copied(Lake(lake.spark, str(tmp_path / "torn")), tmp_path / "of torn")
    clean.run()
    died = []
    for table in POINTS:
        arm(monkeypatch, table, after=True)
        try:
            torn.run()
        except Killed:
            died.append(table)
        monkeypatch.undo()
    assert died == list(POINTS)
    torn.run()
    assert tables_of(torn) == tables_of(clean)
    assert torn.run() == {}


def recounted(shop: Shop) -> list[tuple[int, int]]:
    """Rows noted and rows found of every commit of events that was counted again."""
    rows = shop.lake.read("ledger").where("hop = 'orders: events committed'").collect()
    return [(row["rows_in"], row["rows_out"]) for row in rows]


def test_a_commit_of_events_that_nobody_counted_again_is_counted_by_the_next_run(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": ORDERS}})
    shop.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1\nu2,2026-01-02,b2,s2,2\n")
    arm(monkeypatch, "events", after=True)
    with pytest.raises(Killed):
        shop.run()
    monkeypatch.undo()
    assert recounted(shop) == []
    assert shop.run() == {}
    assert recounted(shop) == [(2, 2)]


def test_events_that_got_lost_in_a_run_that_was_killed_are_missed_by_every_run_after_it(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": ORDERS}})
    shop.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1\nu2,2026-01-02,b2,s2,2\n")
    whole = Lake.append

    def lossy(lake: Lake, rows: Any, *rest: Any, **more: Any) -> None:
        whole(lake, rows.limit(1), *rest, **more)
        raise Killed

    monkeypatch.setattr(Lake, "append", lossy)
    with pytest.raises(Killed):
        shop.run()
    monkeypatch.undo()
    for _ in range(2):
        with pytest.raises(RowsUnexplained, match=r"expected 2 events in version 0 of .*events, actual 1; next: move"):
            shop.run()
    (tmp_path / "lake" / "events").rename(tmp_path / "moved")
    assert shop.run() == {"orders": (2, 2, {})}
    assert recounted(shop) == [(2, 2)]
    shop.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1\n")
    assert shop.run() == {"orders": (1, 0, {"duplicates": 1})}  # brings no event, so another table has its mark
    (tmp_path / "lake" / "events").rename(tmp_path / "moved again")
    assert shop.run() == {"orders": (3, 2, {"duplicates": 1})}
