"""A predictor with what past origins taught about its chances and intervals. May import: calibration, conformal."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ltv_features.project import Examples
from ltv_train.adjusting.calibration import CALIBRATION, Calibration
from ltv_train.adjusting.conformal import CONFORMAL, Correction
from ltv_train.predictions import Predictions, Predictor


class Adjustment(Protocol):
    """Something that was learned of a model after it was fitted."""

    def applied(self, said: Predictions, *, cap: float = np.inf) -> Predictions:
        """The predictions, adjusted and still legal; no amount above `cap`."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        ...


_READ: Mapping[str, Callable[[Mapping[str, Any]], Adjustment]] = {
    CALIBRATION: Calibration.from_dict,
    CONFORMAL: Correction.from_dict,
}
"""By the key of a bundle's configuration, in the order in which they are applied."""


class Adjusted:
    """Says what its predictor says, adjusted."""

    def __init__(self, predictor: Predictor, adjustments: Sequence[Adjustment], cap: float) -> None:
        self.predictor, self.adjustments, self.cap = predictor, tuple(adjustments), cap

    def predict(self, examples: Examples) -> Predictions:
        """Predictions [B, H]."""
        said = self.predictor.predict(examples)
        for each in self.adjustments:
            said = each.applied(said, cap=self.cap)
        return said


def adjusted(predictor: Predictor, config: Mapping[str, Any]) -> Predictor:
    """The predictor with the adjustments that its bundle's configuration holds; itself where there are none."""
    found = [read(config[key]) for key, read in _READ.items() if key in config]
    return Adjusted(predictor, found, float(config.get("cap_minor", np.inf))) if found else predictor


def unadjusted(predictor: Predictor) -> Predictor:
    """The predictor inside; adjustments change no mean."""
    return predictor.predictor if isinstance(predictor, Adjusted) else predictor
