"""What every model says: mean, median and probabilities by cumulative horizon. May import: NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ltv_features.errors import ContractBroken
from ltv_features.project import Examples

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """[B, H] each, by cumulative horizon; money in minor units. Nothing is negative or non-finite, nothing falls with H."""

    mean: Floats
    median: Floats
    p_purchase: Floats
    p_churn: Floats

    def __len__(self) -> int:
        return len(self.mean)

    def take(self, rows: npt.NDArray[np.int64]) -> "Predictions":
        """The predictions at `rows`, in that order."""
        return Predictions(self.mean[rows], self.median[rows], self.p_purchase[rows], self.p_churn[rows])

    @staticmethod
    def concat(parts: Sequence["Predictions"]) -> "Predictions":
        """All parts, one after the other."""
        names = ("mean", "median", "p_purchase", "p_churn")
        return Predictions(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


class Predictor(Protocol):
    """A loaded bundle: the only way in which a model is asked."""

    def predict(self, examples: Examples) -> Predictions:
        """Predictions [B, H] in the order of the examples."""
        ...


def finished(mean: Floats, median: Floats, p_purchase: Floats, *, cap: float = np.inf) -> Predictions:
    """Predictions made legal: not negative, at most `cap`, never falling with the horizon; churn is 1 - purchase.

    Raises ContractBroken on a number that is not finite: a model that says nothing must not pass as one that says 0.
    """
    for name, values in (("mean", mean), ("median", median), ("p_purchase", p_purchase)):
        if not np.isfinite(values).all():
            raise ContractBroken(f"prediction {name}: {int((~np.isfinite(values)).sum())} numbers are not finite")
    rising = [np.maximum.accumulate(np.clip(values, 0.0, cap), axis=1) for values in (mean, median)]
    p = np.maximum.accumulate(np.clip(p_purchase, 0.0, 1.0), axis=1)
    return Predictions(rising[0], rising[1], p, 1.0 - p)
