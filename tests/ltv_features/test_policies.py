"""What a shop wishes for blank values, values above its own limits, free purchases, and rows that say the same."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ltv_features.errors import TooManyBadRows
from ltv_features.tables import Lake
from tests.ingest_shop import Shop

pytestmark = pytest.mark.spark

COLUMNS = {
    "user": "who", "event_type": "type", "time": "when", "order": "bill", "item": "sku", "quantity": "n",
    "unit_price": "price", "discounts": ["off"], "rating": "stars", "dwell_seconds": "seconds", "promotion": "campaign",
    "currency": "money",
}  # fmt: skip
HEADER = "who,type,when,bill,sku,n,price,off,stars,seconds,campaign,money\n"


def shop_with(lake: Lake, folder: Path, events: dict[str, Any], **limits: Any) -> Shop:
    return Shop(lake, folder, {"log": {"events": {"columns": COLUMNS, "history": True, **events}}}, **limits)


def test_a_blank_value_is_filled_where_its_event_type_has_one_and_counted(lake: Lake, tmp_path: Path) -> None:
    fill = {"quantity": 2, "item": "unknown", "currency": "USD", "rating": 3, "dwell_seconds": 5}
    shop = shop_with(lake, tmp_path, {"blank": {"fill": fill}})
    shop.deliver("log", HEADER + (
        "u1,purchase,2026-01-01,b1,,,1.25,,,,,\n"
        "u1,review,2026-01-02,,s1,,,,,,,\n"
        "u1,view,2026-01-03,,,,,,,,,\n"
        "u1,purchase,2026-01-04,b2,s2,3,2,,,,,USD\n"
    ))  # fmt: skip
    assert shop.run() == {"log": (4, 4, {})}
    facts = ("event_type", "item_id", "quantity", "amount_minor", "rating", "dwell_seconds", "currency")
    assert {tuple(row) for row in lake.read("events").select(*facts).collect()} == {
        ("purchase", "unknown", 2, 250, 0, 0, "USD"),
        ("purchase", "s2", 3, 600, 0, 0, "USD"),
        ("review", "s1", 0, 0, 3, 0, None),
        ("view", None, 0, 0, 0, 5, None),
    }
    noted = {f"{fact}_filled": 1 for fact in ("quantity", "item", "currency", "rating", "dwell_seconds")}
    assert lake.read("quality").first()["noted"] == noted


@pytest.mark.slow
def test_a_blank_value_is_what_the_customer_last_said_before_and_never_what_is_said_later(
    lake: Lake, tmp_path: Path
) -> None:
    blank = {"last_known": ["quantity", "item"], "fill": {"quantity": 1}}
    shop = shop_with(lake, tmp_path, {"blank": blank})
    line = "{},purchase,2026-01-{},b{},{},{},1.00,,,,,USD\n".format
    shop.deliver("log", HEADER + "".join([
        line("u1", "03", 3, "", ""), line("u1", "02", 2, "s2", "4"), line("u1", "01", 1, "s1", "9"),
        line("u1", "04", 4, "s4", "7"), line("u2", "03", 5, "s5", ""), line("u1", "03", 6, "s6", "8"),
    ]))  # fmt: skip
    assert shop.run() == {"log": (6, 6, {})}
    shop.deliver(
        "log", HEADER + line("u1", "05", 7, "", "") + line("u2", "04", 8, "", "") + line("u3", "04", 9, "", "")
    )
    assert shop.run() == {"log": (3, 2, {"quarantined": 1})}
    found = {row[0]: row[1:] for row in shop.column("events", "order_id", "item_id", "quantity", "amount_minor")}
    assert found["b3"] == ("s2", 4, 400)
    assert found["b5"] == ("s5", 1, 100)
    assert found["b7"] == ("s4", 7, 700)
    assert found["b8"] == ("s5", 1, 100)
    assert shop.column("quarantine", "reason") == ["item_missing"]
    (first, second) = [row["noted"] for row in lake.read("quality").orderBy("raw_version").collect()]
    assert first == {"item_last_known": 1, "quantity_last_known": 1, "quantity_filled": 1}
    assert second == {"item_last_known": 2, "quantity_last_known": 2}


def test_events_that_come_late_are_counted(lake: Lake, tmp_path: Path) -> None:
    shop = shop_with(lake, tmp_path, {"history": False})
    times = ("2026-01-31 00:00:00", "2026-01-30 00:00:00", "2026-01-29 23:59:59", "2026-01-10", "2025-12-01")
    shop.deliver("log", HEADER + "".join(f"u1,login,{when},,,,,,,,,\n" for when in times))
    assert shop.run() == {"log": (5, 4, {"quarantined": 1})}
    assert lake.read("quality").first()["noted"] == {"late": 2}


REFUSE = ["order", "quantity", "rating", "dwell_seconds", "promotion"]
BLANKS = [
    "u1,purchase,2026-01-01,,s1,1,1,,,,,USD", "u1,purchase,2026-01-01,b1,s1,,1,,,,,USD",
    "u1,review,2026-01-01,,s1,,,,,,,", "u1,view,2026-01-01,,s1,,,,,,,",
    "u1,promotion_received,2026-01-01,,,,,,,,,", "u1,login,2026-01-01,,,,,,,,,",
]  # fmt: skip
FIVE = ["u1,purchase,2026-01-01,b1,s1,1,5.01,,,,,USD", "u1,purchase,2026-01-01,b2,s1,1,5,,,,,USD"]
WISHED: dict[str, tuple[dict[str, Any], list[str], list[int], list[tuple[int, str]]]] = {
    "filled": (
        {"blank": {"fill": {"amount": 9.99}}},
        ["u1,purchase,2026-01-01,b1,s1,1,,,,,,USD", "u1,login,2026-01-02,,,,,,,,,"], [0, 999], [],
    ),
    "by_unit": (
        {},
        ["u1,purchase,2026-01-01,b1,s1,,5.00,,,,,USD", "u1,purchase,2026-01-02,b2,s1,1,x,,,,,USD"],
        [], [(0, "quantity_missing"), (1, "amount_unreadable")],
    ),
    "blanks": (
        {"blank": {"refuse": REFUSE}}, BLANKS, [0],
        [(0, "order_missing"), (1, "quantity_missing"), (2, "rating_missing"), (3, "dwell_missing"),
         (4, "promotion_missing")],
    ),
    "for_nothing": (
        {"zero_amount": "quarantine"},
        ["u1,purchase,2026-01-01,b1,s1,1,0,,,,,USD", "u1,view,2026-01-01,b2,s1,,,,,,,"], [0], [(0, "amount_zero")],
    ),
    "capped": ({"caps": {"amount": {"above": 5, "then": "cap"}}}, FIVE, [500, 500], []),
    "set_apart": ({"caps": {"amount": {"above": 5, "then": "set_apart"}}}, FIVE, [500], [(0, "amount_set_apart")]),
    "deleted": ({"caps": {"amount": {"above": 5, "then": "delete"}}}, FIVE, [500], [(0, "amount_deleted")]),
}  # fmt: skip
"""By source: its wishes, its rows, the amounts of its events in minor units, and what is refused."""


@pytest.fixture(scope="module")
def wished(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """One night of all these sources."""
    folder = tmp_path_factory.mktemp("wished")
    mapped = {name: {"columns": COLUMNS, "history": True, **said} for name, (said, *_) in WISHED.items()}
    shop = Shop(
        Lake(spark, str(folder / "lake")), folder, {name: {"events": events} for name, events in mapped.items()}
    )
    for name, (_, rows, *_) in WISHED.items():
        shop.deliver(name, HEADER + "\n".join(rows) + "\n")
    shop.run()
    return shop


@pytest.mark.parametrize("source", WISHED)
def test_a_source_keeps_fills_caps_and_refuses_what_its_shop_wishes(wished: Shop, source: str) -> None:
    _, _, amounts, refused = WISHED[source]
    assert (
        sorted(minor for name, minor in wished.column("events", "source", "amount_minor") if name == source) == amounts
    )
    rows = [row for row in wished.lake.read("quarantine").collect() if row["source"] == source]
    assert sorted((row["row_number"], row["reason"]) for row in rows) == refused
    assert [bool(row["raw"]) for row in rows] == [source != "deleted"] * len(rows)


def test_a_wish_makes_no_bad_source(wished: Shop) -> None:
    valid = {row["source"] for row in wished.lake.read("quality").where("validity = 1").collect()}
    assert valid == {"filled", "capped", "set_apart", "deleted"}


def test_a_wish_beside_an_error_does_not_excuse_it(lake: Lake, tmp_path: Path) -> None:
    caps = {"quantity": {"above": 5, "then": "set_apart"}}
    shop = shop_with(lake, tmp_path, {"caps": caps}, max_bad_share=0.4)
    shop.deliver("log", HEADER + "u1,purchase,2026-01-01,b1,s1,6,x,,,,,USD\nu1,purchase,2026-01-01,b2,s1,1,5,,,,,USD\n")
    with pytest.raises(TooManyBadRows, match=r"actual 50.0% of 2 rows \(amount_unreadable 1\)"):
        shop.run()


@pytest.mark.slow
def test_rows_that_say_the_same_are_one_event_where_the_source_asks_for_it(lake: Lake, tmp_path: Path) -> None:
    twice = "x1,u1,purchase,2026-01-01,b1,s1,1,5\nx2,u1,purchase,2026-01-01,b1,s1,1,5.00\n"
    header = "id,who,type,when,bill,sku,n,price\n"
    columns = {name: column for name, column in COLUMNS.items() if str(column) in header.strip().split(",")} | {
        "event_id": "id"
    }
    shop = Shop(lake, tmp_path, {
        "by_id": {"events": {"columns": columns, "history": True}},
        "by_content": {"events": {"columns": columns, "history": True, "dedupe": "content"}},
    })  # fmt: skip
    for source in ("by_id", "by_content"):
        shop.deliver(source, header + twice)
    assert shop.run() == {"by_id": (2, 2, {}), "by_content": (2, 1, {"duplicates": 1})}
    shop.deliver("by_content", header + "x3,u1,purchase,2026-01-01,b1,s1,1,5.0\nx4,u1,purchase,2026-01-01,b1,s2,1,5\n")
    assert shop.run() == {"by_content": (2, 1, {"duplicates": 1})}


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"blank": {"refuse": ["rating"], "fill": {"rating": 3}}}, "rating: either refuse a blank value or fill it"),
        ({"caps": {"discount": {"above": 1, "then": "cap"}}}, "caps speaks of discount, but no column is mapped to it"),
        ({"blank": {"fill": {"quantity": 1}}}, "blank.fill speaks of quantity, but no column is mapped to it"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(lake: Lake, tmp_path: Path, policy: Any, message: str) -> None:
    columns = {"user": "who", "time": "when", "amount": "price", **({"rating": "stars"} if "blank" in policy else {})}
    with pytest.raises(ValueError, match=message):
        Shop(lake, tmp_path, {"log": {"events": {"event_type": "purchase", "columns": columns, **policy}}})
