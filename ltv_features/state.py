"""User state: built from events, merged as an exact monoid.

Everything in a state is an integer sum, a minimum, a maximum, a set, or the last L of a total order, so that merging
the states of any split of a user's events, in any order, gives the bits of building from all of them. `build` and
`merge` both end in `_fold`, where entries with equal keys become one. Kernel room: NumPy and Arrow only.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltv_features.arrow import arrow_schema
from ltv_features.contract import (
    KERNEL_EVENTS,
    MAX_BROWSE,
    MAX_LINES,
    NEVER_US,
    PROFILE_TYPE_ID,
    USER_STATE,
)
from ltv_features.errors import FutureLeak
from ltv_features.event_entries import DAY_COUNTS, entries_of, histograms
from ltv_features.ragged import (
    Array,
    Columns,
    Ints,
    distinct_users,
    last_of_each,
    order_by,
    owners,
    pack,
    pack_dense,
    reduce_runs,
    run_starts,
    sum_rows,
    take,
    unpack,
    unpack_dense,
)

SCHEMA = arrow_schema(USER_STATE)
_EVENTS = arrow_schema(KERNEL_EVENTS)
_DENSE = {"hours": 24, "weekdays": 7, "stars": 5}
_ORDER_SUMS = ("lines", "quantity", "gross_minor", "discount_minor", "refunded_minor")
_DAY_SUMS = (*DAY_COUNTS, "gross_minor", "discount_minor", "refunded_minor", "dwell_seconds")
_RULES: dict[str, tuple[tuple[str, ...], dict[str, np.ufunc]]] = {
    "types": (("type",), {"n": np.add, "first_us": np.minimum, "last_us": np.maximum}),
    "orders": (
        ("order_key",),
        {"first_us": np.minimum, "refund_us": np.minimum} | dict.fromkeys(_ORDER_SUMS, np.add),
    ),
    "days": (("day",), dict.fromkeys(_DAY_SUMS, np.add)),
}
"""Lists whose entries are merged by key: the key columns beside the user, and how each other column is reduced."""
_LAST = {"lines": MAX_LINES, "browse": MAX_BROWSE}
"""Lists that keep the last L entries by (ts_us, event_key, every other field)."""


def empty() -> pa.Table:
    """The state of nobody: the neutral element of `merge`."""
    return SCHEMA.empty_table()


def build(events: pa.Table, *, as_of_us: int) -> pa.Table:
    """One row a user, sorted by (user_key, user_id), from events (KERNEL_EVENTS) in any order.

    Raises FutureLeak when an event or profile lies at or after `as_of_us` (microseconds since 1970), ContractBroken
    when one user_id comes with two user_keys.
    """
    events = events.cast(_EVENTS).combine_chunks()
    if not len(events):
        return empty()
    column = {name: events[name].to_numpy() for name in events.column_names if name not in ("user_id", "profile")}
    late = int((column["ts_us"] >= as_of_us).sum())
    if late:
        raise FutureLeak(
            f"state.build: {late} of {len(events)} rows lie at or after as_of {as_of_us} us; "
            "next: read events through events_as_of"
        )
    users, names, who = distinct_users(events["user_id"], column["user_key"])
    column["who"] = who
    happened = take(column, np.flatnonzero(column["type"] != PROFILE_TYPE_ID))
    happened = take(happened, order_by(happened["who"], happened["ts_us"]))
    is_profile = pa.array(column["type"] == PROFILE_TYPE_ID)
    said = events.filter(is_profile).select(["ts_us", "event_key", "profile"])
    profile = said.rename_columns(["profile_us", "profile_key", "profile"])
    said_by = who[column["type"] == PROFILE_TYPE_ID]
    last = _last_profiles(said_by, profile, len(users))
    return _fold(users, names, entries_of(happened), histograms(happened, len(users)), last)


def merge(left: pa.Table, right: pa.Table) -> pa.Table:
    """The states of the union of two disjoint sets of events. Exact, commutative, associative; `empty()` is neutral."""
    both = pa.concat_tables([left, right]).cast(SCHEMA).combine_chunks()
    if not len(both):
        return empty()
    users, names, row_user = distinct_users(both["user_id"], both["user_key"].to_numpy())
    loose = {}
    for name in (*_RULES, *_LAST):
        offsets, columns = unpack(both[name])
        loose[name] = columns | {"who": row_user[owners(np.diff(offsets))]}
    dense = {name: sum_rows(unpack_dense(both[name], width), row_user, len(users)) for name, width in _DENSE.items()}
    profile = both.select(["profile_us", "profile_key", "profile"])
    return _fold(users, names, loose, dense, _last_profiles(row_user, profile, len(users)))


def states_at(events: pa.Table, cutoffs_us: Sequence[int]) -> Iterator[tuple[int, pa.Table]]:
    """(cut-off, states of the events known before it) for each cut-off, ascending, by merging interval states."""
    cutoffs = sorted(cutoffs_us)
    known = np.maximum(events["ts_us"].to_numpy(), events["known_us"].to_numpy())
    interval = np.searchsorted(np.asarray(cutoffs, np.int64), known, side="right")
    running = empty()
    for number, cutoff in enumerate(cutoffs):
        running = merge(running, build(events.filter(pa.array(interval == number)), as_of_us=cutoff))
        yield cutoff, running


def _fold(
    users: Ints, names: pa.Array, loose: dict[str, Columns], dense: dict[str, Array], profile: pa.Table
) -> pa.Table:
    """States of `users` [B] from loose entries (flat columns with `who`), histograms [B, width], profile rows [B]."""
    columns = {"user_id": names, "user_key": pa.array(users, pa.int64())}
    for name, (keys, rules) in _RULES.items():
        merged = _one_a_key(loose[name], ("who", *keys), rules)
        if name == "orders":
            merged = take(merged, order_by(merged["who"], merged["first_us"], merged["order_key"]))
        lengths = np.bincount(merged["who"], minlength=len(users)).astype(np.int64)
        columns[name] = pack(lengths, merged, SCHEMA.field(name).type)
    for name, limit in _LAST.items():
        last, lengths = _last_entries(loose[name], len(users), limit)
        columns[name] = pack(lengths, last, SCHEMA.field(name).type)
    for name in _DENSE:
        columns[name] = pack_dense(dense[name], SCHEMA.field(name).type)
    columns |= {name: profile[name] for name in profile.column_names}
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def _one_a_key(entries: Columns, keys: tuple[str, ...], rules: dict[str, np.ufunc]) -> Columns:
    """One entry a key, sorted by the keys. Neighbours are joined first: the lines of an order mostly lie together."""
    entries = _joined(entries, keys, rules)
    return _joined(take(entries, order_by(*(entries[key] for key in keys))), keys, rules)


def _joined(entries: Columns, keys: tuple[str, ...], rules: dict[str, np.ufunc]) -> Columns:
    """Neighbours with equal keys as one entry."""
    starts = run_starts(*(entries[key] for key in keys))
    return reduce_runs(starts, entries, rules) | {key: entries[key][starts] for key in keys}


def _last_entries(entries: Columns, users: int, limit: int) -> tuple[Columns, Ints]:
    """The last `limit` entries of each user by the total order, and lengths [B].

    What is older than the entry at the limit is dropped before the full sort, with its equals in time kept.
    """
    by_time = order_by(entries["who"], entries["ts_us"])
    who, times = entries["who"][by_time], entries["ts_us"][by_time]
    first, _ = last_of_each(who, users, limit)
    oldest = np.full(users, NEVER_US)
    oldest[who[first][::-1]] = times[first][::-1]  # the last assignment stays: the oldest entry within the limit
    entries = take(entries, by_time[times >= oldest[who]])
    rest = sorted(set(entries) - {"who", "ts_us", "event_key"})
    order = order_by(*(entries[key] for key in ("who", "ts_us", "event_key", *rest)))
    kept, lengths = last_of_each(entries["who"][order], users, limit)
    return take(entries, order[kept]), lengths


def _last_profiles(who: Ints, profile: pa.Table, users: int) -> pa.Table:
    """The last profile of each user [B] by (profile_us, profile_key, text); the neutral one where there is none."""
    text = pc.fill_null(profile["profile"], "")
    said = profile.set_column(2, "profile", text).append_column("who", pa.array(who))
    names = ("who", "profile_us", "profile_key", "profile")
    said = said.take(pc.sort_indices(said, sort_keys=[(name, "ascending") for name in names]))
    ends = np.searchsorted(said["who"].to_numpy(), np.arange(users), side="right") - 1
    silent = np.ones(users, bool)
    silent[who] = False
    neutral = {"profile_us": [-NEVER_US], "profile_key": [0], "profile": [""], "who": [0]}
    with_neutral = pa.concat_tables([said, pa.table(neutral, schema=said.schema)])
    return with_neutral.take(pa.array(np.where(silent, len(said), ends))).drop_columns("who")
