"""Whether intervals hold what they promise, by tier of the predicted mean. N users; reported, never a gate."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ltv_train.metrics.value import mae

Floats = npt.NDArray[np.float64]
TIERS = ("all", "high", "middle", "low")


@dataclass(frozen=True)
class Coverage:
    """One tier: its users, the shares of them whose spend lay inside, below and above, and the mean width."""

    tier: str
    users: int
    inside: float
    below: float
    above: float
    width: float


def coverage_by_tier(
    truth: Floats, mean: Floats, low: Floats, high: Floats, *, high_share: float = 0.2, low_share: float = 0.4
) -> list[Coverage]:
    """Coverage of all users and of each tier; users with equal means are in one tier, cut where scores are by default.

    Spend on an end of the interval lies inside; negative spend counts as none, as it does in training.

    >>> spend, mean = np.array([9.0, 0.0, 5.0, 1.0, 2.0]), np.array([9.0, 1.0, 4.0, 2.0, 3.0])
    >>> [(c.tier, c.users, c.inside) for c in coverage_by_tier(spend, mean, mean - 1, mean + 1)]
    [('all', 5, 1.0), ('high', 1, 1.0), ('middle', 2, 1.0), ('low', 2, 1.0)]
    """
    tier = tiers(mean, high_share=high_share, low_share=low_share)
    return [_coverage(name, truth, low, high, tier == name if name != "all" else tier != "") for name in TIERS]


def tiers(mean: Floats, *, high_share: float, low_share: float) -> npt.NDArray[np.str_]:
    """[N] high, middle or low by the share of users with a higher mean."""
    ranked = np.sort(mean)
    above = (len(mean) - np.searchsorted(ranked, mean, side="right")) / max(len(mean), 1)
    return np.where(above < high_share, "high", np.where(above >= 1 - low_share, "low", "middle"))


def _coverage(name: str, truth: Floats, low: Floats, high: Floats, rows: npt.NDArray[np.bool_]) -> Coverage:
    if not rows.any():
        nothing = float("nan")
        return Coverage(name, 0, nothing, nothing, nothing, nothing)
    spend = np.maximum(truth[rows], 0.0)
    below, above = (spend < low[rows] - 1e-9), (spend > high[rows] + 1e-9)
    inside = 1 - float((below | above).mean())
    return Coverage(name, int(rows.sum()), inside, float(below.mean()), float(above.mean()), mae(high[rows], low[rows]))
