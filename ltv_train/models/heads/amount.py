"""Heads for comparison: one amount a period, fitted by one loss on cumulative spend; purchase keeps its hazard.

What is called the mean is what the loss aims at: the mean for mse and tweedie, the median for mae, something between
them for huber. The last two promise too little in total, which is why none of these is the default.
"""

from typing import ClassVar

from torch import Tensor

from ltv_train import losses
from ltv_train.models.heads.base import ValueHead
from ltv_train.models.heads.observed import Observed
from ltv_train.models.heads.params import LEAST_LOG, MOST_LOG, Params


class AmountHead(ValueHead):
    """The logarithm of an amount, with a residual that of its ratio to the anchor."""

    value_terms = (("amount", 1.0),)
    cost: ClassVar[losses.Cost]

    def _amounts(self, log_survival: Tensor, moved: Tensor, anchor_log: Tensor, own: list[Tensor]) -> dict[str, Tensor]:
        return {"log_mean": ((anchor_log if self.residual else 0.0) + moved).clamp(LEAST_LOG, MOST_LOG)}

    def value_loss(self, said: Params, observed: Observed) -> list[Tensor]:
        """The cost of the cumulative amount."""
        return [self.cost(observed.total, observed.added_up(said.log_mean).clamp(min=1e-6))]


class MseHead(AmountHead):
    """Squared error: aims at the mean, led by the largest spenders."""

    cost = staticmethod(losses.squared)


class MaeHead(AmountHead):
    """Absolute error: aims at the median (Koenker and Bassett, "Regression Quantiles", 1978)."""

    cost = staticmethod(losses.absolute)


class HuberHead(AmountHead):
    """Huber's cost: squared near the truth, absolute beyond one money scale, about a median order."""

    cost = staticmethod(losses.huber)


class TweedieHead(AmountHead):
    """Tweedie deviance: aims at the mean; costs follow the variance of spend that is often nothing."""

    cost = staticmethod(losses.tweedie_deviance)
