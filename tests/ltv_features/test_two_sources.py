"""Two sources that speak of the same thing: what one does not speak of it takes away from nobody."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ltv_features.as_of import objectors
from ltv_features.tables import Lake
from tests.ingest_shop import Shop

pytestmark = [pytest.mark.spark, pytest.mark.slow]

LATER = datetime(2026, 2, 1, tzinfo=UTC)
DATED: dict[str, Any] = {"user": "who", "valid_from": "since"}
SOURCES: dict[str, Any] = {
    "people": {"users": {**DATED, "objects_to_profiling": "refuses"}},
    "club": {"users": dict(DATED)},
    "catalogue": {"items": {"item": "sku", "category": "kind", "brand": "maker"}},
    "titles": {"items": {"item": "sku", "title": "words"}},
    "logins": {"links": {"visitor": "cookie", "user": "who", "time": "at"}},
    "app": {"links": {"visitor": "cookie", "user": "who", "time": "at", "time_formats": ["epoch_millis"]}},
}
MILLIS = 1_767_225_600_000
"""2026-01-01 in milliseconds."""


def test_what_another_source_says_beside_it_stays(lake: Lake, tmp_path: Path) -> None:
    shop = Shop(lake, tmp_path, {name: dict(source) for name, source in SOURCES.items()})
    shop.deliver("people", "who,since,refuses\nu1,2025-01-01,yes\nu2,2025-01-01,yes\nu3,2025-01-01,no\n")
    shop.deliver("club", "who,since\nu1,2025-01-01\nu2,2025-06-01\n")
    shop.deliver("catalogue", "sku,kind,maker\ns1,tea,acme\n")
    shop.deliver("titles", "sku,words\ns1,Green tea\ns2,Cup\n")
    shop.deliver("logins", "cookie,who,at\nc1,u1,2026-01-01\nc2,u2,2026-01-02\n")
    in_millis = "".join(f"c{n},u{who},{MILLIS}\n" for n, who in ((1, 2), (2, 2), (3, 3), (5, 3), (6, 3)))
    shop.deliver("app", f"cookie,who,at\n{in_millis}c4,u3,{MILLIS // 1_000}\n")
    told = shop.run()
    assert told["logins: links"] == (2, 2, {})
    assert told["app: links"] == (6, 3, {"duplicates": 1, "quarantined": 2})
    assert shop.column("quarantine", "row_number", "reason") == [(0, "link_conflict"), (5, "time_unit_mistaken")]
    linked = [("c1", "u1"), ("c2", "u2"), *((f"c{n}", "u3") for n in (3, 5, 6))]
    assert shop.column("links", "visitor_id", "user_id") == linked
    assert sorted(row[0] for row in objectors(lake, by="user_id").collect()) == ["u1", "u2"]
    described = [("s1", "tea", "acme", "Green tea"), ("s2", None, None, "Cup")]
    assert shop.column("items", "item_id", "category", "brand", "title") == described
    shop.deliver("club", "who,since\nu1,2025-01-01\n", landed=LATER)
    shop.deliver("titles", "sku,words\ns1,Sencha\n", landed=LATER)
    shop.run()
    assert sorted(row[0] for row in objectors(lake, by="user_id").collect()) == ["u1", "u2"]
    assert shop.column("items", "item_id", "category", "title")[0] == ("s1", "tea", "Sencha")
    shop.deliver("people", "who,since,refuses\nu1,2025-01-01,no\n", landed=datetime(2026, 2, 2, tzinfo=UTC))
    shop.run()
    assert [row[0] for row in objectors(lake, by="user_id").collect()] == ["u2"]


@pytest.mark.parametrize("told_apart", ["content", "id"])
def test_a_row_that_comes_again_under_another_rate_is_still_the_same_row(
    lake: Lake, tmp_path: Path, told_apart: str
) -> None:
    columns = {"user": "who", "time": "when", "amount": "paid", "currency": "money"}
    events: dict[str, Any] = {"event_type": "purchase", "columns": columns}
    events |= {"dedupe": "content"} if told_apart == "content" else {"columns": {**columns, "event_id": "bill"}}
    rates = {"source": "rates", "currency": "code", "day": "day", "rate": "rate", "max_age_days": 3}
    shop = Shop(lake, tmp_path, {"orders": {"events": events}, "rates": {}}, shop={"currency": "EUR", "rates": rates})
    shop.deliver("rates", "code,day,rate\nUSD,2026-01-29,0.5\n")
    shop.deliver("orders", "bill,who,when,paid,money\nb1,u1,2026-01-30,10,USD\nb2,u1,2026-01-30,10.5,USD\n")
    assert shop.run()["orders"] == (2, 2, {})
    shop.deliver("rates", "code,day,rate\nUSD,2026-01-30,0.8\n", landed=LATER)
    again = "b1,u1,2026-01-30,10,USD\nb2,u1,2026-01-30,10.5,USD\nb3,u1,2026-01-30,11,USD\n"
    shop.deliver("orders", f"bill,who,when,paid,money\n{again}", landed=LATER)
    assert shop.run()["orders"] == (3, 1, {"duplicates": 2})
    assert shop.column("events", "amount_minor") == [500, 525, 880]
