"""How long somebody is here, how regularly they come, and where in their life as a customer they stand."""

import numpy as np
import numpy.typing as npt

from ltv_features.aggregates.feature import Aggregate, Compute, by_window, count, flag
from ltv_features.view import Floats, StateView, ratio

NEW_DAYS = 30
"""Known for less than this: new."""
LOST_DAYS = 90
"""Nothing done for longer than this: lost. Growing is who spent more in this time than in as long before."""

Flags = npt.NDArray[np.bool_]


def _returned(first: int, last: int) -> Compute:
    """1 for who did something from `first` to `last` days after the first day on which they did (bracket retention)."""

    def compute(view: StateView) -> Floats:
        own = view.days["own"] > 0
        who, day = view.days["who"][own], view.days["day"][own]
        users, at = np.unique(who, return_index=True)  # a user's days stand in order, so the first is the earliest
        began = np.zeros(len(view.day_offsets) - 1, day.dtype)
        began[users] = day[at]
        after = day - began[who]
        then = (after >= first) & (after <= last)
        return (view.total(who, then.astype(np.float64)) > 0).astype(np.float64)

    return compute


def _known(view: StateView) -> Flags:
    return np.asarray(view.counts.sum(axis=1) > 0)


def _new(view: StateView) -> Flags:
    return _known(view) & (view.tenure < NEW_DAYS)


def _lost(view: StateView) -> Flags:
    return ~_new(view) & (view.last_activity_age > LOST_DAYS)


def _growing(view: StateView) -> Flags:
    recent = view.spend(LOST_DAYS)
    return _known(view) & ~_new(view) & ~_lost(view) & (recent > view.spend(2 * LOST_DAYS) - recent)


def _active(view: StateView) -> Flags:
    return _known(view) & ~_new(view) & ~_lost(view) & ~_growing(view)


def _weekend(view: StateView) -> Floats:
    return ratio(view.weekdays[:, 5:].sum(axis=1).astype(np.float64), view.weekdays.sum(axis=1).astype(np.float64))


def _evening(view: StateView) -> Floats:
    return ratio(view.hours[:, 18:].sum(axis=1).astype(np.float64), view.hours.sum(axis=1).astype(np.float64))


AGGREGATES = (
    Aggregate("tenure_days", "days", "since the first event of any type", lambda v: v.tenure),
    Aggregate(
        "idle_days",
        "days",
        "since the user last did something (a promotion received is not their doing)",
        lambda v: v.last_activity_age,
    ),
    Aggregate(
        "signup_age_days",
        "days",
        "since the sign-up; missing without one",
        lambda v: v.age_of_first("signup"),
        known=count("signup"),
    ),
    Aggregate("logins", "count", "logins so far", count("login")),
    Aggregate("logins_30", "count", "logins of the last 30 days", lambda v: v.in_days("logins", 30)),
    Aggregate(
        "login_age_days",
        "days",
        "since the last login; missing without one",
        lambda v: v.age_of_last("login"),
        known=count("login"),
    ),
    *by_window(
        "active_days_{}",
        "count",
        "days on which the user did something, of the last {}",
        (30, 90),
        lambda days: lambda view: view.active_days(days),
    ),
    Aggregate("returned_day_1", "flag", "did something on the day after their first doing", _returned(1, 1)),
    Aggregate("returned_day_7", "flag", "did something 2 to 7 days after their first doing", _returned(2, 7)),
    Aggregate("returned_day_30", "flag", "did something 8 to 30 days after their first doing", _returned(8, 30)),
    Aggregate("stage_new", "flag", f"known for less than {NEW_DAYS} days", flag(_new)),
    Aggregate(
        "stage_growing", "flag", f"spent more in {LOST_DAYS} days than in {LOST_DAYS} before; not new", flag(_growing)
    ),
    Aggregate("stage_active", "flag", "neither new, nor growing, nor lost", flag(_active)),
    Aggregate("stage_lost", "flag", f"nothing done for more than {LOST_DAYS} days; not new", flag(_lost)),
    Aggregate("weekend_share", "ratio", "share of events on weekends, promotions received among them", _weekend),
    Aggregate("evening_share", "ratio", "share of events from 18:00 UTC, promotions received among them", _evening),
)
