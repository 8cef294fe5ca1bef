"""How a model's chances are corrected: the logit of each becomes an intercept plus a slope times itself.

Source: Platt, "Probabilistic Outputs for Support Vector Machines" (1999); `platt` fits it. Chances of named periods
stay as the model says them. May import: NumPy, SciPy, predictions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from ltv_train.predictions import Predictions, emptied_where_unlikely

Floats = npt.NDArray[np.float64]
Line = tuple[float, float]
"""Intercept and slope."""
CALIBRATION = "calibration"
"""Where a bundle's configuration holds it."""
AS_IT_WAS: Line = (0.0, 1.0)
MIN_P = 1e-6


@dataclass(frozen=True)
class Calibration:
    """By cumulative horizon a line for the chance to buy, and one for that to be active where churn is told apart from
    it (else none); `users` by whom it was learned."""

    purchase: tuple[Line, ...]
    active: tuple[Line, ...]
    users: int

    def applied(self, said: Predictions, *, cap: float = np.inf) -> Predictions:
        """The predictions with chances corrected: still rising with the horizon, a purchase still an activity."""
        p = _moved(said.p_purchase, self.purchase)
        active = np.maximum(p, _moved(1.0 - said.p_churn, self.active)) if self.active else p
        median, low = emptied_where_unlikely(p, said.median, said.low)
        return replace(said, p_purchase=p, p_churn=1.0 - active, median=median, low=low)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        lines = {name: [list(line) for line in getattr(self, name)] for name in ("purchase", "active")}
        return {"users": self.users, **lines}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Calibration":
        """The calibration that `to_dict` wrote."""
        lines = {
            name: tuple((float(intercept), float(slope)) for intercept, slope in values[name])
            for name in ("purchase", "active")
        }
        return Calibration(**lines, users=int(values["users"]))


def _moved(chance: Floats, lines: Sequence[Line]) -> Floats:
    intercept, slope = np.asarray(lines).T
    return np.maximum.accumulate(special.expit(intercept + slope * logits(chance)), axis=1)


def logits(chance: Floats) -> Floats:
    """Of chances, kept off 0 and 1."""
    return np.asarray(special.logit(np.clip(chance, MIN_P, 1 - MIN_P)))
