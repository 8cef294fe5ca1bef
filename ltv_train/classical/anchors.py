"""The anchor of every training cut-off and of the origin, as one table that travels in the bundle.

A training row uses the parameters fitted at its own cut-off, a row to be scored those of the origin. Values are floored
at a share of the cut-off's mean: without a floor a booster that multiplies the anchor breaks on users whose anchor is
almost nothing. May import: NumPy, anchor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ltv_train.classical.anchor import AnchorParameters, fit_anchor

Floats = npt.NDArray[np.float64]
AT_ORIGIN = -1
FLOOR_SHARE = 0.02


@dataclass(frozen=True)
class Anchors:
    """Parameters by cut-off number (AT_ORIGIN: the origin), and the mean value a day that the floor is a share of."""

    parameters: Mapping[int, AnchorParameters]
    mean_daily_minor: Mapping[int, float]

    def expected_value(self, inputs: Floats, cutoff_no: npt.NDArray[np.int32], days: Floats | float) -> Floats:
        """[N] minor units expected in the next `days` (a number or [N]), floored. Raises KeyError: cut-off unknown."""
        spread = np.broadcast_to(np.asarray(days, np.float64), len(inputs))
        made = np.zeros(len(inputs))
        for number in np.unique(cutoff_no):
            rows = cutoff_no == number
            value = self.parameters[int(number)].expected_value(inputs[rows], spread[rows])
            made[rows] = np.maximum(value, FLOOR_SHARE * self.mean_daily_minor[int(number)] * spread[rows])
        return made

    def cumulative_values(
        self, inputs: Floats, cutoff_no: npt.NDArray[np.int32], horizons_days: Sequence[int]
    ) -> Floats:
        """[N, H] minor units expected up to each horizon."""
        return np.stack([self.expected_value(inputs, cutoff_no, float(days)) for days in horizons_days], axis=1)

    def period_values(
        self, inputs: Floats, cutoff_no: npt.NDArray[np.int32], periods_days: Sequence[tuple[int, int]]
    ) -> Floats:
        """[N, P] minor units expected within each whole period."""
        ends = self.cumulative_values(inputs, cutoff_no, [end for _, end in periods_days])
        return np.asarray(np.maximum(np.diff(ends, axis=1, prepend=0.0), 1e-9))

    def order_values(self, inputs: Floats, cutoff_no: npt.NDArray[np.int32]) -> Floats:
        """[N] minor units that the next order after each row's cut-off is expected to be worth."""
        made = np.zeros(len(inputs))
        for number in np.unique(cutoff_no):
            rows = cutoff_no == number
            made[rows] = self.parameters[int(number)].expected_order_value(inputs[rows])
        return made

    def order_value(self, inputs: Floats) -> Floats:
        """[N, 1] minor units that the next order is expected to be worth, by the parameters of the origin."""
        return self.parameters[AT_ORIGIN].expected_order_value(inputs)[:, None]

    def features(self, inputs: Floats, cutoff_no: npt.NDArray[np.int32], days: float) -> Floats:
        """[N, 4]: expected orders, probability of being alive, order value and value in the next `days`."""
        made = np.zeros((len(inputs), 4))
        for number in np.unique(cutoff_no):
            rows, fitted = cutoff_no == number, self.parameters[int(number)]
            mine = inputs[rows]
            made[rows, 0] = fitted.expected_orders(mine, days)
            made[rows, 1] = fitted.p_alive(mine)
            made[rows, 2] = fitted.expected_order_value(mine)
        made[:, 3] = self.expected_value(inputs, cutoff_no, days)
        return made

    def at_origin(self) -> "Anchors":
        """Only the entry that scoring uses."""
        return Anchors({AT_ORIGIN: self.parameters[AT_ORIGIN]}, {AT_ORIGIN: self.mean_daily_minor[AT_ORIGIN]})

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return {
            str(number): {"parameters": fitted.to_dict(), "mean_daily_minor": self.mean_daily_minor[number]}
            for number, fitted in sorted(self.parameters.items())
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Anchors":
        """The table that `to_dict` wrote."""
        return Anchors(
            {int(number): AnchorParameters.from_dict(entry["parameters"]) for number, entry in values.items()},
            {int(number): float(entry["mean_daily_minor"]) for number, entry in values.items()},
        )


def fit_anchors(inputs: Floats, cutoff_no: npt.NDArray[np.int32], at_origin: Floats) -> Anchors:
    """Anchors of all cut-offs in `cutoff_no` from the rows [N, 5] of each, and of the origin from `at_origin` [M, 5].

    Only what lies before a cut-off enters its fit: the inputs hold nothing later.
    """
    parameters, means = {}, {}
    groups = {int(number): inputs[cutoff_no == number] for number in np.unique(cutoff_no)}
    for number, rows in (groups | {AT_ORIGIN: at_origin}).items():
        parameters[number] = fit_anchor(rows)
        value = parameters[number].expected_value(rows, 30.0)
        means[number] = float(value.mean()) / 30.0 if len(rows) else 0.0
    return Anchors(parameters, means)
