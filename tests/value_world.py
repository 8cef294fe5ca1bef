"""A few hundred customers whose habits last: who spent much will, who never came back will not."""

from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ltv_features.aggregates import NAMES
from ltv_features.project import TOKEN_TYPES, Examples
from ltv_train.candidates import Material
from ltv_train.classical.anchors import Anchors, fit_anchors

HORIZONS = (30, 90)
PERIOD_DAYS = np.array([30, 60])


def some_examples(users: int, *, seed: int, cutoffs: int = 1, money: float = 1.0) -> Examples:
    """Users with 1 to 20 orders in their first 100 days; aggregates that a model needs are filled in, the rest is 0."""
    chance = np.random.default_rng(seed)
    orders = chance.integers(1, 21, users).astype(np.float64)
    value = 1_000 * np.exp(chance.normal(0, 0.7, users)) * money
    age = chance.uniform(40, 100, users)
    recency = age * np.minimum(1, chance.exponential(1, users) / orders)
    last = np.where(orders > 1, age - recency, 0.0)
    known = {
        "recency_days": age - last,
        "first_order_age_days": age,
        "orders": orders,
        "order_mean": value,
        "order_rate": orders / age,
        "spend": orders * value,
        "spend_rate": orders * value / age,
        "spend_90": orders * value * np.minimum(1, 90 / age),
        "spend_30": orders * value * np.minimum(1, 30 / age),
    }
    aggregates = np.zeros((users, len(NAMES)), np.float32)
    for name, values in known.items():
        aggregates[:, NAMES.index(name)] = values
    return Examples(
        user_key=np.arange(users, dtype=np.int64) * 7_919 + seed,
        user_id=pa.array([f"u{number}" for number in range(users)], pa.string()),
        aggregates=aggregates,
        anchor=np.stack([orders, orders - 1, last, age, value], axis=1),
        offsets=np.zeros(users + 1, np.int64),
        tokens={name: np.zeros(0, kind) for name, kind in TOKEN_TYPES.items()},
        cutoff_no=np.arange(users, dtype=np.int32) % cutoffs,
    )


def some_labels(examples: Examples, *, seed: int, exposure: tuple[float, float] = (1.0, 1.0)) -> dict[str, npt.NDArray]:
    """What they did next [N, 2]: orders at their old pace, seen for the share `exposure` of each period."""
    chance = np.random.default_rng(seed + 1)
    pace = examples.anchor[:, 0] / examples.anchor[:, 3]
    orders = chance.poisson(pace[:, None] * PERIOD_DAYS * np.array(exposure) * 0.8)
    spend = orders * examples.anchor[:, 4:5] * chance.uniform(0.8, 1.2, orders.shape)
    seen = np.tile(np.array(exposure, np.float32), (len(examples), 1))
    return {
        "spend_minor": spend,
        "orders": orders.astype(np.float32),
        "purchased": (orders > 0).astype(np.float32),
        "active": (orders > 0).astype(np.float32),
        "mask": (seen > 0).astype(np.float32),
        "exposure": seen,
    }


def some_material(
    users: int = 300, *, seed: int = 1, exposure: tuple[float, float] = (1.0, 1.0), money: float = 1.0
) -> Material:
    """Training rows of two cut-offs, with fitted anchors."""
    examples = some_examples(users, seed=seed, cutoffs=2, money=money)
    rows = SimpleNamespace(
        examples=examples,
        labels=some_labels(examples, seed=seed, exposure=exposure),
        weight=np.ones(users, np.float32),
    )
    return Material(rows, some_anchors(examples), HORIZONS)


def some_anchors(examples: Examples) -> Anchors:
    """Anchors of all cut-offs of the examples, and the same users at the origin."""
    return fit_anchors(examples.anchor, examples.cutoff_no, examples.anchor)
