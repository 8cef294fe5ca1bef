"""The next basket after a cut-off: what the recommender is trained to guess. NumPy and Arrow only."""

from typing import Any

import numpy as np
import pyarrow as pa

from ltv_features.contract import MAX_BASKET, TYPE_ID

Array = np.ndarray[Any, np.dtype[Any]]


def next_baskets(events: pa.Table, user_keys: Array, *, cutoff_us: int, until_us: int) -> tuple[Array, Array]:
    """Items [N, MAX_BASKET] by item number, 0 behind them, and sizes [N] of each user's first order in [cutoff, until).

    An order belongs to the time of its first line in the window; an item on two lines counts once; lines without an
    item do not count. Size 0: no order, or none with items. Of a larger basket the items with the lowest numbers stay.
    """
    items = np.zeros((len(user_keys), MAX_BASKET), dtype=np.int32)
    sizes = np.zeros(len(user_keys), dtype=np.int32)
    ts = events.column("ts_us").to_numpy()
    bought = (events.column("type").to_numpy() == TYPE_ID["purchase"]) & (ts >= cutoff_us) & (ts < until_us)
    users, orders, times, numbers = (
        events.column(name).to_numpy()[bought] for name in ("user_key", "order_key", "ts_us", "item_no")
    )
    if not len(users):
        return items, sizes
    rank = np.lexsort((orders, times, users))
    users, orders, numbers = users[rank], orders[rank], numbers[rank]
    first = np.flatnonzero(np.r_[True, users[1:] != users[:-1]])
    run = np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(users)]))
    lines = (orders == orders[first][run]) & (numbers > 0)
    pairs = np.unique(np.stack([run[lines], numbers[lines].astype(np.int64)], axis=1), axis=0)
    counts = np.bincount(pairs[:, 0], minlength=len(first))
    place = np.arange(len(pairs)) - np.repeat(np.cumsum(counts) - counts, counts)
    by_user = np.zeros((len(first), MAX_BASKET), dtype=np.int32)
    kept = place < MAX_BASKET
    by_user[pairs[kept, 0], place[kept]] = pairs[kept, 1]
    found = np.searchsorted(users[first], user_keys)
    known = found < len(first)
    known[known] = users[first][found[known]] == user_keys[known]
    items[known], sizes[known] = by_user[found[known]], counts[found[known]]
    return items, sizes
