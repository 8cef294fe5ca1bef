"""What happened after a cut-off: spend, orders and activity by consecutive period, with mask and exposure.

Kernel room: NumPy and Arrow only. N users, P periods.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ltv_features.contract import (
    DONE_TO,
    LABEL_FIELDS,
    MICROS_PER_DAY,
    NAMED_LABELS,
    NEXT_LABELS,
    PROFILE_TYPE_ID,
    TYPE_ID,
)
from ltv_features.ragged import Array, Columns, order_by, run_starts, take

_DONE_TO_IDS = [TYPE_ID[name] for name in DONE_TO]


def labels(
    events: pa.Table,
    *,
    user_keys: npt.NDArray[np.int64],
    cutoff_us: int,
    periods_days: Sequence[tuple[int, int]],
    observed_until_us: int,
) -> dict[str, Array]:
    """The contract's LABEL_FIELDS [N, P] of `user_keys` [N], in their order.

    A period counts events in [cutoff + start, min(cutoff + end, observed_until)). Net spend takes a refund in the
    period of the refund's own time and may be negative. An order counts once, in the period of its first line after
    the cut-off. Whatever a user does makes them active; what is done to them, a promotion received, does not.
    `exposure` is the observed share of the period, `mask` whether it is above zero. `user_keys` must be unique; events
    of other users and profile rows are left out.
    """
    place = np.argsort(user_keys, kind="stable")
    rows = _after_cutoff(events, user_keys[place], cutoff_us, observed_until_us)
    lines, own, first = take(rows, rows["is_line"]), take(rows, rows["is_own"]), _first_lines(rows)
    made = {name: np.zeros((len(user_keys), len(periods_days)), np.float64) for name in LABEL_FIELDS}
    for number, (start, end) in enumerate(periods_days):
        begin, finish = cutoff_us + start * MICROS_PER_DAY, cutoff_us + end * MICROS_PER_DAY
        seen = max(0, min(finish, observed_until_us) - begin)
        column = {
            "spend_minor": _count(rows, begin, finish, len(place), rows["net_minor"]),
            "orders": _count(first, begin, finish, len(place)),
            "purchased": _count(lines, begin, finish, len(place)) > 0,
            "active": _count(own, begin, finish, len(place)) > 0,
        }
        for name, values in column.items():
            made[name][place, number] = values
        made["mask"][:, number] = float(seen > 0)
        made["exposure"][:, number] = seen / (finish - begin)
    return {name: values if name == "spend_minor" else values.astype(np.float32) for name, values in made.items()}


def further_labels(
    events: pa.Table,
    *,
    user_keys: npt.NDArray[np.int64],
    cutoff_us: int,
    periods_days: Sequence[tuple[int, int]],
    observed_until_us: int,
) -> dict[str, Array]:
    """PERIOD_LABELS [N, P] and NEXT_LABELS [N, 1]; the next purchase is looked for up to the longest horizon.

    Arguments as of `labels`. A next order's value counts its lines within the same window, refunds aside.
    """
    place = np.argsort(user_keys, kind="stable")
    until = max(cutoff_us, min(observed_until_us, cutoff_us + periods_days[-1][1] * MICROS_PER_DAY))
    rows = _after_cutoff(events, user_keys[place], cutoff_us, until)
    lines = take(rows, rows["is_line"])
    gross = np.zeros((len(place), len(periods_days)))
    for number, (start, end) in enumerate(periods_days):
        begin, finish = cutoff_us + start * MICROS_PER_DAY, cutoff_us + end * MICROS_PER_DAY
        gross[place, number] = _count(lines, begin, finish, len(place), lines["net_minor"])
    order = order_by(lines["who"], lines["ts_us"], lines["order_key"])
    first = take(lines, order[run_starts(lines["who"][order])])
    next_us, next_order, seen = np.full(len(place), until), np.zeros(len(place), np.int64), np.zeros(len(place), bool)
    next_us[first["who"]], next_order[first["who"]], seen[first["who"]] = first["ts_us"], first["order_key"], True
    of_next = lines["order_key"] == next_order[lines["who"]]
    value = np.bincount(lines["who"][of_next], lines["net_minor"][of_next], minlength=len(place))
    made: dict[str, Array] = {"gross_minor": gross}
    for name, column in zip(NEXT_LABELS, ((next_us - cutoff_us) / MICROS_PER_DAY, seen, value), strict=True):
        made[name] = np.zeros((len(place), 1))
        made[name][place, 0] = column
    return made


def named_labels(
    events: pa.Table,
    *,
    user_keys: npt.NDArray[np.int64],
    windows_us: Sequence[tuple[int, int] | None],
    observed_until_us: int,
) -> dict[str, Array]:
    """NAMED_LABELS [N, K] of the windows [begin, end) in microseconds; None where a period has no further occurrence.

    A window that is not mature as a whole has mask 0 and no other label.
    """
    place = np.argsort(user_keys, kind="stable")
    made: dict[str, Array] = {name: np.zeros((len(place), len(windows_us))) for name in NAMED_LABELS}
    for number, window in enumerate(windows_us):
        if window is None or window[1] > observed_until_us:
            continue
        rows = _after_cutoff(events, user_keys[place], *window)
        lines = take(rows, rows["is_line"])
        made["named_spend_minor"][place, number] = _count(rows, *window, len(place), rows["net_minor"])
        made["named_purchased"][place, number] = _count(lines, *window, len(place)) > 0
        made["named_mask"][:, number] = 1.0
    return made


def _count(rows: Columns, begin_us: int, end_us: int, users: int, weights: Array | None = None) -> Array:
    """[users] rows in [begin, end) by user, or the sum of their weights."""
    inside = (rows["ts_us"] >= begin_us) & (rows["ts_us"] < end_us)
    return np.bincount(rows["who"][inside], None if weights is None else weights[inside], minlength=users)


def _after_cutoff(events: pa.Table, sorted_keys: Array, cutoff_us: int, until_us: int) -> Columns:
    """The events of known users in [cutoff, until), with `who` = the user's place in `sorted_keys`."""
    times, keys, kind = (events[name].to_numpy() for name in ("ts_us", "user_key", "type"))
    inside = np.flatnonzero((times >= cutoff_us) & (times < until_us) & (kind != PROFILE_TYPE_ID))
    who = np.searchsorted(sorted_keys, keys[inside])
    known = who < len(sorted_keys)
    known[known] = sorted_keys[who[known]] == keys[inside][known]
    inside, who = inside[known], who[known].astype(np.int64)
    kind, amount = kind[inside], events["amount_minor"].to_numpy()[inside]
    sign = (kind == TYPE_ID["purchase"]).astype(np.int64) - (kind == TYPE_ID["refund"])
    return {
        "who": who,
        "ts_us": times[inside],
        "net_minor": (sign * amount).astype(np.float64),
        "order_key": events["order_key"].to_numpy()[inside],
        "is_line": kind == TYPE_ID["purchase"],
        "is_own": ~np.isin(kind, _DONE_TO_IDS),
    }


def _first_lines(rows: Columns) -> Columns:
    """The first purchase line of each user's order in `rows`: `who` and `ts_us`."""
    lines = take(rows, rows["is_line"])
    order = order_by(lines["who"], lines["order_key"], lines["ts_us"])
    starts = order[run_starts(lines["who"][order], lines["order_key"][order])]
    return {"who": lines["who"][starts], "ts_us": lines["ts_us"][starts]}
