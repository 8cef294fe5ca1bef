"""What other tables bring to events: lookups, rates, items and profiles."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ltv_features.errors import ContractBroken
from ltv_features.tables import Lake
from tests.ingest_shop import HEADER, ORDERS, Shop

pytestmark = pytest.mark.spark


def numbers(shop: Shop) -> dict[str, tuple[int, int, int]]:
    """item_no, category_no and brand_no by item."""
    rows = shop.lake.read("items").collect()
    return {row["item_id"]: (row["item_no"], row["category_no"], row["brand_no"]) for row in rows}


ITEM_SOURCE = {"items": {"item": "sku", "category": "kind", "brand": "maker"}}
PRODUCTS = "sku,kind,maker\na,tea,x\nb,wine,y\nc,tea,\nd,beer,x\nz,ale,w\n"


def test_a_lookup_brings_columns_and_a_miss_is_quarantined(lake: Lake, tmp_path: Path) -> None:
    mapping = {"event_type": "promotion_received", "columns": {"user": "who", "time": "start", "promotion": "c"}}
    lookup = {"source": "dates", "on": {"c": "id"}, "columns": ["start"]}
    shop = Shop(lake, tmp_path, {"sent": {"events": mapping, "lookup": lookup}, "dates": {}})
    shop.deliver("dates", "id,start,other\n1,2026-01-05,x\n")
    shop.deliver("sent", "who,c\nu1,1\nu2,2\n")
    assert shop.run() == {"sent": (2, 1, {"quarantined": 1})}
    assert shop.column("events", "user_id", "promotion_id", "event_ts") == [("u1", "1", datetime(2026, 1, 5))]
    assert shop.column("quarantine", "reason") == ["lookup_missed"]


def test_a_lookup_finds_a_key_in_whatever_unicode_form_either_side_spells_it(lake: Lake, tmp_path: Path) -> None:
    mapping = {"event_type": "promotion_received", "history": True, "columns": {"user": "who", "time": "start"}}
    lookup = {"source": "dates", "on": {"c": "id"}, "columns": ["start"]}
    shop = Shop(lake, tmp_path, {"sent": {"events": mapping, "lookup": lookup}, "dates": {}})
    shop.deliver("dates", "id,start\nCafe\u0301,2026-01-05\nTh\u00e9,2026-01-05\n")
    shop.deliver("sent", "who,c\nu1,Cafe\u0301\nu2,Caf\u00e9\nu3,The\u0301\n")
    assert shop.run() == {"sent": (3, 3, {})}


def test_a_lookup_with_two_answers_for_one_key_is_refused(lake: Lake, tmp_path: Path) -> None:
    mapping = {"event_type": "login", "columns": {"user": "who", "time": "start"}}
    lookup = {"source": "dates", "on": {"c": "id"}, "columns": ["start"]}
    shop = Shop(lake, tmp_path, {"sent": {"events": mapping, "lookup": lookup}, "dates": {}})
    shop.deliver("dates", "id,start\n1,2026-01-05\n1,2026-01-06\n")
    shop.deliver("sent", "who,c\nu1,1\n")
    with pytest.raises(ContractBroken, match="contradicting rows"):
        shop.run()


def test_other_currencies_are_converted_by_the_rate_of_the_day_and_refused_without_one(
    lake: Lake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    columns = {"user": "who", "time": "when", "amount": "paid", "currency": "money"}
    said = {"event_type": "purchase", "columns": columns}
    blank = {"last_known": ["currency"], "fill": {"currency": "USD"}}
    sources = {"sales": {"events": said}, "blanks": {"events": {**said, "blank": blank}}, "rates": {}}
    rates = {"source": "rates", "rate": "worth", "max_age_days": 2, "decimal": ",", "time_formats": ["dd.MM.yyyy"]}
    shop = Shop(lake, tmp_path, sources, shop={"currency": "EUR", "rates": rates})
    worths = ("USD;01;0,905", "USD;03;0,5", "JPY;01;0,0061", "GBP;x;2", "GBP;01;100000000", "KWD;01;3")
    told = ((code, f"{day}.01.2026", worth) for code, day, worth in (row.split(";") for row in worths))
    shop.deliver("rates", "currency,day,worth\n" + "".join(f'{code},{day},"{worth}"\n' for code, day, worth in told))
    rows = ("01,10.00,EUR", "01,10.00,USD", "02,1.01,USD", "03,10,USD", "01,1000,JPY", "04,1,JPY", "01,1,GBP", "01,1,")
    rows += ("01,1.239,KWD", "01,10.5,JPY", "01,1.2399,KWD", "01,1.239,USD")  # a yen has no cents, a dinar has 1,000
    shop.deliver("sales", "who,when,paid,money\n" + "".join(f"u1,2026-01-{row}\n" for row in rows))
    shop.deliver("blanks", "who,when,paid,money\nu1,2026-01-01,1,JPY\nu1,2026-01-02,1000,\nu2,2026-01-02,1.01,\n")
    assert shop.run() == {"sales": (12, 6, {"quarantined": 6}), "blanks": (3, 3, {})}
    found = shop.column("events", "source", "currency", "event_ts", "amount_minor")
    assert [(money, when.day, minor) for source, money, when, minor in found if source == "blanks"] == [
        ("JPY", 1, 1),
        ("JPY", 2, 610),  # what the customer last paid in, not the currency of the reports and not `fill`
        ("USD", 2, 91),
    ]
    assert [(money, when.day, minor) for source, money, when, minor in found if source == "sales"] == [
        ("EUR", 1, 1_000),
        ("JPY", 1, 610),
        ("KWD", 1, 372),
        ("USD", 1, 905),
        ("USD", 2, 91),  # 0.91405, by the rate of the day before
        ("USD", 3, 500),
    ]
    assert shop.column("quarantine", "reason") == [*["amount_unreadable"] * 3, *["currency_unknown"] * 3]
    assert "source rates: 2 rates are left out" in caplog.text
    noted = {row["source"]: row["noted"] for row in lake.read("quality").collect()}
    assert noted["sales"]["rate_of_earlier_day"] == 1


def test_items_are_numbered_by_first_event_then_id_and_those_without_events_come_last(
    lake: Lake, tmp_path: Path
) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": ORDERS}, "products": dict(ITEM_SOURCE)})
    shop.deliver("products", PRODUCTS)
    shop.deliver(
        "orders", HEADER + "u,2026-01-03,1,a,1\nu,2026-01-02,2,d,1\nu,2026-01-03,3,only,1\nu,2026-01-02,4,b,1\n"
    )
    assert shop.run()["products: items"] == (5, 5, {})
    assert numbers(shop) == {
        "b": (1, 2, 2),
        "d": (2, 1, 1),
        "a": (3, 3, 1),
        "only": (4, 0, 0),
        "c": (5, 3, 0),
        "z": (6, 4, 3),
    }


@pytest.mark.slow
def test_events_planted_later_renumber_no_item_that_was_seen_before_them(lake: Lake, tmp_path: Path) -> None:
    before, planted = "u,2026-01-02,1,b,1\nu,2026-01-03,2,a,1\n", "u,2026-01-20,9,0new,1\nu,2026-01-21,9,z,1\n"
    sources = {"orders": {"events": ORDERS}, "products": ITEM_SOURCE}
    plain = Shop(lake, tmp_path / "plain", {name: dict(source) for name, source in sources.items()})
    at_once = Shop(
        Lake(lake.spark, lake.root + "-1"), tmp_path / "1", {name: dict(source) for name, source in sources.items()}
    )
    for shop in (plain, at_once):
        shop.deliver("products", PRODUCTS)
        shop.deliver("orders", HEADER + before)
    plain.run()
    later = plain.copied(Lake(lake.spark, lake.root + "-2"), tmp_path / "2")
    for shop in (at_once, later):
        shop.deliver("orders", HEADER + planted + "u,2026-01-22,9,a,1\n")
        shop.run()
    seen = {item: numbers(plain)[item] for item in ("a", "b")}
    for actual in (numbers(at_once), numbers(later)):
        assert {item: actual[item] for item in ("a", "b")} == seen
        assert len({item[0] for item in actual.values()}) == len(actual) == 6


def test_profiles_leave_sensitive_attributes_out_and_objections_count_at_their_latest(
    lake: Lake, tmp_path: Path
) -> None:
    users = {
        "user": "id", "valid_from": "since", "attributes": ["town", "club"], "sensitive": ["age"],
        "objects_to_profiling": "no_profiling",
    }  # fmt: skip
    shop = Shop(lake, tmp_path, {"crm": {"users": users}})
    shop.deliver(
        "crm", "id,since,town,club,age,no_profiling\nu1,2025-01-01,Ulm,gold,44,\n,2025-01-01,x,,1,\nu2,x,Bonn,,3,\n"
    )
    assert shop.run() == {"crm: users": (3, 1, {"anonymous": 1, "quarantined": 1})}
    assert shop.column("users", "user_id", "valid_from", "profile", "dated", "objects_to_profiling") == [
        ("u1", datetime(2025, 1, 1), '{"club":"gold","town":"Ulm"}', True, False)
    ]
    later = datetime(2026, 2, 1, tzinfo=UTC)
    shop.deliver("crm", "id,since,town,club,age,no_profiling\nu1,2025-01-01,Ulm,gold,45,yes\n", later)
    shop.run()
    assert shop.column("users", "user_id", "objects_to_profiling") == [("u1", True)]
