"""Features whose edges matter, by hand; all of them are compared with plain loops in test_project."""

import subprocess
import sys

import pytest

from ltv_features import project, state
from ltv_features.aggregates import AGGREGATES, FAMILIES, NAMES
from tests.builders import DAY, Row, event, kernel_events

MINUTE = 1 / (24 * 60)
AS_OF = 400 * DAY


def values_of(rows: list[Row]) -> dict[str, float]:
    """Aggregates of the one user in `rows` as of day 400, by name."""
    made = project.project(state.build(kernel_events(rows), as_of_us=AS_OF), as_of_us=AS_OF)
    return dict(zip(NAMES, made.aggregates[0].tolist(), strict=True))


@pytest.mark.parametrize(("minutes", "sessions"), [(29, 1), (30, 1), (31, 2)])
def test_half_an_hour_without_a_page_ends_a_session(minutes: int, sessions: int) -> None:
    found = values_of([event("a", "view", 9 + (n * minutes) * MINUTE, event_key=n) for n in range(2)])
    assert (found["sessions"], found["pages_per_session"]) == (sessions, 2 / sessions)


@pytest.mark.parametrize(
    ("day", "flags"),
    [(1, (1, 0, 0)), (2, (0, 1, 0)), (7, (0, 1, 0)), (8, (0, 0, 1)), (30, (0, 0, 1)), (31, (0, 0, 0))],
)
def test_who_came_back_is_told_by_brackets_of_days_after_the_first(day: int, flags: tuple[int, ...]) -> None:
    found = values_of([event("a", "view", 100.9), event("a", "view", 100 + day, event_key=2)])
    assert tuple(found[f"returned_day_{until}"] for until in (1, 7, 30)) == flags


@pytest.mark.parametrize(
    ("rows", "stage"),
    [
        ([event("a", "view", 371)], "new"),
        ([event("a", "view", 370)], "active"),
        ([event("a", "view", 310)], "active"),
        ([event("a", "view", 309)], "lost"),
        ([event("a", "purchase", 311)], "growing"),
        ([event("a", "purchase", 300, amount_minor=100), event("a", "purchase", 390, amount_minor=100)], "active"),
        ([event("a", "purchase", 300, amount_minor=99), event("a", "purchase", 390, amount_minor=100)], "growing"),
    ],
)
def test_everybody_with_an_event_is_in_one_stage(rows: list[Row], stage: str) -> None:
    found = values_of([row | {"order_key": n, "event_key": n} for n, row in enumerate(rows, start=1)])
    assert [name for name in NAMES if name.startswith("stage_") and found[name]] == [f"stage_{stage}"]


def test_who_is_only_written_to_does_nothing() -> None:
    mail = [event("a", "promotion_received", 280 + 30 * n, event_key=n) for n in range(4)]
    found = values_of([event("a", "signup", 280, event_key=9), event("a", "purchase", 281, order_key=1), *mail])
    told = {name: found[name] for name in ("sessions", "active_days_90", "idle_days", "returned_day_30", "stage_lost")}
    assert told == {"sessions": 1, "active_days_90": 0, "idle_days": 119, "returned_day_30": 0, "stage_lost": 1}
    silent = values_of(mail)
    assert (silent["idle_days"], silent["stage_lost"]) == (silent["tenure_days"], 1)


def test_the_page_lists_every_feature_with_its_meaning() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "ltv_features.aggregates"], capture_output=True, text=True, check=True
    ).stdout
    for each in AGGREGATES:
        assert f"| `{each.name}` | {each.unit} | {each.meaning} |" in told
    assert [line[3:] for line in told.splitlines() if line.startswith("## ")] == list(FAMILIES)
