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
    """[B, H] each, by cumulative horizon; money in minor units. Finite, not negative; all but churn rise with H."""

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


def through_anchor(said: Sequence[Floats], anchor: Floats) -> list[Floats]:
    """Mean, median and P [B, K] of the K trained horizons, carried on to all H horizons of `anchor` [B, H].

    Value follows the anchor's: model(h0) x anchor(h) / anchor(h0); not buying follows it as an exponent, as if orders
    came at the anchor's pace. Never a stretch by days, which would promise a lost customer as much as a new one.
    """
    mean, median, p = said
    trained = mean.shape[1]
    ratio = anchor[:, trained:] / np.maximum(anchor[:, trained - 1 : trained], 1e-12)
    values = [np.concatenate([each, each[:, -1:] * ratio], axis=1) for each in (mean, median)]
    return [*values, np.concatenate([p, 1 - (1 - p[:, -1:]) ** ratio], axis=1)]


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
