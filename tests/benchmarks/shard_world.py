"""A shard set of any size with the skew of real logs, and a network to train on it.

Token lists have a median of 12 and a 99th percentile of about 250: most people did little, a few did very much. Values
are drawn so that files compress about as those of a shop do: whole amounts, few items that are common, many zeros.
"""

from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa

from ltv_features import shards
from ltv_features.aggregates import NAMES
from ltv_features.contract import EVENT_TYPES, LABEL_FIELDS, MAX_TOKENS
from ltv_features.encode import EncodingFitter
from ltv_features.project import TOKEN_TYPES, Examples
from ltv_features.ragged import offsets_of, owners
from ltv_train import data
from ltv_train.classical.anchors import fit_anchors
from ltv_train.config import NetworkSettings
from ltv_train.inputs import Array, Inputs
from ltv_train.value_fit import NetworkFit
from tests.network_world import PERIODS, write_splits

_MEDIAN, _SPREAD = 12, 1.3
_ITEMS = 5_000
_HELD = 0.1
_LEAST_BUCKET = 50
"""A small set is cut into the same buckets as a large one: none of at least a 50th of the examples is merged."""


@dataclass(frozen=True)
class World:
    """A set on disk, and the fit that trains on it."""

    manifest: data.Manifest
    fit: NetworkFit

    @property
    def inputs(self) -> Inputs:
        """How the columns of the set become batches."""
        return Inputs(self.fit.encoding, self.fit.anchors, self.manifest.periods_days)

    def plan(self, epoch: int, *, rank: int = 0, world: int = 1, split: str = "train") -> data.Plan:
        """The reading plan of one rank and epoch; the batch is shared among ranks."""
        size = self.fit.settings.batch_size // world
        return data.plan_of(self.manifest, split, rank=rank, world=world, batch_size=size, seed=1, epoch=epoch)


def write_world(root: Path, examples: int, *, width: int, batch_size: int = 512, held: float = _HELD) -> World:
    """Writes `examples` training examples and a share of them beside for validation."""
    more = round(examples * held)
    made, labels = skewed(examples + more, seed=1)
    train = np.arange(examples + more) < examples
    with mock.patch.object(shards, "MIN_BUCKET_EXAMPLES", min(shards.MIN_BUCKET_EXAMPLES, examples // _LEAST_BUCKET)):
        folder = write_splits(root, made, labels, {"train": train, **({"validation": ~train} if more else {})})
    fitter = EncodingFitter(min_count=5, cap=20_000)
    fitter.add(made.aggregates, made.tokens)
    anchors = fit_anchors(made.anchor, made.cutoff_no, made.anchor)
    settings = NetworkSettings(hidden=width, batch_size=batch_size)
    return World(data.load_manifest(folder), NetworkFit("benchmark", folder, settings, fitter.finish(), anchors, 1))


def skewed(users: int, *, seed: int) -> tuple[Examples, dict[str, Array]]:
    """Examples with skewed lengths, and their labels [N, P]; who bought often buys again."""
    chance = np.random.default_rng(seed)
    lengths = np.minimum(np.exp(np.log(_MEDIAN) + _SPREAD * chance.normal(size=users)), MAX_TOKENS).astype(np.int64)
    who = owners(lengths)
    tokens = {name: values.astype(TOKEN_TYPES[name]) for name, values in _tokens(who, chance).items()}
    orders = np.bincount(who, tokens["event_type"] == 1, minlength=users)
    counts = chance.poisson(3.0, (users, len(NAMES))) * (chance.random((users, len(NAMES))) < 0.6)
    examples = Examples(
        user_key=np.arange(users, dtype=np.int64) + 1,
        user_id=pa.repeat("", users),
        aggregates=(counts * 100).astype(np.float32),
        anchor=_anchor(orders, chance),
        offsets=offsets_of(lengths),
        tokens=tokens,
        cutoff_no=np.zeros(users, np.int32),
    )
    return examples, _labels(orders, chance)


def _tokens(who: Array, chance: np.random.Generator) -> dict[str, Array]:
    number = len(who)
    kind = np.where(chance.random(number) < 0.3, 1, chance.integers(2, len(EVENT_TYPES) + 1, number))
    item = np.minimum(chance.zipf(1.3, number), _ITEMS)
    bought = kind == 1
    return {
        "event_type": kind,
        "item_no": item,
        "category_no": item % 50 + 1,
        "brand_no": item % 90 + 1,
        "hour": np.clip(chance.normal(15, 4, number), 1, 24),
        "weekday": chance.integers(1, 8, number),
        "amount_minor": bought * np.round(np.exp(chance.normal(7.5, 0.8, number))),
        "discount_minor": bought * (chance.random(number) < 0.2) * chance.integers(1, 500, number),
        "lines": bought * chance.integers(1, 9, number),
        "quantity": bought * chance.integers(1, 12, number),
        "gap_days": np.round(chance.exponential(6.0, number), 2),
        "age_days": np.round(chance.uniform(0, 365, number), 2),
        "rating": (chance.random(number) < 0.05) * chance.integers(1, 6, number),
        "dwell_seconds": ~bought * np.round(chance.exponential(40.0, number)),
    }


def _anchor(orders: Array, chance: np.random.Generator) -> Array:
    repeat = np.maximum(orders - 1, 0)
    age = chance.uniform(30, 365, len(orders)) * (orders > 0)
    last = age * chance.beta(4, 1, len(orders)) * (repeat > 0)
    mean = np.exp(chance.normal(7.8, 0.5, len(orders))) * (orders > 0)
    return np.stack([orders, repeat, last, age, mean], axis=1)


def _labels(orders: Array, chance: np.random.Generator) -> dict[str, Array]:
    shape = (len(orders), len(PERIODS))
    bought = chance.random(shape) < 1 - np.exp(-0.3 * (orders[:, None] + 0.2))
    spend = bought * np.exp(chance.normal(7.8, 0.7, shape))
    known = {"spend_minor": spend, "purchased": bought.astype(np.float32), "orders": bought.astype(np.float32)}
    return {name: known.get(name, np.ones(shape, np.float32)) for name in LABEL_FIELDS}
