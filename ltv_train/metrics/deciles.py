"""Ten groups of customers by falling prediction: what was promised, what happened, and how far single ones were off.

N users. No group depends on the order of the rows: users with equal predictions are pooled. Works for spend, and for
probabilities, where the groups are the points of a reliability diagram.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ltv_train.metrics.levels import EXACT_PAIRS, average_ranks, levels

Floats = npt.NDArray[np.float64]
GROUPS = 10


@dataclass(frozen=True)
class Deciles:
    """[10] each, best first: users, mean prediction, mean truth; NaN in a group without users."""

    users: npt.NDArray[np.int64]
    predicted: Floats
    happened: Floats

    @property
    def error(self) -> float:
        """Mean gap between promise and outcome over the mean outcome; NaN where nothing happened.

        That is the sum over deciles of n x |mean prediction - mean truth|, divided by the sum of the truth.
        """
        total = np.nansum(self.users * self.happened)
        return float(np.nansum(self._gaps) / total) if total else float("nan")

    @property
    def gap(self) -> float:
        """Mean gap between promise and outcome; of probabilities the expected calibration error.

        Source: Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning" (2015).
        """
        return float(np.nansum(self._gaps) / self.users.sum()) if self.users.sum() else float("nan")

    @property
    def lift(self) -> Floats:
        """[10] mean truth of the group over the mean truth of all; NaN where nothing happened."""
        total, users = np.nansum(self.users * self.happened), self.users.sum()
        return self.happened * users / total if total else np.full(GROUPS, np.nan)

    @property
    def _gaps(self) -> Floats:
        return np.asarray(self.users * np.abs(self.predicted - self.happened))


def deciles(truth: Floats, predicted: Floats, *, exact_up_to: int = EXACT_PAIRS) -> Deciles:
    """Ten groups of (nearly) equal size by falling prediction; the first `N % 10` have one user more.

    Users of one tie all count with its mean truth, so a tie across a border gives each side its part.
    """
    by_level = levels(truth, predicted, exact_up_to=exact_up_to)
    users = np.full(GROUPS, len(truth) // GROUPS) + (np.arange(GROUPS) < len(truth) % GROUPS)
    borders = np.append(0, np.cumsum(users))
    reached = np.append(0.0, np.cumsum(by_level.users))
    sums = [np.append(0.0, np.cumsum(column)) for column in (by_level.predicted, by_level.truth)]
    means = [_over(np.diff(np.interp(borders, reached, each)), users) for each in sums]
    return Deciles(users.astype(np.int64), *means)


def residual_quantiles(
    truth: Floats, predicted: Floats, shares: tuple[float, ...], *, exact_up_to: int = EXACT_PAIRS
) -> Floats:
    """[10, shares] quantiles of truth - prediction by decile, best first; a tie goes whole to the decile of its middle.

    >>> residual_quantiles(np.arange(20.0), np.arange(20.0) - 3, (0.5,))[:, 0].tolist()
    [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]
    """
    place = (average_ranks(-predicted, exact_up_to=exact_up_to) - 0.5) / max(len(truth), 1)
    group = np.minimum((place * GROUPS).astype(np.int64), GROUPS - 1)
    made = np.full((GROUPS, len(shares)), np.nan)
    for number in range(GROUPS):
        gaps = (truth - predicted)[group == number]
        if len(gaps):
            made[number] = np.quantile(gaps, shares)
    return made


def _over(sums: Floats, users: npt.NDArray[np.int64]) -> Floats:
    return np.asarray(np.divide(sums, users, out=np.full(GROUPS, np.nan), where=users > 0))
