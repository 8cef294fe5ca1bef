"""Tiny shard sets for tests: examples whose every value tells which example it belongs to."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ltv_features import files
from ltv_features.blocks import LABEL_PREFIX, TOKEN_TYPES, Array, Layout, value_extras
from ltv_features.contract import ANCHOR_INPUTS, LABEL_FIELDS
from ltv_features.cutoffs import Origin
from ltv_features.example_plan import ExamplePlan
from ltv_features.project import Examples
from ltv_features.shards import SetFacts, finish
from ltv_features.shelf import Shelf

AGGREGATES = ("recency_days", "orders", "spend_minor")
DAY = date(2026, 3, 1)
PERIODS = ((0, 30), (30, 90))


def some_examples(lengths: Sequence[int], first_key: int = 1) -> Examples:
    """Examples with keys first_key, first_key + 1, ...; token number t of key k has the value k + t in every field."""
    sizes = np.asarray(lengths, dtype=np.int64)
    keys = np.arange(first_key, first_key + len(sizes), dtype=np.int64)
    place = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    tokens = np.repeat(keys, sizes) + place
    return Examples(
        user_key=keys,
        user_id=pa.array([f"u{key}" for key in keys], pa.string()),
        aggregates=(keys[:, None] + np.arange(len(AGGREGATES)) / 10).astype(np.float32),
        anchor=keys[:, None] + np.arange(len(ANCHOR_INPUTS)) / 100,
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        tokens={name: tokens.astype(kind) for name, kind in TOKEN_TYPES.items()},
        cutoff_no=(keys % 2).astype(np.int32),
    )


def some_columns(examples: Examples) -> dict[str, Array]:
    """Weight 1 and labels that repeat the key."""
    labels = {LABEL_PREFIX + name: examples.user_key[:, None] + np.arange(len(PERIODS)) / 10.0 for name in LABEL_FIELDS}
    further = {extra.name: np.zeros((len(examples.user_key), extra.width)) for extra in value_extras(len(PERIODS))}
    return {"weight": np.ones(len(examples.user_key), dtype=np.float32), **further, **labels}


def some_plan(kind: str = "value") -> ExamplePlan:
    """A plan with one origin and two cut-offs."""
    origin = Origin(DAY, (date(2026, 1, 1), date(2026, 1, 8)))
    return ExamplePlan(kind, (origin,), (), (1.0,), None, PERIODS, 0.1, 1)


def write_small_set(
    root: Path | str,
    splits: dict[str, Sequence[int]],
    *,
    tasks: int = 2,
    tables: Mapping[str, Sequence[pa.Table]] | None = None,
) -> str:
    """Writes a value set of examples with the given token counts, merged and with its manifest; returns its folder.

    `tables`: beside the splits, each in the parts that tasks leave of it.
    """
    day, told = DAY.isoformat(), []
    first = 1
    for split, lengths in splits.items():
        buckets = np.asarray([next(t for t in (8, 16, 32, 64, 128, 256) if t >= n) for n in lengths])
        for length in sorted(set(buckets.tolist())):
            own = np.flatnonzero(buckets == length)
            for task, part in enumerate(np.array_split(own, tasks)):
                layout = Layout(length, len(AGGREGATES), value_extras(len(PERIODS)))
                shelf = Shelf(files.join(str(root), "value"), f"{day}/{split}", f"part-{task:05d}", layout)
                made = some_examples(lengths, first).take(part)
                if len(part):
                    shelf.add(made, {**some_columns(made), "cutoff_no": made.cutoff_no})
                told += shelf.close()
        first += len(lengths)
    for name, parts in (tables or {}).items():
        for task, table in enumerate(parts):
            stream = pa.BufferOutputStream()
            pq.write_table(table, stream)
            place = files.join(str(root), "value", day, name, f"part-{task:05d}.parquet")
            files.write_bytes(place, stream.getvalue().to_pybytes())
    texts = [json.dumps(fact) for fact in told]
    finish(str(root), some_plan(), texts, SetFacts(DAY, "input", "config", {"events": 1}, AGGREGATES))
    return files.join(str(root), "value", day)
