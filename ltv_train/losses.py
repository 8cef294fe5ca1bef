"""What a prediction costs: pure functions on tensors, elementwise, so that the caller masks, weighs and sums.

B users, P periods. Hazards enter as log survival (log of 1 - q), which is exact for rare and for certain buyers alike.
"""

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

TWEEDIE_POWER = 1.3
"""Between Poisson (1) and gamma (2); 1.5 was unstable on heavy-tailed spend."""
_LEAST_CHANCE = 1e-7
_LEAST_SPEND = 1e-4


class Cost(Protocol):
    """What an amount costs that was said to be `mean`; elementwise."""

    def __call__(self, spend: Tensor, mean: Tensor) -> Tensor: ...


def log_chance(log_survival: Tensor) -> Tensor:
    """log q of a hazard given as log(1 - q), never below log of 1e-7.

    >>> round(float(log_chance(torch.tensor(0.25).log()).exp()), 6)
    0.75
    """
    return torch.log((-torch.expm1(log_survival)).clamp(min=_LEAST_CHANCE))


def hazard_bce(log_survival: Tensor, happened: Tensor) -> Tensor:
    """Cross entropy of "it happened" against the hazard: -log q where it did, -log(1 - q) where not."""
    return -(happened * log_chance(log_survival) + (1 - happened) * log_survival)


def log_normal_nll(spend: Tensor, location: Tensor, sigma: Tensor) -> Tensor:
    """Negative log likelihood of log spend, 0 where spend is 0: the value part of the zero-inflated log-normal.

    Wang, Liu, Miao, "A Deep Probabilistic Model for Customer Lifetime Value Prediction" (2019), equation 4, without
    the term log(spend), which no parameter touches.
    """
    positive = spend > 0
    z = (torch.log(spend.clamp(min=_LEAST_SPEND)) - location) / sigma
    cost = torch.log(sigma) + 0.5 * math.log(2 * math.pi) + 0.5 * z.square()
    return torch.where(positive, cost, torch.zeros_like(cost))


def tweedie_deviance(spend: Tensor, mean: Tensor, power: float = TWEEDIE_POWER) -> Tensor:
    """Unit deviance of a compound Poisson-gamma amount with this mean; 0 when they are equal.

    Jorgensen, "Exponential Dispersion Models" (1987), 1 < power < 2. `spend` >= 0, `mean` > 0.
    """
    own = spend.clamp(min=0).pow(2 - power) / ((1 - power) * (2 - power))
    return 2 * (own - spend * mean.pow(1 - power) / (1 - power) + mean.pow(2 - power) / (2 - power))


def squared(spend: Tensor, mean: Tensor) -> Tensor:
    """The squared error, least at the mean."""
    return (spend - mean).square()


def absolute(spend: Tensor, mean: Tensor) -> Tensor:
    """The absolute error, least at the median."""
    return (spend - mean).abs()


def huber(spend: Tensor, mean: Tensor, delta: float = 1.0) -> Tensor:
    """e^2 / 2 for an error |e| up to `delta`, beyond it delta (|e| - delta / 2).

    Huber, "Robust Estimation of a Location Parameter" (1964).
    """
    return functional.huber_loss(mean, spend, reduction="none", delta=delta)


def pinball(spend: Tensor, quantile: Tensor, level: float) -> Tensor:
    """The check function, least in expectation at the quantile `level` of spend.

    Koenker and Bassett, "Regression Quantiles" (1978): level times what lies above, 1 - level times what lies below.

    >>> pinball(torch.tensor([3.0, 0.0]), torch.tensor([1.0, 1.0]), 0.9).tolist()
    [1.7999999523162842, 0.10000000149011612]
    """
    above = spend - quantile
    return torch.maximum(level * above, (level - 1) * above)
