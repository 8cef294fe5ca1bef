"""Raw rows become events, users and items by the configuration alone; every row is accounted for, and once."""

from datetime import datetime
from pathlib import Path

import pytest

from ltv_features.config import FeatureConfig, ShopSettings
from ltv_features.errors import ContractBroken, InputMissing, TooManyBadRows
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
    ledger = orders.lake.read("ledger").collect()
    assert [(row["job"], row["hop"], row["rows_in"], row["rows_out"]) for row in ledger] == [
        ("ingest_events", "orders", 5, 2)
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
        TooManyBadRows, match=r"at most 40.0% refused rows, actual 50.0% of 3 rows \(time_unreadable 1\)"
    ):
        shop.run()
    assert not lake.exists("events")
    shop.settings = shop.settings.model_copy(
        update={"ingest": shop.settings.ingest.model_copy(update={"max_bad_share": 0.5})}
    )
    assert shop.run() == {"orders": (3, 1, {"quarantined": 1, "anonymous": 1})}
    assert shop.column("quarantine", "row_number") == [1]


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
