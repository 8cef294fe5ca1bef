"""What is said of an item counts from its date on: no event, night or cut-off before it sees it."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ltv_features.as_of import items_as_of
from ltv_features.kernel_input import kernel_events_as_of
from ltv_features.tables import Lake
from tests.ingest_shop import HEADER, ORDERS, Shop
from tests.night_shop import FIRST, ITEMS_THERE
from tests.night_shop import Shop as Nights

pytestmark = pytest.mark.spark

LATER = datetime(2026, 6, 1, tzinfo=UTC)
THINGS: dict[str, Any] = {"items": {"item": "sku", "valid_from": "since", "category": "kind"}}


def categories(lake: Lake, as_of: date) -> list[tuple[int, int]]:
    """item_no and category_no of the kernel's events, in order of time."""
    rows = kernel_events_as_of(lake, as_of).orderBy("ts_us").collect()
    return [(row["item_no"], row["category_no"]) for row in rows]


@pytest.mark.slow
def test_a_category_of_june_changes_no_event_before_june(lake: Lake, tmp_path: Path) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": {**ORDERS, "history": True}}, "things": dict(THINGS)})
    # what is said ahead is numbered after all that was seen by then, though the item itself was seen first
    shop.deliver("things", "sku,since,kind\na,2026-01-01,tea\nb,2026-01-01,tea\na,2026-06-05,ale\n")
    shop.deliver("orders", HEADER + "u,2025-12-31,1,a,1\nu,2026-01-01,1,a,1\nu,2026-01-02,2,b,1\nu,2026-01-03,3,c,1\n")
    shop.run()
    before = categories(lake, date(2026, 1, 10))
    assert before == [(1, 0), (1, 1), (2, 1), (3, 0)]
    shop.deliver("things", "sku,since,kind\nb,2026-06-01,wine\nc,2026-06-02,tea\n", landed=LATER)
    shop.deliver("orders", HEADER + "u,2026-05-31,4,b,1\nu,2026-06-01,5,b,1\nu,2026-06-03,6,c,1\n", landed=LATER)
    assert shop.run()["things: items"] == (2, 2, {})
    assert categories(lake, date(2026, 1, 10)) == before
    assert categories(lake, date(2026, 7, 1)) == [*before, (2, 1), (2, 3), (3, 1)]
    assert shop.column("items", "item_id", "item_no") == [
        ("a", 1), ("a", 1), ("b", 2), ("b", 2), ("c", 3), ("c", 3),
    ]  # fmt: skip
    for night, category in ((date(2026, 1, 1), 0), (date(2026, 6, 1), 1), (date(2026, 6, 2), 3)):
        told = {row["item_id"]: row["category_no"] for row in items_as_of(lake, night).collect()}
        assert told["b"] == category


def test_a_date_begins_at_midnight_of_its_zone_and_one_that_is_missing_or_unreadable_is_refused(
    lake: Lake, tmp_path: Path
) -> None:
    items = THINGS["items"] | {"time_zone": "Europe/Berlin"}
    makers = {"user": "maker", "valid_from": "since", "time_zone": "America/New_York"}
    shop = Shop(lake, tmp_path, {"things": {"items": items, "users": makers}})
    shop.deliver("things", "sku,since,kind,maker\na,,tea,m1\nb,soon,tea,m2\nc,2026-01-01,tea,m3\n")
    refused = {"quarantined": 2}
    assert shop.run() == {"things: items": (3, 1, refused), "things: users": (3, 1, refused)}
    reasons = [(kind, reason) for kind in ("items", "users") for reason in ("time_missing", "time_unreadable")]
    assert shop.column("quarantine", "kind", "reason") == reasons
    assert shop.column("items", "item_id", "valid_from") == [("c", datetime(2025, 12, 31, 23))]
    assert shop.column("users", "user_id", "valid_from") == [("m3", datetime(2026, 1, 1, 5))]


@pytest.mark.slow
def test_nights_that_go_on_equal_a_rebuild_whenever_a_dated_version_arrives(lake: Lake) -> None:
    shop = Nights(lake)
    midnight = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
    for night in range(1, 6):
        shop.events(shop.some_events(night))
        # of yesterday, which touches what was folded already; of tomorrow; of the day
        shop.items({ITEMS_THERE[night % 5]: night + 1}, midnight + timedelta(night + (-1.5, 1.0, 0.0)[night % 3]))
        shop.night(night)
        if night in (3, 5):
            shop.hold(night)
