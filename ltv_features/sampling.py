"""Which users are held out, which examples are kept, and in which order they lie: hashes with a salt of their own each.

All are functions of (user_key, day, seed), never of a machine, a partition or a clock. NumPy only.
"""

from datetime import date
from typing import Any

import numpy as np

from ltv_features.cutoffs import midnight_us

Array = np.ndarray[Any, np.dtype[Any]]

_SPLIT, _CHOICE, _SHARE, _ORDER = (np.uint64(salt) for salt in (0x51, 0xC4, 0x5A, 0x0D))


def held_out(user_keys: Array, *, seed: int, share: float) -> Array:
    """Whether each user is in the validation split: a fixed share of users, the same at every cut-off and origin."""
    return _unit(_mixed(user_keys, np.zeros(1, np.uint64), _SPLIT, seed)[:, 0]) < share


def order_hash(user_keys: Array, day: date, *, seed: int) -> Array:
    """Where an example lies in its shards, int64: the cut-offs of one user are scattered."""
    return _mixed(user_keys, _days([day]), _ORDER, seed)[:, 0].view(np.int64)


def sample_weights(
    first_order_us: Array, user_keys: Array, days: list[date], *, seed: int, per_user: int | None, share: float
) -> Array:
    """Weights [N, cut-offs] float32 of the examples of an origin; 0 where the example is left out.

    An example exists where the user's first order is before the cut-off. At most `per_user` of them are kept for a user
    (None: all), then `share` of those; the weight is the inverse of the chance to be kept, so sums stay unbiased.
    """
    cutoffs_us = np.array([midnight_us(day) for day in days], dtype=np.int64)
    exists = first_order_us[:, None] < cutoffs_us
    kept, count = exists.copy(), exists.sum(axis=1)
    if per_user is not None:
        score = np.where(exists, _unit(_mixed(user_keys, _days(days), _CHOICE, seed)), np.inf)
        kept &= score.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable") < per_user
    weight = np.where(kept, (count / np.maximum(kept.sum(axis=1), 1))[:, None] / share, 0.0)
    if share < 1:
        weight[_unit(_mixed(user_keys, _days(days), _SHARE, seed)) >= share] = 0.0
    return weight.astype(np.float32)


def _days(days: list[date]) -> Array:
    return np.array([day.toordinal() for day in days], dtype=np.uint64)


def _mixed(user_keys: Array, days: Array, salt: np.uint64, seed: int) -> Array:
    """Hashes [N, days] by two rounds of splitmix64 (Steele, Lea, Flood 2014)."""
    keys = np.ascontiguousarray(user_keys, dtype=np.int64).view(np.uint64)
    start = _splitmix(np.array([seed], dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + salt)
    return _splitmix(_splitmix(keys ^ start)[:, None] + days[None, :] * np.uint64(0xD1342543DE82EF95))


def _splitmix(value: Array) -> Array:
    mixed = value + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _unit(hashes: Array) -> Array:
    return (hashes >> np.uint64(11)).astype(np.float64) / 2.0**53
