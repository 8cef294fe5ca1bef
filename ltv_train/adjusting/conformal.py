"""How far a model's intervals must be moved so that they hold what they promise, learned where outcomes are known.

Romano, Patterson, Candes, "Conformalized Quantile Regression" (NeurIPS 2019), theorem 2 (each end by itself): the
conformity score of an end is how far the outcome lies beyond it, and the end is moved by the score's quantile. Scores
are taken of log1p of money, which a small and a large customer can share, and within four groups of the predicted mean.
May import: NumPy, predictions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ltv_features.contract import HIGH, LOW
from ltv_train.predictions import Predictions

Floats = npt.NDArray[np.float64]
CONFORMAL = "conformal"
"""Where a bundle's configuration holds its correction."""
GROUPS = 4
LEAST_USERS = 200
"""A group with fewer users has no correction of its own: then all groups share one."""


@dataclass(frozen=True)
class Correction:
    """By horizon: borders between groups of the predicted mean (none: one group), and how far each end moves outwards
    in log1p of money over `scale_minor`; `users` it was learned from."""

    scale_minor: float
    borders: tuple[tuple[float, ...], ...]
    lower: tuple[tuple[float, ...], ...]
    upper: tuple[tuple[float, ...], ...]
    users: int

    def applied(self, said: Predictions, *, cap: float = np.inf) -> Predictions:
        """The predictions with both ends moved; still legal: not negative, capped, rising, the median between them."""
        ends = np.zeros((2, *said.mean.shape))
        for h in range(said.mean.shape[1]):
            group = np.searchsorted(self.borders[h], said.mean[:, h], side="right")
            moves = (-np.asarray(self.lower[h])[group], np.asarray(self.upper[h])[group])
            for end, (values, move) in enumerate(zip((said.low[:, h], said.high[:, h]), moves, strict=True)):
                ends[end, :, h] = np.expm1(np.log1p(values / self.scale_minor) + move) * self.scale_minor
        low, high = np.maximum.accumulate(np.clip(ends, 0.0, cap), axis=2)
        return replace(said, low=np.minimum(low, said.median), high=np.maximum(high, said.median))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        lists = {name: [list(row) for row in getattr(self, name)] for name in ("borders", "lower", "upper")}
        return {"scale_minor": self.scale_minor, "users": self.users, **lists}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Correction":
        """The correction that `to_dict` wrote."""
        rows = {name: tuple(tuple(map(float, row)) for row in values[name]) for name in ("borders", "lower", "upper")}
        return Correction(float(values["scale_minor"]), **rows, users=int(values["users"]))


def fit_correction(
    said: Predictions, spend: Floats, user_key: npt.NDArray[np.int64], *, scale_minor: float
) -> Correction:
    """The correction by users [N] of whom the model did not learn: what was said, and `spend` [N, H] that followed.

    A user may be there at several origins: rows give the scores, distinct users how many there are of a group.
    """
    borders, lower, upper = [], [], []
    for h in range(spend.shape[1]):
        mean = said.mean[:, h]
        cuts = np.quantile(mean, np.arange(1, GROUPS) / GROUPS) if len(mean) else np.zeros(0)
        group = np.searchsorted(cuts, mean, side="right")
        if min(len(np.unique(user_key[group == number])) for number in range(GROUPS)) < LEAST_USERS:
            cuts, group = np.zeros(0), np.zeros(len(mean), np.int64)
        truth, low, high = (
            np.log1p(np.maximum(each[:, h], 0.0) / scale_minor) for each in (spend, said.low, said.high)
        )
        count = range(len(cuts) + 1)
        borders.append(tuple(cuts.tolist()))
        lower.append(tuple(_reach((low - truth)[group == number], 1 - LOW) for number in count))
        upper.append(tuple(_reach((truth - high)[group == number], HIGH) for number in count))
    return Correction(scale_minor, tuple(borders), tuple(lower), tuple(upper), len(np.unique(user_key)))


def _reach(scores: Floats, level: float) -> float:
    """The ceil((n + 1) level)-th smallest score, the largest where there are too few; 0 without any."""
    if not len(scores):
        return 0.0
    place = min(len(scores), int(np.ceil((len(scores) + 1) * level)))
    return float(np.sort(scores)[place - 1])
