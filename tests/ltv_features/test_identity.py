"""One delivered row, one identity, one event: repetitions, conflicts, orders without ids."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ltv_features.tables import Lake
from tests.ingest_shop import HEADER, ORDERS, Shop

pytestmark = pytest.mark.spark


@pytest.fixture
def orders(lake: Lake, tmp_path: Path) -> Shop:
    """A shop that delivers orders and nothing else."""
    return Shop(lake, tmp_path, {"orders": {"events": ORDERS}})


def test_two_identical_lines_of_one_basket_both_live_with_ids_of_their_own(orders: Shop) -> None:
    orders.deliver("orders", HEADER + "u1,2026-01-01,b1,s1,1.29\nu1,2026-01-01,b1,s1,1.29\n")
    orders.run()
    assert orders.column("events", "amount_minor") == [129, 129]
    first, second = orders.column("events", "event_id")
    assert (first[-2:], second[-2:], first[:-2]) == ("-0", "-1", second[:-2])
    assert len(set(orders.column("events", "event_key"))) == 2
    assert len(set(orders.column("events", "order_key"))) == 1


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


def test_an_order_without_an_id_is_user_and_time(lake: Lake, tmp_path: Path) -> None:
    mapping = {"event_type": "purchase", "columns": {"user": "who", "time": "when", "amount": "paid"}}
    shop = Shop(lake, tmp_path, {"sales": {"events": mapping}})
    shop.deliver("sales", "who,when,paid\nu1,2026-01-01,1\nu1,2026-01-01,2\nu1,2026-01-02,3\nu2,2026-01-01,4\n")
    shop.run()
    keys = dict(shop.column("events", "amount_minor", "order_key"))
    assert keys[100] == keys[200]
    assert len(set(keys.values())) == 3


def test_ids_are_trimmed_and_composed_and_keep_their_case(orders: Shop) -> None:
    orders.deliver(
        "orders", HEADER + "Zoe\u0308 ,2026-01-01,b1,s1,1\nZo\u00eb,2026-01-02,b2,s1,1\nzo\u00eb,2026-01-03,b3,s1,1\n"
    )
    orders.run()
    assert orders.column("events", "user_id") == ["Zo\u00eb", "Zo\u00eb", "zo\u00eb"]


@pytest.mark.parametrize("nights", [1, 2])
def test_of_two_rows_with_one_id_the_one_that_landed_first_stays_however_they_are_grouped(
    lake: Lake, tmp_path: Path, nights: int
) -> None:
    columns = {**ORDERS["columns"], "event_id": "id"}
    shop = Shop(lake, tmp_path, {"orders": {"events": {**ORDERS, "history": True, "columns": columns}}})
    shop.deliver("orders", "id," + HEADER + "e1,u1,2026-01-10,b1,s1,1\n")
    if nights == 2:
        shop.run()
    later = datetime(2026, 2, 1, tzinfo=UTC)
    shop.deliver("orders", "id," + HEADER + "e1,u1,2026-01-09,b1,s1,99\n", landed=later)
    shop.run()
    assert shop.column("events", "event_id", "amount_minor") == [("e1", 100)]
    assert shop.column("quarantine", "reason") == ["event_id_conflict"]
