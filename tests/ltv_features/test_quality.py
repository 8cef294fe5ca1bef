"""Every delivery leaves its indicators; what is unusual is said, or holds the night until a person releases it."""

import logging
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ltv_features import controls, quality, quality_rows
from ltv_features.config import IngestSettings
from ltv_features.errors import TooManyBadRows
from ltv_features.ingest import ingest
from ltv_features.quality import Delivered
from ltv_features.tables import Lake
from tests.ingest_shop import DAY, HEADER, ORDERS, Shop

pytestmark = pytest.mark.spark


def orders(lake: Lake, folder: Path, **limits: Any) -> Shop:
    events = {**ORDERS, "blank": {"refuse": ["order"]}, "caps": {"amount": {"above": 9, "then": "cap"}}}
    return Shop(lake, folder, {"orders": {"events": events}}, **limits)


def test_a_delivery_leaves_counts_shares_and_times(lake: Lake, tmp_path: Path) -> None:
    shop = orders(lake, tmp_path)
    shop.deliver("orders", HEADER + (
        "u1,2026-01-30,b1,s1,1\nu1,2026-01-30,b1,s1,1\nu1,2026-01-31 12:00:00,b2,s1,10\n"
        "u2,2026-01-30,,s1,1\nu2,x,b4,s1,1\n,2026-01-30,b5,s1,1\n"
    ))  # fmt: skip
    shop.run()
    (row,) = quality_rows.until(lake, DAY)
    counts = {name: row[name] for name in ("rows_in", "kept", "duplicates", "quarantined", "anonymous")}
    assert counts == {"rows_in": 6, "kept": 3, "duplicates": 0, "quarantined": 2, "anonymous": 1}
    assert row["refused"] == {"order_missing": 1, "time_unreadable": 1}
    assert row["noted"] == {"amount_capped": 1}
    assert (row["validity"], row["uniqueness"]) == (pytest.approx(0.6), 1.0)
    assert row["completeness"] == {"amount": 1.0, "order": 1.0, "item": 1.0}
    assert (row["age_days"], row["usual_rows"], row["problems"]) == (0.5, None, [])
    version = lake.version("quality")
    assert shop.run() == {}
    assert lake.version("quality") == version


def test_a_mistaken_unit_holds_a_night_from_a_fifth_of_the_limit_on() -> None:
    few, many = (
        Delivered(
            "log", 0, rows_in=1_010, anonymous=10, judged=1_000, bad_share=0.02, refused={"time_unit_mistaken": rows}
        )
        for rows in (10, 11)
    )
    assert quality.too_bad(few, 0.05) == []
    (told,) = quality.too_bad(many, 0.05)
    assert "actual 1.1% of 1000 rows in another (time_unit_mistaken)" in told
    assert quality.too_bad(many, 1.0) == []  # whoever lets every share pass lets this one pass


@pytest.mark.slow
def test_a_source_that_keeps_silent_while_others_deliver_is_said(
    lake: Lake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop(lake, tmp_path, {"orders": {"events": ORDERS}, "more": {"events": ORDERS}})
    for source in ("orders", "more"):
        shop.deliver(source, HEADER + "u1,2026-01-30,b1,s1,1\n")
    shop.run()
    shop.deliver("orders", HEADER + "u1,2026-01-31,b2,s1,1\n", landed=datetime(2026, 2, 1, tzinfo=UTC))
    with caplog.at_level(logging.WARNING, "ltv"):
        ingest(lake, shop.settings, as_of=DAY + timedelta(1), run_id="r")
    told = {(row["source"], str(row["as_of"])): (row["rows_in"], row["problems"]) for row in _rows(lake)}
    silent = "source 'more': expected 0.2 to 5 times the usual 1 rows, actual 0"
    assert told[("more", "2026-02-02")] == (0, [silent])
    assert silent in caplog.text
    assert told[("more", "2026-02-01")] == (1, [])


WEEKS = {
    "daily": (9_000, 0, 80, 0, 100, 0, 120, 90),
    "weekly": (1_000, 0, 0, 0, 0, 0, 1_200, 0),
    "silent": (5, *7 * (0,)),
}
"""Rows in each of the 8 nights before, the oldest first, which lies before the week that counts."""


@pytest.mark.parametrize(
    ("week", "deliveries", "usual", "is_odd"),
    [
        ("daily", [18], 95, True), ("daily", [19], 95, False), ("daily", [475], 95, False), ("daily", [476], 95, True),
        ("daily", [95, 2], 95, False), ("daily", [400, 90], 95, True), ("daily", [0], 95, True),
        ("weekly", [0], 1_200, False), ("weekly", [900], 1_200, False), ("weekly", [5_000_000], 1_200, True),
        ("silent", [0], None, False), ("silent", [5_000_000], None, False),
    ],
)  # fmt: skip
def test_what_a_night_brings_in_all_is_held_against_the_nights_of_the_week_that_brought_something(
    week: str, deliveries: list[int], usual: float | None, is_odd: bool
) -> None:
    nights = [(DAY - timedelta(8 - place), rows) for place, rows in enumerate(WEEKS[week])]
    nights += [(DAY, rows) for rows in deliveries[:-1]]
    known = [
        {"as_of": night, "raw_version": version, "rows_in": rows, "newest_us": None}
        for version, (night, rows) in enumerate(nights)
    ]
    row = quality.row_of(Delivered("orders", 99, deliveries[-1]), IngestSettings(), DAY, known)
    assert (row["usual_rows"], len(row["problems"])) == (usual, is_odd)


def test_an_old_newest_event_holds_the_night_where_the_shop_wants_it_until_it_is_released(
    lake: Lake, tmp_path: Path
) -> None:
    shop = orders(lake, tmp_path, max_age_days=3, on_problem="hold")
    shop.deliver("orders", HEADER + "u1,2026-01-20,b1,s1,1\n")
    message = r"an event of the last 3 days, actual newest 12.0 days before the night; no event was written"
    with pytest.raises(TooManyBadRows, match=message):
        shop.run()
    assert not lake.exists("events")
    controls.say(lake, DAY, "ingest/orders", controls.RELEASE, reason="the till was closed", who="me")
    assert shop.run() == {"orders": (1, 1, {})}


@pytest.mark.slow
def test_too_many_bad_rows_pass_once_a_person_released_them_for_that_night_alone(lake: Lake, tmp_path: Path) -> None:
    shop = orders(lake, tmp_path, max_bad_share=0.1)
    shop.deliver("orders", HEADER + "u1,x,b1,s1,1\nu1,2026-01-30,b1,s1,1\n")
    controls.say(lake, DAY - timedelta(1), "ingest/orders", controls.RELEASE, reason="another night", who="me")
    with pytest.raises(TooManyBadRows, match=r"python -m jobs\.operate release ingest/orders"):
        shop.run()
    [row] = _rows(lake)
    assert "expected at most 10.0% refused rows, actual 50.0% of 2 rows" in row["problems"][0]
    controls.say(lake, DAY, "ingest/orders", controls.RELEASE, reason="known", who="me")
    controls.say(lake, DAY, "ingest/orders", controls.HOLD, reason="no, wait", who="me")
    with pytest.raises(TooManyBadRows):
        shop.run()
    controls.say(lake, DAY, "ingest/orders", controls.RELEASE, reason="known", who="me")
    assert shop.run() == {"orders": (2, 1, {"quarantined": 1})}
    assert controls.reason(lake, DAY, "ingest/orders") == "known (me)"


@pytest.mark.parametrize(("rows", "anonymous", "said"), [(20, 20, True), (20, 19, False), (3, 3, False)])
def test_a_source_that_names_nobody_is_said(rows: int, anonymous: int, said: bool) -> None:
    """A path into nested data that leads nowhere looks like this."""
    delivered = quality.Delivered("web", 0, rows_in=rows, anonymous=anonymous, kept=rows - anonymous)
    problems = quality.row_of(delivered, IngestSettings(), DAY, [])["problems"]
    assert [f"none of {rows} rows names anybody" in each for each in problems] == [True] * said


def _rows(lake: Lake) -> list[dict[str, Any]]:
    return quality_rows.until(lake, date(2026, 2, 28))
