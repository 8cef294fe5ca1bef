"""How far a model's intervals are moved so that they hold what they promise; `judging.conformal_fit` learns it.

May import: NumPy, predictions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ltv_train.predictions import Predictions

Floats = npt.NDArray[np.float64]
CONFORMAL = "conformal"
"""Where a bundle's configuration holds its correction."""


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
