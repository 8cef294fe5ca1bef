"""Raw rows become events, users and items by the configuration alone; every row is accounted for, and once."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ltv_features.columns import needed_columns
from ltv_features.config import FeatureConfig, ShopSettings
from ltv_features.errors import ContractBroken, InputMissing, TooManyBadRows
from ltv_features.ingest import ingest
from ltv_features.land import land, look_over
from ltv_features.tables import Lake

pytestmark = pytest.mark.spark

DAY = date(2026, 2, 1)
ORDERS: dict[str, Any] = {
    "event_type": "purchase",
    "columns": {"user": "who", "time": "when", "order": "bill", "item": "sku", "amount": "paid"},
}
HEADER = "who,when,bill,sku,paid\n"


class Shop:
    """A lake, a folder of deliveries and a configuration; `deliver` lands a file, `run` ingests and returns hops."""

    def __init__(self, lake: Lake, folder: Path, sources: dict[str, Any], **ingest_settings: Any) -> None:
        self.lake, self.folder = lake, folder
        for name, source in sources.items():
            (folder / name).mkdir(parents=True)
            source |= {"path": str(folder / name), "format": "csv"}
        shop = ingest_settings.pop("shop", {})
        limits = {"max_bad_share": 1.0, **ingest_settings}
        self.settings = FeatureConfig.model_validate(
            {"lake": {"root": lake.root}, "shop": shop, "sources": sources, "ingest": limits}
        )

    def deliver(self, source: str, text: str, landed: datetime = datetime(2026, 1, 31, tzinfo=UTC)) -> None:
        folder = self.folder / source
        (folder / f"{len(list(folder.iterdir()))}.csv").write_text(text)
        sources = self.settings.sources
        landing = look_over(self.lake, source, sources[source], needed=needed_columns(source, sources))
        land(self.lake, landing, landed_ts=landed)

    def run(self, run_id: str = "r") -> dict[str, tuple[int, int, dict[str, int]]]:
        hops = ingest(self.lake, self.settings, as_of=DAY, run_id=run_id)
        return {hop.name: (hop.rows_in, hop.rows_out, {k: v for k, v in hop.accounted.items() if v}) for hop in hops}

    def column(self, table: str, *names: str) -> list[Any]:
        rows = [tuple(row) for row in self.lake.read(table).select(*names).collect()]
        return sorted(rows if len(names) > 1 else [row[0] for row in rows])

    def versions(self) -> dict[str, int | None]:
        return {name: self.lake.version(name) for name in ("events", "users", "items", "quarantine", "ledger")}


@pytest.fixture
def orders(lake: Lake, tmp_path: Path) -> Shop:
    """A shop that delivers orders and nothing else."""
    return Shop(lake, tmp_path, {"orders": {"events": ORDERS}})


def test_every_row_is_an_event_a_duplicate_quarantined_or_anonymous(orders: Shop) -> None:
    orders.deliver(
        "orders",
        HEADER
        + "u1,2026-01-01,b1,s1,1.29\nu1,2026-01-01,b1,s1,1.29\n ,2026-01-01,b2,s1,5\nu2,soon,b3,s1,1\nu2,2026-01-02\n",
    )
    assert orders.run() == {"orders": (5, 2, {"anonymous": 1, "quarantined": 2})}
    assert orders.column("quarantine", "row_number", "reason") == [(3, "time_unreadable"), (4, "row_corrupt")]
    assert orders.column("quarantine", "raw") == [
        "u2,2026-01-02",
        '{"who":"u2","when":"soon","bill":"b3","sku":"s1","paid":"1"}',
    ]
    ledger = orders.lake.read("ledger").collect()
    assert [(row["job"], row["hop"], row["rows_in"], row["rows_out"]) for row in ledger] == [
        ("ingest_events", "orders", 5, 2)
    ]


def test_two_identical_lines_of_one_basket_both_live_with_ids_of_their_own(orders: Shop) -> None:
    orders.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1.29\nu1,2026-01-01,b1,s1,1.29\n")
    orders.run()
    assert orders.column("events", "amount_minor") == [129, 129]
    first, second = orders.column("events", "event_id")
    assert (first[-2:], second[-2:], first[:-2]) == ("-0", "-1", second[:-2])
    assert len(set(orders.column("events", "event_key"))) == 2
    assert len(set(orders.column("events", "order_key"))) == 1


def test_a_second_run_adds_no_row_and_no_version(orders: Shop) -> None:
    orders.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1\nu1,x,b1,s1,1\n")
    assert orders.run("first")
    before = orders.versions()
    assert orders.run("second") == {}
    assert orders.versions() == before


@pytest.mark.slow
def test_only_new_rows_are_read_and_lines_delivered_again_inside_a_larger_file_are_duplicates(orders: Shop) -> None:
    orders.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1\nu1,2026-01-01,b1,s1,1\n")
    orders.run()
    orders.deliver(
        "orders",
        HEADER + "u1,2026-01-01,b1,s1,1\nu1,2026-01-01,b1,s1,1\nu1,2026-01-01,b1,s1,1\nu3,2026-01-20,b9,s2,2\n",
    )
    assert orders.run() == {"orders": (4, 2, {"duplicates": 2})}
    assert len(orders.column("events", "event_id")) == len(set(orders.column("events", "event_id"))) == 4


def test_an_own_event_id_makes_the_first_good_row_count(lake: Lake, tmp_path: Path) -> None:
    mapping = {"event_type": "login", "columns": {"user": "who", "time": "when", "event_id": "id"}}
    shop = Shop(lake, tmp_path, {"logins": {"events": mapping}})
    shop.deliver("logins", "id,who,when\n1,u1,never\n1,u1,2026-01-02\n1,u1,2026-01-03\n")
    assert shop.run() == {"logins": (3, 1, {"quarantined": 2})}
    assert shop.column("events", "event_id", "event_ts") == [("1", datetime(2026, 1, 2))]
    shop.deliver("logins", "id,who,when\n1,u1,2026-01-02\n2,u1,2026-01-02\n")
    assert shop.run() == {"logins": (2, 1, {"duplicates": 1})}


def test_an_order_without_an_id_is_user_and_time(lake: Lake, tmp_path: Path) -> None:
    mapping = {"event_type": "purchase", "columns": {"user": "who", "time": "when", "amount": "paid"}}
    shop = Shop(lake, tmp_path, {"sales": {"events": mapping}})
    shop.deliver("sales", "who,when,paid\nu1,2026-01-01,1\nu1,2026-01-01,2\nu1,2026-01-02,3\nu2,2026-01-01,4\n")
    shop.run()
    keys = dict(shop.column("events", "amount_minor", "order_key"))
    assert keys[100] == keys[200]
    assert len(set(keys.values())) == 3


def test_too_many_refused_rows_stop_the_run_before_any_event(lake: Lake, tmp_path: Path) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": ORDERS}}, max_bad_share=0.4)
    shop.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1\nu1,bad,b1,s1,1\n,2026-01-01,b,s,1\n")
    with pytest.raises(
        TooManyBadRows, match=r"at most 40.0% refused rows, actual 50.0% of 3 rows \(time_unreadable 1\)"
    ):
        shop.run()
    assert not lake.exists("events")
    shop.settings = shop.settings.model_copy(
        update={"ingest": shop.settings.ingest.model_copy(update={"max_bad_share": 0.5})}
    )
    assert shop.run() == {"orders": (3, 1, {"quarantined": 1, "anonymous": 1})}
    assert shop.column("quarantine", "row_number") == [1]


def test_a_lookup_brings_columns_and_a_miss_is_quarantined(lake: Lake, tmp_path: Path) -> None:
    mapping = {"event_type": "promotion_received", "columns": {"user": "who", "time": "start", "promotion": "c"}}
    lookup = {"source": "dates", "on": {"c": "id"}, "columns": ["start"]}
    shop = Shop(lake, tmp_path, {"sent": {"events": mapping, "lookup": lookup}, "dates": {}})
    shop.deliver("dates", "id,start,other\n1,2026-01-05,x\n")
    shop.deliver("sent", "who,c\nu1,1\nu2,2\n")
    assert shop.run() == {"sent": (2, 1, {"quarantined": 1})}
    assert shop.column("events", "user_id", "promotion_id", "event_ts") == [("u1", "1", datetime(2026, 1, 5))]
    assert shop.column("quarantine", "reason") == ["lookup_missed"]


def test_a_lookup_with_two_answers_for_one_key_is_refused(lake: Lake, tmp_path: Path) -> None:
    mapping = {"event_type": "login", "columns": {"user": "who", "time": "start"}}
    lookup = {"source": "dates", "on": {"c": "id"}, "columns": ["start"]}
    shop = Shop(lake, tmp_path, {"sent": {"events": mapping, "lookup": lookup}, "dates": {}})
    shop.deliver("dates", "id,start\n1,2026-01-05\n1,2026-01-06\n")
    shop.deliver("sent", "who,c\nu1,1\n")
    with pytest.raises(ContractBroken, match="contradicting rows"):
        shop.run()


def numbers(shop: Shop) -> dict[str, tuple[int, int, int]]:
    """item_no, category_no and brand_no by item."""
    rows = shop.lake.read("items").collect()
    return {row["item_id"]: (row["item_no"], row["category_no"], row["brand_no"]) for row in rows}


ITEM_SOURCE = {"items": {"item": "sku", "category": "kind", "brand": "maker"}}
PRODUCTS = "sku,kind,maker\na,tea,x\nb,wine,y\nc,tea,\nd,beer,x\nz,ale,w\n"


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
@pytest.mark.parametrize("in_one_run", [True, False])
def test_events_planted_later_renumber_no_item_that_was_seen_before_them(
    lake: Lake, tmp_path: Path, in_one_run: bool
) -> None:
    before = "u,2026-01-02,1,b,1\nu,2026-01-03,2,a,1\n"
    plain = Shop(
        Lake(lake.spark, lake.root + "-plain"),
        tmp_path / "plain",
        {"orders": {"events": ORDERS}, "products": dict(ITEM_SOURCE)},
    )
    plain.deliver("products", PRODUCTS)
    plain.deliver("orders", HEADER + before)
    plain.run()
    shop = Shop(lake, tmp_path / "planted", {"orders": {"events": ORDERS}, "products": dict(ITEM_SOURCE)})
    shop.deliver("products", PRODUCTS)
    shop.deliver("orders", HEADER + before)
    if not in_one_run:
        shop.run()
    shop.deliver("orders", HEADER + "u,2026-01-20,9,0new,1\nu,2026-01-21,9,z,1\nu,2026-01-22,9,a,1\n")
    shop.run()
    expected, actual = numbers(plain), numbers(shop)
    assert {item: actual[item] for item in ("a", "b")} == {item: expected[item] for item in ("a", "b")}
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


def test_ids_are_trimmed_and_composed_and_keep_their_case(orders: Shop) -> None:
    orders.deliver(
        "orders", HEADER + "Zoe\u0308 ,2026-01-01,b1,s1,1\nZo\u00eb,2026-01-02,b2,s1,1\nzo\u00eb,2026-01-03,b3,s1,1\n"
    )
    orders.run()
    assert orders.column("events", "user_id") == ["Zo\u00eb", "Zo\u00eb", "zo\u00eb"]


def test_a_source_that_was_never_landed_is_one_clear_error(orders: Shop) -> None:
    with pytest.raises(InputMissing, match=r"source 'orders' is not landed.*next: run land_files"):
        orders.run()


def test_the_ingest_job_runs_from_a_configuration(orders: Shop) -> None:
    from jobs._entry import Run, Settings
    from jobs.ingest_events import main

    orders.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1\n")
    export = {"folder": "e", "suppression": "s"}
    settings = Settings.model_validate({**orders.settings.model_dump(), "export": export})
    main(Run(settings, DAY, "r1", orders.lake.spark))
    assert orders.column("events", "user_id") == ["u1"]
    in_yen = settings.model_copy(update={"shop": ShopSettings(currency="JPY", minor_digits=0)})
    with pytest.raises(ContractBroken, match=r"expected amounts in .*JPY.*actual .*USD"):
        main(Run(in_yen, DAY, "r2", orders.lake.spark))


def test_a_changed_mapping_is_said_until_new_rows_came_under_it(orders: Shop, caplog: pytest.LogCaptureFixture) -> None:
    orders.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1\n")
    orders.run()
    changed = orders.settings.model_dump()
    changed["sources"]["orders"]["events"]["time_zone"] = "Asia/Tokyo"
    for said, delivered in ((True, ""), (True, HEADER + "u1,2026-01-02,b2,s1,1\n"), (False, "")):
        if delivered:
            orders.deliver("orders", delivered)
        orders.settings = FeatureConfig.model_validate(changed)
        caplog.clear()
        orders.run()
        assert ("its mapping changed" in caplog.text) is said
    assert orders.column("events", "event_ts") == [datetime(2026, 1, 1), datetime(2026, 1, 1, 15)]


def test_another_content_under_a_known_event_id_is_a_conflict_and_the_first_stays(lake: Lake, tmp_path: Path) -> None:
    columns = {"user": "who", "time": "when", "event_id": "id", "amount": "paid"}
    shop = Shop(lake, tmp_path, {"sales": {"events": {"event_type": "purchase", "columns": columns}}})
    header = "id,who,when,paid\n"
    shop.deliver("sales", header + "1,u1,2026-01-02,5\n1,u1,2026-01-02,5\n1,u1,2026-01-02,6\n2,u1,2026-01-03,1\n")
    assert shop.run() == {"sales": (4, 2, {"duplicates": 1, "quarantined": 1})}
    shop.deliver("sales", header + "1,u1,2026-01-02,5.00\n2,u2,2026-01-03,1\n3,u3,2026-01-03,1\n")
    assert shop.run() == {"sales": (3, 1, {"duplicates": 1, "quarantined": 1})}
    assert shop.column("events", "event_id", "amount_minor", "user_id") == [
        ("1", 500, "u1"),
        ("2", 100, "u1"),
        ("3", 100, "u3"),
    ]
    assert shop.column("quarantine", "reason") == ["event_id_conflict"] * 2
    first, second = shop.column("quarantine", "raw")
    assert '"amount_minor":600' in first
    assert '"user_id":"u2"' in second


def test_other_currencies_are_converted_by_the_rate_of_the_day_and_refused_without_one(
    lake: Lake, tmp_path: Path
) -> None:
    columns = {"user": "who", "time": "when", "amount": "paid", "currency": "money"}
    sources = {"sales": {"events": {"event_type": "purchase", "columns": columns}}, "rates": {}}
    rates = {"source": "rates", "rate": "worth", "max_age_days": 2}
    shop = Shop(lake, tmp_path, sources, shop={"currency": "EUR", "rates": rates})
    shop.deliver(
        "rates", "currency,day,worth\nUSD,2026-01-01,0.905\nUSD,2026-01-03,0.5\nJPY,2026-01-01,0.0061\nGBP,x,2\n"
    )
    rows = ("01,10.00,EUR", "01,10.00,USD", "02,1.01,USD", "03,10,USD", "01,1000,JPY", "04,1,JPY", "01,1,GBP", "01,1,")
    shop.deliver("sales", "who,when,paid,money\n" + "".join(f"u1,2026-01-{row}\n" for row in rows))
    assert shop.run() == {"sales": (8, 5, {"quarantined": 3})}
    found = shop.column("events", "currency", "event_ts", "amount_minor")
    assert [(money, when.day, minor) for money, when, minor in found] == [
        ("EUR", 1, 1_000),
        ("JPY", 1, 610),
        ("USD", 1, 905),
        ("USD", 2, 91),  # 0.91405, by the rate of the day before
        ("USD", 3, 500),
    ]
    assert shop.column("quarantine", "reason") == ["currency_unknown"] * 3
