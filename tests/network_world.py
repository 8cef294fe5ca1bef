"""A synthetic shop with one dial: how much of what customers do next can be seen in what they did before.

Each customer has a hidden taste z. It shows in order amounts, in the aggregate `spend` and nowhere else. What happens
next depends on signal x z: at 0 it is pure chance.
"""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from ltv_features import files
from ltv_features.aggregates import NAMES
from ltv_features.blocks import LABEL_PREFIX, Layout, bucket_of, value_extras
from ltv_features.contract import LABEL_FIELDS, TYPE_ID
from ltv_features.cutoffs import Origin
from ltv_features.encode import Encoding, EncodingFitter
from ltv_features.example_plan import ExamplePlan
from ltv_features.project import TOKEN_TYPES, Examples
from ltv_features.ragged import offsets_of
from ltv_features.shards import SetFacts, finish
from ltv_features.shelf import Shelf
from ltv_train.classical.anchor import AnchorParameters
from ltv_train.classical.anchors import AT_ORIGIN, Anchors
from ltv_train.inputs import LABEL, Array, Inputs, columns_of

PERIODS = ((0, 30), (30, 90))
DAY = date(2026, 3, 1)
MOST_TOKENS = 12


def some_world(
    users: int, *, signal: float, seed: int, money: float = 1.0, lengths: Array | None = None
) -> tuple[Examples, dict[str, Array]]:
    """Examples of 0 to 12 order tokens (or of `lengths`), and their fully matured labels [N, P]; amounts x `money`."""
    chance = np.random.default_rng(seed)
    z = chance.normal(size=users)
    drawn = chance.integers(0, MOST_TOKENS + 1, size=users)
    lengths = drawn if lengths is None else lengths
    who = np.repeat(np.arange(users), lengths)
    tokens = {name: np.zeros(len(who), kind) for name, kind in TOKEN_TYPES.items()}
    tokens["event_type"][:] = TYPE_ID["purchase"]
    tokens["category_no"] = (who % 7 + 1).astype(np.int32)
    tokens["hour"] = (who % 24 + 1).astype(np.int32)
    tokens["weekday"] = (who % 7 + 1).astype(np.int32)
    tokens["amount_minor"] = money * 2000 * np.exp(z[who] + 0.2 * chance.normal(size=len(who)))
    aggregates = np.zeros((users, len(NAMES)), np.float32)
    aggregates[:, NAMES.index("spend")] = money * 20_000 * np.exp(z + 0.2 * chance.normal(size=users))
    anchor = np.tile([3.0, 2.0, 40.0, 60.0, 2000.0 * money], (users, 1))
    examples = Examples(
        user_key=np.arange(users, dtype=np.int64) + 1,
        user_id=pa.array([f"u{number}" for number in range(users)], pa.string()),
        aggregates=aggregates,
        anchor=anchor,
        offsets=offsets_of(lengths.astype(np.int64)),
        tokens=tokens,
        cutoff_no=np.zeros(users, np.int32),
    )
    return examples, _labels(z, signal, money, chance)


def _labels(z: Array, signal: float, money: float, chance: np.random.Generator) -> dict[str, Array]:
    shape = (len(z), len(PERIODS))
    bought = chance.random(shape) < 1 / (1 + np.exp(-0.5 - 1.5 * signal * z[:, None]))
    spend = bought * money * 3000 * np.exp(signal * z[:, None] + 0.3 * chance.normal(size=shape))
    whole = np.ones(shape, np.float32)
    known = {"spend_minor": spend.astype(np.float64), "purchased": bought.astype(np.float32)}
    return {name: known.get(name, whole) for name in LABEL_FIELDS}


def some_encoding(examples: Examples) -> Encoding:
    """The encoding fitted on these examples."""
    fitter = EncodingFitter(min_count=2, cap=100)
    fitter.add(examples.aggregates, examples.tokens)
    return fitter.finish()


def some_anchors(money: float = 1.0) -> Anchors:
    """The same shrunk rate for the one cut-off and the origin."""
    same = AnchorParameters("rate", (1.0, 30.0), (), 2000.0 * money)
    return Anchors({0: same, AT_ORIGIN: same}, {0: 50.0 * money, AT_ORIGIN: 50.0 * money})


def some_inputs(examples: Examples) -> Inputs:
    """How these examples become batches."""
    return Inputs(some_encoding(examples), some_anchors(), PERIODS)


def training_columns(examples: Examples, labels: dict[str, Array], rows: Array, length: int = 16) -> dict[str, Array]:
    """The columns of a shard for `rows`, with labels and weight 1."""
    labelled = {LABEL + name: values[rows] for name, values in labels.items()}
    return columns_of(examples.take(rows), length) | labelled | {"weight": np.ones((len(rows), 1), np.float32)}


def write_world(
    root: Path | str, *, users: int, signal: float = 1.0, seed: int = 1, day: date = DAY, money: float = 1.0
) -> tuple[str, Examples]:
    """Writes the value shard set of a day: a train, a validation and a slice split; returns its folder and the train
    rows."""
    examples, labels = some_world(users, signal=signal, seed=seed, money=money)
    held = np.arange(users) % 5 == 0
    folder = write_splits(root, examples, labels, {"train": ~held, "validation": held, "slice": held}, day)
    return folder, examples.take(np.flatnonzero(~held))


def write_splits(
    root: Path, examples: Examples, labels: dict[str, Array], splits: dict[str, Array], day: date = DAY
) -> str:
    """Writes a value shard set whose splits hold the rows where their mask [N] is true; returns its folder."""
    told = []
    for split, rows in splits.items():
        buckets = np.where(rows, bucket_of(examples.lengths), 0)
        for length in sorted(set(buckets.tolist()) - {0}):
            own = np.flatnonzero(buckets == length)
            layout = Layout(length, len(NAMES), value_extras(len(PERIODS)))
            shelf = Shelf(files.join(str(root), "value"), f"{day}/{split}", "part-00000", layout)
            part = examples.take(own)
            weight = {"weight": np.ones(len(own), np.float32), "cutoff_no": part.cutoff_no}
            further = {extra.name: np.zeros((len(own), extra.width)) for extra in layout.extras}
            shelf.add(part, weight | further | {LABEL_PREFIX + name: values[own] for name, values in labels.items()})
            told += [json.dumps(fact) for fact in shelf.close()]
    plan = ExamplePlan("value", (Origin(day, (date(2026, 1, 1),)),), (), (1.0,), None, PERIODS, 0.1, 1)
    finish(str(root), plan, told, SetFacts(day, "input", "config", {"events": 1}, NAMES))
    return files.join(str(root), "value", day.isoformat())
