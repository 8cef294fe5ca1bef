"""The value head: one hazard and one zero-inflated log-normal amount a period; one parameterisation for all it says.

B users, P periods, H = P cumulative horizons. The hazard q of a period is zero gate and purchase probability at once:
P(purchase by h) = 1 - prod(1 - q), so it never falls with the horizon, and neither does the mean, a running sum.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ltv_train import losses

LEAST_SIGMA, MOST_SIGMA = 0.1, 2.0
_RAW = 4
_MOST_LOGIT = 15.0
_LEAST_LOG, _MOST_LOG = -10.0, 12.0
LOSS_TERMS = ("likelihood", "deviance", "purchase", "median")
LOSS_WEIGHTS = (1.0, 0.5, 0.5, 0.25)


@dataclass(frozen=True)
class Params:
    """Of every whole period [B, P]: log(1 - q), log q, location and sigma of log spend given a purchase, log mean,
    and log of what the period adds to the median."""

    log_survival: Tensor
    log_chance: Tensor
    location: Tensor
    sigma: Tensor
    log_mean: Tensor
    log_median: Tensor


class ValueHead(nn.Module):
    """Maps [B, D] to what is said about spend and purchase. `residual`: the mean is the anchor's times a correction."""

    def __init__(self, width: int, periods: int, *, residual: bool) -> None:
        super().__init__()
        self.n_raw = _RAW * periods
        self.residual = residual
        self.project = nn.Linear(width, self.n_raw)
        nn.init.normal_(self.project.weight, std=0.01)
        nn.init.zeros_(self.project.bias)

    def forward(self, summary_BD: Tensor, anchor_log_BP: Tensor) -> Params:
        """The parameters; amounts in the money scale of the encoding."""
        return self.params(self.project(summary_BD), anchor_log_BP)

    def params(self, raw: Tensor, anchor_log: Tensor) -> Params:
        """[B, 4 P] raw numbers to parameters inside their bounds.

        With a residual the third number is the log ratio of the mean to the anchor's, and the location follows from
        mean = q exp(location + sigma^2 / 2); the gate gets no gradient through that identity, so money cannot bend a
        probability. The probability never sees the anchor's logit.
        """
        logit, moved, spread, middle = raw.reshape(len(raw), _RAW, -1).unbind(1)
        log_survival = -functional.softplus(logit.clamp(-_MOST_LOGIT, _MOST_LOGIT))
        log_chance = losses.log_chance(log_survival)
        sigma = LEAST_SIGMA + (MOST_SIGMA - LEAST_SIGMA) * torch.sigmoid(spread)
        if self.residual:
            log_mean = (anchor_log + moved).clamp(_LEAST_LOG, _MOST_LOG)
            location = log_mean - log_chance.detach() - sigma.square() / 2
        else:
            location = moved.clamp(_LEAST_LOG, _MOST_LOG)
            log_mean = log_chance + location + sigma.square() / 2
        log_median = (log_mean.detach() + middle).clamp(_LEAST_LOG, _MOST_LOG)
        return Params(log_survival, log_chance, location, sigma, log_mean, log_median)

    def loss(self, said: Params, labels: Mapping[str, Tensor], weight: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted sums [3] of LOSS_TERMS and the sum of weights they are to be divided by.

        A period observed for a share e of its length has hazard 1 - (1 - q)^e and mean e times that of the whole; its
        location follows. Likelihood is by period, deviance and purchase by cumulative horizon, over what was observed.
        """
        counted = labels["mask"] * weight[:, None]
        exposure = torch.where(labels["mask"] > 0, labels["exposure"].clamp(min=1e-3), torch.ones_like(counted))
        spend = labels["spend_minor"].clamp(min=0)
        survival = said.log_survival * exposure
        moved = torch.log(exposure) + said.log_chance - losses.log_chance(survival)
        likelihood = losses.hazard_bce(survival, (spend > 0).to(spend.dtype)) + losses.log_normal_nll(
            spend, said.location + moved.detach(), said.sigma
        )
        seen = labels["mask"] * exposure
        mean = torch.cumsum(torch.exp(said.log_mean) * seen, dim=1).clamp(min=1e-6)
        deviance = losses.tweedie_deviance(torch.cumsum(spend * labels["mask"], dim=1), mean)
        bought = torch.cummax(labels["purchased"] * labels["mask"], dim=1).values
        purchase = losses.hazard_bce(torch.cumsum(said.log_survival * seen, dim=1), bought)
        middle = torch.cumsum(torch.exp(said.log_median) * seen, dim=1)
        median = (torch.cumsum(spend * labels["mask"], dim=1) - middle).abs()
        sums = torch.stack([(term * counted).sum() for term in (likelihood, deviance, purchase, median)])
        return sums, counted.sum()

    def p_purchase(self, said: Params) -> Tensor:
        """[B, H] probability of a purchase by each horizon."""
        return -torch.expm1(torch.cumsum(said.log_survival, dim=1))

    def mean(self, said: Params) -> Tensor:
        """[B, H] expected spend by each horizon."""
        return torch.cumsum(torch.exp(said.log_mean), dim=1)

    def median(self, said: Params) -> Tensor:
        """[B, H] median spend by each horizon; 0 where a purchase is less likely than not.

        Fitted by its own loss: the median minimises the absolute error (Koenker and Bassett, "Regression Quantiles",
        1978). The analytic median of the mixture leans on a log-normal tail that spend does not have, and had a 2-3 %
        larger absolute error on a grocery panel.
        """
        middle = torch.cumsum(torch.exp(said.log_median), dim=1)
        return torch.where(self.p_purchase(said) > 0.5, middle, torch.zeros_like(middle))
