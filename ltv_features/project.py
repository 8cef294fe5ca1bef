"""States as of a date become examples: aggregates, the anchor's raw inputs and a stream of tokens in time.

Kernel room: NumPy and Arrow only. B users, A aggregates, N tokens over all users.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ltv_features.aggregates import compute_all
from ltv_features.clock import hour_of, weekday_of
from ltv_features.contract import (
    CATEGORICAL_FIELDS,
    MAX_LINES,
    MAX_ORDER_TOKENS,
    MAX_TOKENS,
    MICROS_PER_DAY,
    NUMERIC_FIELDS,
    TYPE_ID,
)
from ltv_features.ragged import (
    Array,
    Columns,
    concatenate,
    last_of_each,
    offsets_of,
    order_by,
    run_numbers,
    run_starts,
    take,
)
from ltv_features.view import Floats, StateView, open_view, ratio

TOKEN_TYPES = dict.fromkeys(CATEGORICAL_FIELDS, np.int32) | dict.fromkeys(NUMERIC_FIELDS, np.float32)


@dataclass(frozen=True)
class Examples:
    """What a model sees of B users: `tokens` are flat [N] by field, oldest first, cut by `offsets` [B + 1]."""

    user_key: npt.NDArray[np.int64]
    user_id: pa.Array
    aggregates: npt.NDArray[np.float32]
    anchor: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.int64]
    tokens: dict[str, Array]
    cutoff_no: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.user_key)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """[B] tokens of each user."""
        return np.diff(self.offsets)

    def take(self, rows: Array) -> "Examples":
        """The examples at `rows`, in that order."""
        lengths = self.lengths[rows]
        offsets = offsets_of(lengths)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][rows] - offsets[:-1], lengths)
        return Examples(
            user_key=self.user_key[rows],
            user_id=self.user_id.take(pa.array(rows)),
            aggregates=self.aggregates[rows],
            anchor=self.anchor[rows],
            offsets=offsets,
            tokens={name: values[places] for name, values in self.tokens.items()},
            cutoff_no=self.cutoff_no[rows],
        )

    def padded(self, length: int) -> dict[str, Array]:
        """Each field as [B, length]: the last `length` tokens from the left, oldest first, zeros behind them."""
        kept = np.minimum(self.lengths, length)
        column = np.arange(length)
        inside = column < kept[:, None]
        places = (self.offsets[1:] - kept)[:, None] + column
        padded = {}
        for name, values in self.tokens.items():
            padded[name] = np.zeros(inside.shape, values.dtype)
            padded[name][inside] = values[places[inside]]
        return padded

    @staticmethod
    def concat(parts: Sequence["Examples"]) -> "Examples":
        """All parts, one after the other. Raises ValueError without a part."""
        if not parts:
            raise ValueError("nothing to concatenate")
        ids = [chunk for part in parts for chunk in pa.chunked_array([part.user_id]).chunks]
        return Examples(
            user_key=np.concatenate([part.user_key for part in parts]),
            user_id=pa.concat_arrays(ids),
            aggregates=np.concatenate([part.aggregates for part in parts]),
            anchor=np.concatenate([part.anchor for part in parts]),
            offsets=offsets_of(np.concatenate([part.lengths for part in parts])),
            tokens=concatenate([part.tokens for part in parts]),
            cutoff_no=np.concatenate([part.cutoff_no for part in parts]),
        )


def project(states: pa.Table, *, as_of_us: int) -> Examples:
    """The value stream: one token an order (the last MAX_ORDER_TOKENS) and one a browse event, the last MAX_TOKENS.

    An order's category is the most frequent one among its lines still held in the state (the lowest number of equals).
    Raises FutureLeak when a state holds something at or after as_of, ValueError when as_of is not a midnight.
    """
    view = open_view(states, as_of_us=as_of_us)
    orders, browse = _order_tokens(view), _browse_tokens(view)
    return _examples(states, view, _in_time(concatenate([orders, browse]), view.users, MAX_TOKENS))


def project_lines(states: pa.Table, *, as_of_us: int) -> Examples:
    """The recommender's stream: one token a purchased item line, the last MAX_LINES. Raises as `project` does."""
    view = open_view(states, as_of_us=as_of_us)
    lines = view.lines
    tokens = _tokens(lines["who"], lines["ts_us"], lines["event_key"], TYPE_ID["purchase"], lines)
    tokens["lines"] = np.ones(len(lines["who"]))
    return _examples(states, view, _in_time(tokens, view.users, MAX_LINES))


def anchor_inputs(view: StateView) -> Floats:
    """[B, 5] float64: the contract's ANCHOR_INPUTS."""
    orders = view.order_count
    spent = view.total(view.orders["who"], view.orders["gross_minor"].astype(np.float64))
    age = view.first_order_age
    last = np.where(orders > 0, age - view.last_order_age, 0.0)
    return np.stack([orders, np.maximum(orders - 1, 0), np.maximum(last, 0), age, ratio(spent, orders)], axis=1)


def _examples(states: pa.Table, view: StateView, tokens: Columns) -> Examples:
    lengths = np.bincount(tokens["who"], minlength=view.users).astype(np.int64)
    before = np.append(-1, tokens["who"][:-1]) if len(tokens["who"]) else tokens["who"]
    gap = np.diff(tokens["ts_us"], prepend=tokens["ts_us"][:1]) / MICROS_PER_DAY
    made = tokens | {
        "hour": hour_of(tokens["ts_us"]) + 1,
        "weekday": weekday_of(tokens["ts_us"]) + 1,
        "gap_days": np.where(before == tokens["who"], gap, 0.0),
        "age_days": (view.as_of_us - tokens["ts_us"]) / MICROS_PER_DAY,
    }
    return Examples(
        user_key=states["user_key"].to_numpy(),
        user_id=states["user_id"].combine_chunks(),
        aggregates=compute_all(view),
        anchor=anchor_inputs(view),
        offsets=offsets_of(lengths),
        tokens={name: made[name].astype(kind) for name, kind in TOKEN_TYPES.items()},
        cutoff_no=np.zeros(view.users, np.int32),
    )


def _order_tokens(view: StateView) -> Columns:
    kept, _ = last_of_each(view.orders["who"], view.users, MAX_ORDER_TOKENS)
    orders = take(view.orders, kept)
    known = orders | {"amount_minor": orders["gross_minor"], "category_no": _top_category(view, orders)}
    return _tokens(orders["who"], orders["first_us"], orders["order_key"], TYPE_ID["purchase"], known)


def _browse_tokens(view: StateView) -> Columns:
    browse = view.browse
    return _tokens(browse["who"], browse["ts_us"], browse["event_key"], browse["type"], browse)


def _tokens(who: Array, ts_us: Array, tie: Array, kind: Array | int, known: Columns) -> Columns:
    """Token columns with zeros where a field has no meaning; hour, weekday, gap and age follow from `ts_us` later."""
    nothing = np.zeros(len(who))
    made = {name: known.get(name, nothing) for name in TOKEN_TYPES}
    return made | {"who": who, "ts_us": ts_us, "tie": tie, "event_type": np.broadcast_to(kind, len(who))}


def _in_time(tokens: Columns, users: int, limit: int) -> Columns:
    """The last `limit` tokens of each user, by (time, event type, tie)."""
    order = order_by(tokens["who"], tokens["ts_us"], tokens["event_type"], tokens["tie"])
    kept, _ = last_of_each(tokens["who"][order], users, limit)
    return take(tokens, order[kept])


def _top_category(view: StateView, orders: Columns) -> Array:
    """The category of each order, 0 where none of its lines is still held."""
    lines = view.lines
    rank = order_by(lines["who"], lines["order_key"], lines["category_no"])
    who, key, category = (lines[name][rank] for name in ("who", "order_key", "category_no"))
    starts = run_starts(who, key, category)
    count = np.diff(np.append(starts, len(rank)))
    who, key, category = who[starts], key[starts], category[starts]
    first = run_starts(who, key)
    best = np.lexsort((category, -count, np.repeat(np.arange(len(first)), np.diff(np.append(first, len(who))))))
    return _matched(who[first], key[first], category[best[first]], orders)


def _matched(who: Array, key: Array, category: Array, orders: Columns) -> Array:
    """The category at (who, key), both sorted together, for each order; 0 where there is none."""
    both = [np.concatenate([who, orders["who"]]), np.concatenate([key, orders["order_key"]])]
    rank = np.lexsort((both[1], both[0]))
    group = np.zeros(len(rank), np.int64)
    group[rank] = run_numbers(both[0][rank], both[1][rank])
    by_group = np.zeros(len(rank) + 1, np.int32)
    by_group[group[: len(who)]] = category
    return by_group[group[len(who) :]]
