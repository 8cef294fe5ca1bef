"""What happened after a cut-off: spend, orders and activity by consecutive period, with mask and exposure.

Kernel room: NumPy and Arrow only. N users, P periods.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ltv_features.contract import MICROS_PER_DAY, PROFILE_TYPE_ID, TYPE_ID
from ltv_features.ragged import Array, Columns, run_starts


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
    the cut-off. `exposure` is the observed share of the period, `mask` whether it is above zero.
    """
    sorted_keys = np.sort(user_keys)
    place = np.argsort(user_keys, kind="stable")
    rows = _after_cutoff(events, sorted_keys, cutoff_us, observed_until_us)
    shape = (len(user_keys), len(periods_days))
    made: dict[str, Array] = {name: np.zeros(shape) for name in ("spend_minor", "orders", "purchased", "active")}
    mask, exposure = np.zeros(shape), np.zeros(shape)
    first = _first_lines(rows)
    for number, (start, end) in enumerate(periods_days):
        begin, finish = cutoff_us + start * MICROS_PER_DAY, cutoff_us + end * MICROS_PER_DAY
        seen = max(0, min(finish, observed_until_us) - begin)
        exposure[:, number] = seen / (finish - begin)
        mask[:, number] = float(seen > 0)
        inside = (rows["ts_us"] >= begin) & (rows["ts_us"] < finish)
        new = (first["ts_us"] >= begin) & (first["ts_us"] < finish)
        counted = {
            "spend_minor": np.bincount(rows["who"][inside], rows["net_minor"][inside], minlength=shape[0]),
            "orders": np.bincount(first["who"][new], minlength=shape[0]),
            "purchased": np.bincount(rows["who"][inside & rows["is_line"]], minlength=shape[0]) > 0,
            "active": np.bincount(rows["who"][inside], minlength=shape[0]) > 0,
        }
        for name, values in counted.items():
            made[name][place, number] = values
    whole = made | {"mask": mask, "exposure": exposure}
    return {name: values if name == "spend_minor" else values.astype(np.float32) for name, values in whole.items()}


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
    lines = {name: values[rows["is_line"]] for name, values in rows.items()}
    order = np.lexsort((lines["ts_us"], lines["order_key"], lines["who"]))
    starts = order[run_starts(lines["who"][order], lines["order_key"][order])]
    return {"who": lines["who"][starts], "ts_us": lines["ts_us"][starts]}
