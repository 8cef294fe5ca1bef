"""What a prediction costs: pure functions on tensors, elementwise, so that the caller masks, weighs and sums.

B users, P periods. Hazards enter as log survival (log of 1 - q), which is exact for rare and for certain buyers alike.
"""

import math

import torch
from torch import Tensor

TWEEDIE_POWER = 1.3
"""Between Poisson (1) and gamma (2); 1.5 was unstable on heavy-tailed spend."""
_LEAST_CHANCE = 1e-7
_LEAST_SPEND = 1e-4


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
