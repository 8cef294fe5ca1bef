"""A visitor who turns out to be a customer: the links, the night that learns of it, and what was not known before."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ltv_features import state
from ltv_features.arrow import arrow_schema
from ltv_features.contract import KERNEL_EVENTS, LINKS
from ltv_features.tables import Lake
from ltv_train.score import guards
from tests.builders import DAY, event, kernel_events
from tests.ingest_shop import Shop as Delivering
from tests.night_shop import FIRST, Shop

pytestmark = pytest.mark.spark

VISITS = {
    "event_type": "view", "history": True,
    "columns": {"user": "who", "visitor": "cookie", "time": "when", "item": "sku"},
}  # fmt: skip
LOGINS = {"visitor": "cookie", "user": "who", "time": "when"}


def views_of(lake: Lake, user: str, days: int) -> int:
    """The views that the user's state of the night counts."""
    (row,) = lake.at_night("user_state", FIRST + timedelta(days)).where(f"user_id = '{user}'").collect()
    return sum(day["views"] for day in row["days"])


@pytest.mark.slow
def test_visitors_are_kept_and_links_are_added_once_conflicts_set_aside(lake: Lake, tmp_path: Path) -> None:
    shop = Delivering(lake, tmp_path, {"web": {"events": VISITS}, "logins": {"links": LOGINS}})
    shop.deliver("web", "who,cookie,when,sku\n,c1,2026-01-01,s1\nu1,c1,2026-01-02,s1\n,,2026-01-03,s1\n")
    rows = ["c1,u1,2026-01-02", "c1,u1,2026-01-05", "c1,u2,2026-01-06", ",u1,2026-01-02", "c2,,2026-01-02", "c3,u3,x"]
    shop.deliver("logins", "\n".join(["cookie,who,when", *rows, ""]))
    assert shop.run() == {
        "web": (3, 2, {"anonymous": 1}),
        "logins: links": (6, 1, {"anonymous": 1, "duplicates": 1, "quarantined": 3}),
    }
    assert shop.column("events", "user_id", "user_key", "visitor_id")[0][::2] == ("", "c1")
    assert shop.column("links", "visitor_id", "user_id", "linked_ts") == [("c1", "u1", datetime(2026, 1, 2))]
    reasons = [(2, "link_conflict"), (3, "visitor_missing"), (5, "time_unreadable")]
    assert shop.column("quarantine", "row_number", "reason") == reasons
    shop.deliver(
        "logins", "cookie,who,when\nc1,u9,2026-01-01\nc4,u4,2026-01-07\n", landed=datetime(2026, 2, 1, tzinfo=UTC)
    )
    assert shop.run()["logins: links"] == (2, 1, {"quarantined": 1}), "only what is new is read"
    assert len(shop.column("quarantine", "row_number")) == 4
    assert shop.column("links", "visitor_id", "user_id") == [("c1", "u1"), ("c4", "u4")]


@pytest.mark.slow
def test_the_night_that_learns_of_a_link_takes_the_visitors_past_in(lake: Lake) -> None:
    shop = Shop(lake)
    shop.events([shop.event("u1", 0.5), shop.event("u2", 0.5), shop.visit("v", 0.2), shop.visit("w", 0.2)])
    shop.night(1)
    assert {row.user_id for row in lake.read("user_state").collect()} == {"u1", "u2"}
    shop.events([shop.visit("v", 1.5), shop.event("u1", 1.6, "view")])
    shop.links([("v", "u1", 2.0)])
    shop.night(2)  # the link holds from this midnight on
    assert views_of(lake, "u1", 2) == 1
    shop.night(3)
    shop.hold(3)
    assert views_of(lake, "u1", 3) == 3
    assert guards.audit_problems(lake, FIRST + timedelta(3)) == []
    shop.links([("w", "u2", 0.3)])  # learned late
    shop.events([shop.visit("w", 0.1), shop.visit("v", 3.5)])
    shop.night(4)
    shop.hold(4)
    assert (views_of(lake, "u1", 4), views_of(lake, "u2", 4)) == (4, 2)
    lake.spark.sql(f"DELETE FROM delta.`{lake.path(LINKS.name)}` WHERE visitor_id = 'v'")
    shop.night(5)
    shop.hold(5)
    assert views_of(lake, "u1", 5) == 1


def test_examples_know_a_linked_event_from_the_link_on() -> None:
    """A visit of day 3 whose customer was told on day 12 is not in the state at day 10, and is at day 20."""
    rows = [event("a", "purchase", 1, order_key=1), event("a", "view", 3, known_us=12 * DAY), event("a", "view", 11)]
    events = kernel_events(rows)
    counts = [table["days"].to_pylist() for _, table in state.states_at(events, [10 * DAY, 20 * DAY])]
    assert [sum(day["views"] for day in days[0]) for days in counts] == [0, 2]
    whole = state.build(events, as_of_us=20 * DAY)
    last = list(state.states_at(events, [10 * DAY, 20 * DAY]))[-1][1]
    assert last.equals(whole)
    assert pa.Table.from_pylist(rows, schema=arrow_schema(KERNEL_EVENTS))["known_us"].to_numpy().max() == 12 * DAY
    assert np.all(events["ts_us"].to_numpy() < 20 * DAY)
