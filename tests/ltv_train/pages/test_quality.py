"""The page of a night's deliveries says what came, what was refused and what is worth a look."""

from datetime import date, datetime
from typing import Any

from ltv_train.pages.quality import quality_page

NIGHT = date(2026, 2, 1)


def delivery(source: str, as_of: date, **said: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict(
        source=source, kind="events", as_of=as_of, rows_in=10, usual_rows=None, kept=9, duplicates=1, quarantined=0,
        anonymous=0, refused={}, noted={}, validity=1.0, uniqueness=0.9, completeness={}, newest_ts=None,
        age_days=None, problems=[],
    )  # fmt: skip
    return row | said


def test_the_page_names_every_source_reason_note_and_problem() -> None:
    before = delivery("orders", date(2026, 1, 31), rows_in=12_345)
    tonight = delivery(
        "orders", NIGHT, quarantined=3, refused={"time_unreadable": 2, "amount_missing": 1}, noted={"amount_capped": 4},
        completeness={"order": 0.5}, newest_ts=datetime(2026, 1, 31, 23, 59), problems=["orders: <too> few"],
        usual_rows=12_345.0,
    )  # fmt: skip
    html = quality_page([before, tonight, delivery("views", NIGHT, kind="users")], as_of=NIGHT)
    for said in ("20 rows came in, 3 were refused", "orders: &lt;too&gt; few", "time_unreadable", "amount_capped",
                 "50.0%", "2026-01-31 23:59", "12,345", "How good and how new",
                 "views: users, night by night"):  # fmt: skip
        assert said in html
    assert html.count("data:image/svg+xml") == 4
    assert "Nothing stands out" not in html
    assert html.index("time_unreadable") < html.index("amount_missing")


def test_a_quiet_night_says_so() -> None:
    html = quality_page([delivery("views", NIGHT)], as_of=NIGHT)
    assert "Nothing stands out" in html
    assert "Refused" not in html
