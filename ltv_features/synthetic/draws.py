"""Chance without state: every random number is a function of (seed, what it is for, whose it is, which one).

So it does not matter which shoppers are made together, in what order or on which machine. A number is three rounds of
the finaliser of SplitMix64 (Steele, Lea, Flood 2014) over those four parts. All arrays of a call have one length, N.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Bits = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ODD = np.uint64(0xD1B54A32D192ED03)
_LARGEST_MEAN = 16.0
_MOST = 200
"""No Poisson number of mean 16 reaches it: the chance is below 1e-100."""


@dataclass(frozen=True)
class Draws:
    """The random numbers of one seed. `what` names the use, `who` [N] is a shopper or item, `which` [N] one of his."""

    seed: int

    def uniform(self, what: str, who: Ints, which: Ints | int = 0) -> Floats:
        """[N] in the open interval (0, 1)."""
        key = np.frombuffer(blake2b(f"{self.seed}/{what}".encode(), digest_size=8).digest(), np.uint64)
        bits = _mixed(key + np.atleast_1d(who).astype(np.uint64) * _GOLDEN)
        bits = _mixed(bits + np.atleast_1d(which).astype(np.uint64) * _ODD)
        return ((_mixed(bits) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52

    def whole(self, what: str, who: Ints, which: Ints | int, below: int) -> Ints:
        """[N] whole numbers from 0, each below `below` equally likely."""
        return (self.uniform(what, who, which) * below).astype(np.int64)

    def normal(self, what: str, who: Ints, which: Ints | int = 0) -> Floats:
        """[N] standard normal (Box and Muller)."""
        length = np.sqrt(-2.0 * np.log(self.uniform(f"{what}/length", who, which)))
        angle: Floats = 2.0 * np.pi * self.uniform(f"{what}/angle", who, which)
        drawn: Floats = length * np.cos(angle)
        return drawn

    def exponential(self, what: str, who: Ints, which: Ints | int = 0) -> Floats:
        """[N] exponential with mean 1."""
        return -np.log(self.uniform(what, who, which))

    def poisson(self, what: str, who: Ints, mean: Floats) -> Ints:
        """[N] Poisson numbers by inversion; large means are sums of independent parts."""
        parts = np.maximum(np.ceil(mean / _LARGEST_MEAN), 1.0).astype(np.int64)
        owner, part = spread(parts)
        chance, mean_of_part = self.uniform(what, who[owner], part), (mean / parts)[owner]
        counts = np.zeros(len(owner), np.int64)
        term = np.exp(-mean_of_part)
        reached = term.copy()
        above = np.flatnonzero(chance > reached)
        for number in range(1, _MOST):
            if not len(above):
                break
            term[above] *= mean_of_part[above] / number
            reached[above] += term[above]
            counts[above] = number
            above = above[chance[above] > reached[above]]
        return np.bincount(owner, counts, minlength=len(mean)).astype(np.int64)


def spread(counts: Ints) -> tuple[Ints, Ints]:
    """The owner of each of sum(counts) entries, and its place among the owner's, from 0.

    >>> [part.tolist() for part in spread(np.array([2, 0, 3]))]
    [[0, 0, 2, 2, 2], [0, 1, 0, 1, 2]]
    """
    owner = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    before = np.cumsum(counts) - counts
    return owner, np.arange(len(owner), dtype=np.int64) - before[owner]


def lognormal(spread_log: float, normal: Floats) -> Floats:
    """exp of a normal with that deviation, scaled to mean 1."""
    scaled: Any = np.exp(spread_log * normal - spread_log**2 / 2)
    return np.asarray(scaled, np.float64)


def _mixed(bits: Bits) -> Bits:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
