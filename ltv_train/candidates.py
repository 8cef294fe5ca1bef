"""What every candidate is fitted from, and what a fit hands over to become a bundle.

May import: NumPy, anchors, data's arrays by shape only. No Spark, no Ray.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ltv_features.contract import ANCHOR_INPUTS
from ltv_features.errors import TrainingFailed
from ltv_features.project import Examples
from ltv_train.classical.anchors import Anchors
from ltv_train.named import NO_PERIODS, Named

Floats = npt.NDArray[np.float64]


class Rows(Protocol):
    """Training rows, as `data.read_all` gives them."""

    @property
    def examples(self) -> Examples: ...
    @property
    def weight(self) -> npt.NDArray[Any]: ...
    @property
    def labels(self) -> dict[str, npt.NDArray[Any]]: ...


@dataclass(frozen=True)
class Observed:
    """One horizon of the training rows that have seen some part of it.

    `rows` [M] indices; `days` [M] observed; `spend` [M] net spend in them, minor units, not below 0; `bought` [M];
    `active` [M] whether there was any activity; `whole` [M] whether the horizon has matured.
    """

    rows: npt.NDArray[np.int64]
    days: Floats
    spend: Floats
    bought: Floats
    active: Floats
    whole: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Material:
    """The training rows of one origin, with the anchors of its cut-offs and the horizons asked for.

    `activity`: whether churn is defined by activity, so that the models have to speak of it; `named`: the periods of
    the calendar that they have to speak of.
    """

    train: Rows
    anchors: Anchors
    horizons_days: tuple[int, ...]
    activity: bool = False
    named: Named = NO_PERIODS

    @property
    def examples(self) -> Examples:
        """Features of the rows."""
        return self.train.examples

    @property
    def cutoff_no(self) -> npt.NDArray[np.int32]:
        """The cut-off of each row."""
        return self.train.examples.cutoff_no

    def observed(self, h: int) -> Observed:
        """What the rows saw of horizon number `h`; rows that saw nothing of its last period are left out."""
        labels = self.train.labels
        starts = np.array((0, *self.horizons_days[:-1]), np.float64)
        lengths = np.array(self.horizons_days, np.float64) - starts
        rows = np.flatnonzero(labels["mask"][:, h] > 0)
        exposure = labels["exposure"][rows, : h + 1].astype(np.float64)
        return Observed(
            rows=rows,
            days=exposure @ lengths[: h + 1],
            spend=np.maximum(labels["spend_minor"][rows, : h + 1].sum(axis=1), 0.0),
            bought=labels["purchased"][rows, : h + 1].max(axis=1).astype(np.float64),
            active=labels["active"][rows, : h + 1].max(axis=1).astype(np.float64),
            whole=np.asarray((exposure > 0.999).all(axis=1)),
        )

    def mature(self, h: int) -> Observed:
        """The rows that saw the whole horizon; every row that saw some of it where no row saw it all."""
        seen = self.observed(h)
        if not seen.whole.any():
            return seen
        return Observed(**{name: values[seen.whole] for name, values in vars(seen).items()})

    @property
    def trained_horizons(self) -> int:
        """How many horizons, the shortest first, some row saw as a whole; the others are reached through the anchor.

        At least 1: on a log younger than its shortest horizon that one is learned from its observed part. Raises
        TrainingFailed where no row saw anything.
        """
        if not len(self.observed(0).rows):
            raise TrainingFailed("no training row has seen any day after its cut-off; next: choose a later --as-of")
        whole = [bool(self.observed(h).whole.any()) for h in range(len(self.horizons_days))]
        return max(1, whole.index(False) if False in whole else len(whole))

    @property
    def cap_minor(self) -> float:
        """Twice the 99.9th percentile of spend over the longest trained horizon, stretched by what lies beyond it.

        Where nobody spent anything in it, twice the most that anybody had spent before.
        """
        longest = self.trained_horizons - 1
        spend = self.observed(longest).spend
        beyond = self.horizons_days[-1] / self.horizons_days[longest]
        if spend.max() > 0:
            return float(2 * beyond * np.quantile(spend, 0.999))
        orders, mean = (self.examples.anchor[:, ANCHOR_INPUTS.index(name)] for name in ("orders", "mean_order_minor"))
        return max(1.0, float(2 * (orders * mean).max()))


@dataclass(frozen=True)
class Built:
    """A fitted candidate before it lies in a bundle."""

    name: str
    kind: str
    config: Mapping[str, Any]
    files: Mapping[str, bytes]
