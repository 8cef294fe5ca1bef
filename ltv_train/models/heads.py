"""The value head: one hazard a period and a zero-inflated log-normal for the cumulative spend of every horizon.

Source of the likelihood: Wang, Liu, Miao, "A Deep Probabilistic Model for Customer Lifetime Value Prediction" (2019),
here on cumulative spend, with the zero gate taken from the hazards, so that one number is both gate and P(buy):

    P(H) = 1 - prod over periods up to H of (1 - q)        never falls with H
    c(H) = sum over periods up to H of exp(location)       mean spend of a buyer, never falls with H
    spend(H) is 0 with probability 1 - P(H), else log-normal with mean c(H) and deviation sigma(H) of its logarithm

A period that is only partly mature (exposure e) observes the gate 1 - (1 - q)^e and the share e of its location's
spend. The location may be a residual on the classical anchor; the probability never is. Money is in money scales.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

SIGMA_MIN, SIGMA_MAX = 0.1, 2.0
_RAW = 3


@dataclass(frozen=True)
class ValueParameters:
    """Per horizon [B, H]: probability of buying, mean spend of a buyer, deviation of the logarithm of a buyer's spend."""

    probability: Tensor
    buyer_mean: Tensor
    sigma: Tensor

    @property
    def mean(self) -> Tensor:
        """[B, H] expected spend."""
        return self.probability * self.buyer_mean

    @property
    def mu(self) -> Tensor:
        """[B, H] mean of the logarithm of a buyer's spend."""
        return self.buyer_mean.log() - self.sigma.square() / 2

    @property
    def median(self) -> Tensor:
        """[B, H] median spend: 0 where buying is no likelier than not, else the buyers' quantile (P - 1/2) / P."""
        quantile = ((self.probability - 0.5) / self.probability).clamp(1e-6, 1 - 1e-6)
        positive = torch.exp(self.mu + self.sigma * torch.special.ndtri(quantile))
        return torch.where(self.probability > 0.5, positive, torch.zeros_like(positive))


class ValueHead(nn.Module):
    """Features [B, D] to raw numbers [B, P, 3], and from those to parameters."""

    def __init__(self, width: int, periods: int, *, residual_on_anchor: bool) -> None:
        super().__init__()
        self.periods, self.residual = periods, residual_on_anchor
        self.raw = nn.Linear(width, periods * _RAW)
        nn.init.zeros_(self.raw.bias)
        nn.init.normal_(self.raw.weight, std=0.02)

    def forward(self, x_BD: Tensor) -> Tensor:
        return torch.as_tensor(self.raw(x_BD).reshape(len(x_BD), self.periods, _RAW))

    def params(self, raw_BP3: Tensor, anchor_log_BP: Tensor, exposure_BP: Tensor | None = None) -> ValueParameters:
        """Parameters of the observed part of each horizon; of the whole horizon without `exposure_BP`."""
        exposure = torch.ones_like(anchor_log_BP) if exposure_BP is None else exposure_BP
        location = raw_BP3[:, :, 1] + (anchor_log_BP if self.residual else 0.0)
        spend = torch.cumsum(torch.exp(location.clamp(-20, 20)) * exposure, dim=1)
        log_stay = torch.cumsum(functional.logsigmoid(-raw_BP3[:, :, 0]) * exposure, dim=1)
        probability = -torch.expm1(log_stay)
        sigma = SIGMA_MIN + (SIGMA_MAX - SIGMA_MIN) * torch.sigmoid(raw_BP3[:, :, 2])
        return ValueParameters(probability.clamp(1e-6, 1 - 1e-6), spend.clamp(min=1e-9), sigma)
