"""What happened after a cut-off: spend, orders and activity by consecutive period, with mask and exposure.

Kernel room: NumPy and Arrow only. N users, P periods.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ltv_features.contract import LABEL_FIELDS, MICROS_PER_DAY, PROFILE_TYPE_ID, TYPE_ID
from ltv_features.ragged import Array, Columns, order_by, run_starts, take


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
    the cut-off. Any event makes a user active. `exposure` is the observed share of the period, `mask` whether it is
    above zero. `user_keys` must be unique; events of other users and profile rows are left out.
    """
    place = np.argsort(user_keys, kind="stable")
    rows = _after_cutoff(events, user_keys[place], cutoff_us, observed_until_us)
    lines, first = take(rows, rows["is_line"]), _first_lines(rows)
    made = {name: np.zeros((len(user_keys), len(periods_days)), np.float64) for name in LABEL_FIELDS}
    for number, (start, end) in enumerate(periods_days):
        begin, finish = cutoff_us + start * MICROS_PER_DAY, cutoff_us + end * MICROS_PER_DAY
        seen = max(0, min(finish, observed_until_us) - begin)
        column = {
            "spend_minor": _count(rows, begin, finish, len(place), rows["net_minor"]),
            "orders": _count(first, begin, finish, len(place)),
            "purchased": _count(lines, begin, finish, len(place)) > 0,
            "active": _count(rows, begin, finish, len(place)) > 0,
        }
        for name, values in column.items():
            made[name][place, number] = values
        made["mask"][:, number] = float(seen > 0)
        made["exposure"][:, number] = seen / (finish - begin)
    return {name: values if name == "spend_minor" else values.astype(np.float32) for name, values in made.items()}


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
    }


def _first_lines(rows: Columns) -> Columns:
    """The first purchase line of each user's order in `rows`: `who` and `ts_us`."""
    lines = take(rows, rows["is_line"])
    order = order_by(lines["who"], lines["order_key"], lines["ts_us"])
    starts = order[run_starts(lines["who"][order], lines["order_key"][order])]
    return {"who": lines["who"][starts], "ts_us": lines["ts_us"][starts]}
