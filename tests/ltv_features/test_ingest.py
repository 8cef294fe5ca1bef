"""Raw rows become events, users and items by the configuration alone; every row is accounted for, and once."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame

from ltv_features.config import FeatureConfig, ShopSettings
from ltv_features.errors import ContractBroken, InputMissing, RowsUnexplained, TooManyBadRows
from ltv_features.tables import Lake
from tests.ingest_shop import DAY, HEADER, ORDERS, Shop

pytestmark = pytest.mark.spark


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
    assert orders.column("ledger", "job", "hop", "rows_in", "rows_out") == [
        ("ingest_events", "orders", 5, 2),
        ("ingest_events", "orders: events committed", 2, 2),
    ]


def test_a_second_run_adds_no_row_and_no_version(orders: Shop) -> None:
    orders.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1\nu1,x,b1,s1,1\n")
    assert orders.run("first")
    before = orders.versions()
    assert orders.run("second") == {}
    assert orders.versions() == before


def test_too_many_refused_rows_stop_the_run_before_any_event(lake: Lake, tmp_path: Path) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": ORDERS}}, max_bad_share=0.4)
    shop.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1\nu1,bad,b1,s1,1\n,2026-01-01,b,s,1\n")
    with pytest.raises(
        TooManyBadRows,
        match=r"at most 40.0% refused rows, actual 50.0% of 2 rows, 1 without a customer aside \(time_unreadable 1\)",
    ):
        shop.run()
    assert not lake.exists("events")
    shop.settings = shop.settings.model_copy(
        update={"ingest": shop.settings.ingest.model_copy(update={"max_bad_share": 0.5})}
    )
    assert shop.run() == {"orders": (3, 1, {"quarantined": 1, "anonymous": 1})}
    assert shop.column("quarantine", "row_number") == [1]


@pytest.mark.parametrize(
    ("write", "table", "message"),
    [
        ("append", "events", "expected 2 events in version 0 of .*, actual 1"),
        ("replace", "quarantine", "expected 1 refused rows, actual 0 committed"),
        ("upsert", "items", "orders: items: expected 4 rows in = 1 out .* 1 unexplained"),
    ],
)
def test_rows_that_get_lost_on_the_way_into_a_table_are_missed(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: str, table: str, message: str
) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": ORDERS, "items": {"item": "sku"}}})
    shop.deliver(
        "orders", HEADER + "u1,2026-01-01,b1,s1,1\nu2,2026-01-02,b2,s2,1\nu3,never,b3,s2,1\n,2026-01-02,b2,s2,1\n"
    )
    whole = getattr(Lake, write)

    def lossy(lake: Lake, rows: DataFrame, name: Any, **rest: Any) -> Any:
        lost = rows.limit(rows.count() - 1) if getattr(name, "name", name) == table else rows
        return whole(lake, lost, name, **rest)

    monkeypatch.setattr(Lake, write, lossy)
    with pytest.raises(RowsUnexplained, match=message):
        shop.run()


def test_a_path_reads_what_lies_inside_a_column(lake: Lake, tmp_path: Path) -> None:
    nested = {"user": "who.id", "time": "when", "order": "bill.no", "item": "bill.lines[0].sku", "amount": "bill.paid"}
    events = {"event_type": "purchase", "columns": nested}
    shop = Shop(lake, tmp_path, {"orders": {"events": events, "format": "jsonl"}})
    rows = [
        {"who": {"id": "Zoe\u0308"}, "bill": {"no": 7, "lines": [{"sku": "s1"}], "paid": 1.50}},
        {"who": {"name": "x"}, "bill": {"no": 8, "lines": [{"sku": "s1"}], "paid": 1}},
        {"who": {"id": "u2"}, "bill": {"no": 9, "lines": [{"sku": "s1"}]}},
    ]
    shop.deliver("orders", "".join(json.dumps(row | {"when": "2026-01-01"}) + "\n" for row in rows))
    assert shop.run() == {"orders": (3, 1, {"anonymous": 1, "quarantined": 1})}
    assert shop.column("events", "user_id", "order_id", "item_id", "amount_minor") == [("Zo\u00eb", "7", "s1", 150)]
    assert shop.column("quarantine", "reason") == ["amount_missing"]


def test_a_source_that_was_never_landed_is_one_clear_error(orders: Shop) -> None:
    with pytest.raises(InputMissing, match=r"source 'orders' is not landed.*next: run land_files"):
        orders.run()


def test_a_mapping_that_names_no_column_of_a_landed_source_says_the_nearest(orders: Shop) -> None:
    orders.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1\n")
    changed = orders.settings.model_dump()
    changed["sources"]["orders"]["events"]["columns"]["order"] = "bil"
    orders.settings = FeatureConfig.model_validate(changed)
    with pytest.raises(ContractBroken, match=r"source 'orders', table .*raw_orders: .*'bil' \(did you mean 'bill'\?\)"):
        orders.run()
    assert not orders.lake.exists("quarantine")


def test_features_before_any_event_are_refused_and_nothing_is_written(orders: Shop) -> None:
    from jobs._entry import Run, Settings
    from jobs.build_features import main

    settings = Settings.model_validate({**orders.settings.model_dump(), "export": {"folder": "e", "suppression": "s"}})
    with pytest.raises(InputMissing, match="no event is known before"):
        main(Run(settings, DAY, "r1", orders.lake.spark))
    orders.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1\n")
    orders.run()
    with pytest.raises(InputMissing, match="no event is known before 2026-01-01"):
        main(Run(settings, date(2026, 1, 1), "r1", orders.lake.spark))
    assert not orders.lake.exists("user_state")


def test_a_night_before_everything_that_is_known_is_refused_before_anything_is_landed(orders: Shop) -> None:
    from jobs._entry import Run, Settings
    from jobs.land_files import main

    orders.deliver("orders", HEADER + "u1,2026-01-05,b1,s1,1\n")
    orders.run()
    before = orders.lake.version("raw_orders")
    (orders.folder / "orders" / "more.txt").write_text(HEADER + "u1,2026-01-04,b2,s1,1\n")
    (orders.folder / "suppression.csv").write_text("user_id\nu9\n")
    export = {"folder": "e", "suppression": str(orders.folder / "suppression.csv")}
    settings = Settings.model_validate({**orders.settings.model_dump(), "export": export})
    with pytest.raises(InputMissing, match="no event before 2026-01-03: the earliest one is of 2026-01-04 00:00:00"):
        main(Run(settings, date(2026, 1, 3), "r1", orders.lake.spark))
    assert orders.lake.version("raw_orders") == before
    main(Run(settings, date(2026, 1, 5), "r1", orders.lake.spark))
    with pytest.raises(InputMissing, match="the earliest one is of 2026-01-05 00:00:00"):
        main(Run(settings, date(2026, 1, 5), "r1", orders.lake.spark))


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
    ahead = {"horizons_days": [7], "discount_rate": 0.2, "named_periods": {"fair": {"on": ["2026-09-01"], "days": 3}}}
    orders.settings = FeatureConfig.model_validate(changed | {"shop": changed["shop"] | ahead})
    orders.run()
    assert "its mapping changed" not in caplog.text
    changed["sources"]["orders"]["events"]["time_zone"] = "Asia/Tokyo"
    for said, delivered in ((True, ""), (True, HEADER + "u1,2026-01-02,b2,s1,1\n"), (False, "")):
        if delivered:
            orders.deliver("orders", delivered)
        orders.settings = FeatureConfig.model_validate(changed)
        caplog.clear()
        orders.run()
        assert ("its mapping changed" in caplog.text) is said
    assert orders.column("events", "event_ts") == [datetime(2026, 1, 1), datetime(2026, 1, 1, 15)]
