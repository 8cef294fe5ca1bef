"""One partition of events in, one row an example out: features once a cut-off, labels for every origin that takes it.

The caller hands in all events of a set of whole users. Rows leave cut-off by cut-off, so memory holds the events, the
states of one cut-off and one chunk of examples, never all examples. NumPy and Arrow only.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from ltv_features import baskets, labels, project, sampling, state
from ltv_features.arrow import arrow_schema
from ltv_features.blocks import LABEL_PREFIX, TOKEN_TYPES, value_extras
from ltv_features.contract import KERNEL_EVENTS, LABEL_FIELDS, MICROS_PER_DAY, PROFILE_TYPE_ID, TYPE_ID
from ltv_features.cutoffs import BASKET_WINDOW_DAYS, midnight_us
from ltv_features.example_plan import AT_ORIGIN, ExamplePlan, Use

Array = np.ndarray[Any, np.dtype[Any]]

CHUNK = 1024
NEVER_FIELDS = ("spend_minor", "purchased", "active", "exposure")
TALLY = ("never_bought", "sampled_out", "without_target")

ROW_SCHEMA = pa.schema(
    [
        ("order_hash", pa.int64()),
        ("user_key", pa.int64()),
        ("user_id", pa.string()),
        ("point", pa.int32()),
        ("aggregates", pa.list_(pa.float32())),
        ("anchor", pa.list_(pa.float64())),
        *[(name, pa.list_(pa.type_for_alias(kind))) for name, kind in TOKEN_TYPES.items()],
        ("weights", pa.list_(pa.float32())),
        ("labels", pa.list_(pa.float64())),
        ("tally", pa.list_(pa.float64())),
    ]
)
"""An example before it lies in blocks. `weights`: one a use of the point, 0 where the sample leaves it out. `labels`:
uses x all values of `blocks.value_extras`, or of a basket its target (size, then items). `tally`: not an example but
counts of this partition: uses x (TALLY, then the sums of NEVER_FIELDS x periods over users that never bought)."""


def example_rows(batches: Iterable[pa.RecordBatch], plan: ExamplePlan) -> Iterator[pa.RecordBatch]:
    """Rows in ROW_SCHEMA for all points of the plan, from all events (KERNEL_EVENTS) of a set of users."""
    parts = [batch for batch in batches if batch.num_rows]
    if not parts:
        return
    events = pa.Table.from_batches(parts).cast(arrow_schema(KERNEL_EVENTS)).sort_by("ts_us").combine_chunks()
    people = _People.of(events)
    weights = [_origin_weights(people, plan, number) for number in range(len(plan.origins))]
    days = sorted({point.day for point in plan.points})
    states = state.states_at(events, [midnight_us(day) for day in days])
    for day, (_, known) in zip(days, states, strict=True):
        for number, point in enumerate(plan.points):
            if point.day == day:
                yield from _rows_of_point(events, people, weights, known, plan, number)


@dataclass(frozen=True)
class _People:
    """First known moment and first order of every user of the partition, users in order of their key."""

    keys: Array
    known_us: Array
    bought_us: Array

    @classmethod
    def of(cls, events: pa.Table) -> "_People":
        """An undated profile (1970-01-01) does not make a user known."""
        ts = np.maximum(events.column("ts_us").to_numpy(), events.column("known_us").to_numpy())
        kind = events.column("type").to_numpy()
        keys, place = np.unique(events.column("user_key").to_numpy(), return_inverse=True)
        undated = (kind == PROFILE_TYPE_ID) & (ts == 0)
        return cls(
            keys, _first(place, ts, ~undated, len(keys)), _first(place, ts, kind == TYPE_ID["purchase"], len(keys))
        )


def _first(place: Array, ts: Array, mask: Array, count: int) -> Array:
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, place[mask], ts[mask])
    return first


def _origin_weights(people: _People, plan: ExamplePlan, number: int) -> Array:
    """Weights [users, cut-offs + 1]; the last column is the slice, where every buyer weighs 1."""
    origin = plan.origins[number]
    train = sampling.sample_weights(
        people.bought_us,
        people.keys,
        list(origin.cutoffs),
        seed=plan.seed,
        per_user=plan.per_user,
        share=plan.shares[number],
    )
    here = (people.bought_us < midnight_us(origin.day)).astype(np.float32)
    return np.concatenate([train, here[:, None]], axis=1)


def _rows_of_point(
    events: pa.Table, people: _People, weights: list[Array], known: pa.Table, plan: ExamplePlan, number: int
) -> Iterator[pa.RecordBatch]:
    point = plan.points[number]
    cutoff_us = midnight_us(point.day)
    by_use = np.stack([weights[use.origin][:, use.cutoff_no] for use in point.uses], axis=1)
    answers = np.stack([_answers(events, people.keys, point.day, use, plan) for use in point.uses], axis=1)
    bought: Array = np.less(people.bought_us, cutoff_us)
    aimless = np.zeros_like(by_use, dtype=bool)
    if plan.kind == "basket":
        trained = np.array([use.cutoff_no != AT_ORIGIN for use in point.uses])
        aimless = (answers[:, :, 0] == 0) & trained & (by_use > 0)
    kept = np.where(aimless, 0, by_use)
    counts = [(people.known_us < cutoff_us) & ~bought, np.expand_dims(bought, 1) & (by_use == 0), aimless]
    yield _tally_row(counts, answers, plan, number)
    wanted: Array = np.asarray(kept.any(axis=1))
    view = project.project if plan.kind == "value" else project.project_lines
    rows = np.searchsorted(people.keys, known.column("user_key").to_numpy())
    chosen = np.flatnonzero(wanted[rows])
    for start in range(0, len(chosen), CHUNK):
        part = chosen[start : start + CHUNK]
        examples = view(known.take(pa.array(part)), as_of_us=cutoff_us)
        place = np.searchsorted(people.keys, examples.user_key)
        lists = {"weights": kept[place], "labels": answers[place].reshape(len(place), -1)}
        yield _batch(examples, lists, sampling.order_hash(examples.user_key, point.day, seed=plan.seed), number)


def _answers(events: pa.Table, keys: Array, day: date, use: Use, plan: ExamplePlan) -> Array:
    """Labels [N, widths of value_extras] or the next basket [N, 1 + MAX_BASKET]; zeros where no future is known yet."""
    cutoff_us = midnight_us(day)
    seen_us = cutoff_us if use.until is None else midnight_us(use.until)
    if plan.kind == "basket":
        until_us = min(seen_us, cutoff_us + BASKET_WINDOW_DAYS * MICROS_PER_DAY)
        window = _between(events, cutoff_us, until_us, seen_us)
        items, sizes = baskets.next_baskets(window, keys, cutoff_us=cutoff_us, until_us=until_us)
        return np.asarray(np.concatenate([sizes[:, None], items], axis=1), dtype=np.float64)
    horizon_us = cutoff_us + plan.periods_days[-1][1] * MICROS_PER_DAY
    window = _between(events, cutoff_us, min(seen_us, horizon_us), seen_us)
    made: dict[str, Array] = {}
    for of_periods in (labels.labels, labels.further_labels):
        made |= of_periods(
            window, user_keys=keys, cutoff_us=cutoff_us, periods_days=plan.periods_days, observed_until_us=seen_us
        )
    if plan.named:
        after = [period.after(day) for period in plan.named]
        spans = [None if span is None else (midnight_us(span[0]), midnight_us(span[1])) for span in after]
        window = _between(events, cutoff_us, seen_us, seen_us)
        made |= labels.named_labels(window, user_keys=keys, windows_us=spans, observed_until_us=seen_us)
    wanted = [extra.name.removeprefix(LABEL_PREFIX) for extra in value_extras(len(plan.periods_days), len(plan.named))]
    return np.concatenate([made[name].astype(np.float64) for name in wanted], axis=1)


def _between(events: pa.Table, start_us: int, end_us: int, seen_us: int) -> pa.Table:
    """Events in [start, end) of whom it was known before `seen_us` whose they are; `events` are in order of time."""
    ts = events.column("ts_us").to_numpy()
    first, last = np.searchsorted(ts, [start_us, end_us])
    inside = events.slice(int(first), int(last - first))
    late = inside.column("known_us").to_numpy() >= seen_us
    return inside.filter(pa.array(~late)) if late.any() else inside


def _tally_row(counts: Sequence[Array], answers: Array, plan: ExamplePlan, number: int) -> pa.RecordBatch:
    """The counts of a point, and the sums over users known but without an order, `counts[0]`."""
    uses = answers.shape[1]
    never = counts[0]
    totals = np.stack([np.full(uses, never.sum()), *[count.sum(axis=0) for count in counts[1:]]], axis=1)
    sums = np.zeros((uses, 0))
    if plan.kind == "value":
        by_period = answers[never, :, : len(LABEL_FIELDS) * len(plan.periods_days)].sum(axis=0)
        by_field = by_period.reshape(uses, len(LABEL_FIELDS), -1)
        sums = by_field[:, [LABEL_FIELDS.index(name) for name in NEVER_FIELDS]].reshape(uses, -1)
    row: dict[str, Any] = {field.name: [[]] for field in ROW_SCHEMA if pa.types.is_list(field.type)}
    row |= {"order_hash": [0], "user_key": [0], "user_id": [""], "point": [number]}
    row["tally"] = [np.concatenate([totals, sums], axis=1).ravel()]
    return pa.RecordBatch.from_pydict(row, schema=ROW_SCHEMA)


def _batch(examples: project.Examples, lists: Mapping[str, Array], hashes: Array, number: int) -> pa.RecordBatch:
    count = len(examples.user_key)
    columns: dict[str, pa.Array] = {
        "order_hash": pa.array(hashes),
        "user_key": pa.array(examples.user_key),
        "user_id": pa.array(examples.user_id, pa.string()),
        "point": pa.array(np.full(count, number, dtype=np.int32)),
        "tally": pa.array([[]] * count, pa.list_(pa.float64())),
    }
    dense: dict[str, Array] = {"aggregates": examples.aggregates, "anchor": examples.anchor, **lists}
    for name, values in dense.items():
        offsets = np.arange(count + 1, dtype=np.int32) * values.shape[1]
        kind = ROW_SCHEMA.field(name).type.value_type
        columns[name] = pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()).cast(kind))
    cuts = pa.array(examples.offsets.astype(np.int32))
    for name in TOKEN_TYPES:
        columns[name] = pa.ListArray.from_arrays(cuts, pa.array(examples.tokens[name]))
    return pa.RecordBatch.from_arrays([columns[name] for name in ROW_SCHEMA.names], schema=ROW_SCHEMA)
