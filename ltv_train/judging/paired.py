"""Two procedures on the same users: how the two primaries differ, with one-sided bounds for the gate.

May import: NumPy, draws. No Spark, no Ray, no model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ltv_train.judging.draws import draw, gained
from ltv_train.judging.evaluation import Fold

Floats = npt.NDArray[np.float64]
MAX_USERS = 100_000
"""More users than this are thinned by an even stride over their keys: the interval is then wider than it must be."""


@dataclass(frozen=True)
class Differences:
    """Candidate against another: `gini` and `mae` (share of the other's error saved), above 0 is better; with draws."""

    gini: float
    mae: float
    gini_draws: Floats
    mae_draws: Floats

    def gini_bound(self, share: float) -> float:
        """The `share` quantile of the draws: .1 is the one-sided 90 % lower bound."""
        return float(np.nanquantile(self.gini_draws, share)) if np.isfinite(self.gini_draws).any() else float("nan")

    def mae_bound(self, share: float) -> float:
        """The `share` quantile of the draws of the saved share of error."""
        return float(np.nanquantile(self.mae_draws, share)) if np.isfinite(self.mae_draws).any() else float("nan")


def differences(folds: Sequence[Fold], name: str, against: str, *, draws: int, seed: int) -> Differences:
    """`name` held against `against`, fold by fold on the same users, averaged over folds; longest horizon."""
    made = draw(folds, (name, against), draws=draws, seed=seed, most_users=MAX_USERS)
    found, drawn = (gained(each, 1)[..., 0].mean(axis=-1) for each in (made.plain, made.drawn))
    return Differences(float(found[0]), float(found[1]), drawn[:, 0], drawn[:, 1])
