"""The default head: zero-inflated log-normal spend in every period."""

import torch
from torch import Tensor

from ltv_train import losses
from ltv_train.models.heads.base import ValueHead
from ltv_train.models.heads.observed import Observed
from ltv_train.models.heads.params import LEAST_LOG, LEAST_SIGMA, MOST_LOG, MOST_SIGMA, Params


class ZilnHead(ValueHead):
    """Spend of a period is 0 with probability 1 - q and log-normal otherwise, so its mean is q exp(mu + sigma^2 / 2).

    Wang, Liu, Miao, "A Deep Probabilistic Model for Customer Lifetime Value Prediction" (2019), section 3. Beside the
    likelihood stands the deviance of the implied cumulative mean, which is what is published.
    """

    own_raw = 1
    value_terms = (("likelihood", 1.0), ("deviance", 0.5))

    def _amounts(self, log_survival: Tensor, moved: Tensor, anchor_log: Tensor, own: list[Tensor]) -> dict[str, Tensor]:
        """With a residual the location follows from mean = q exp(location + sigma^2 / 2); the gate gets no gradient
        through that identity, so money cannot bend a probability."""
        log_chance = losses.log_chance(log_survival)
        sigma = LEAST_SIGMA + (MOST_SIGMA - LEAST_SIGMA) * torch.sigmoid(own[0])
        if self.residual:
            log_mean = (anchor_log + moved).clamp(LEAST_LOG, MOST_LOG)
            location = log_mean - log_chance.detach() - sigma.square() / 2
        else:
            location = moved.clamp(LEAST_LOG, MOST_LOG)
            log_mean = log_chance + location + sigma.square() / 2
        return {"log_mean": log_mean, "location": location, "sigma": sigma}

    def value_loss(self, said: Params, observed: Observed) -> list[Tensor]:
        """Likelihood by period and deviance by horizon; a partly seen period moves the location with its mean."""
        assert said.location is not None
        assert said.sigma is not None
        survival = said.log_survival * observed.exposure
        moved = torch.log(observed.exposure) + said.log_chance - losses.log_chance(survival)
        likelihood = losses.hazard_bce(survival, (observed.spend > 0).to(survival.dtype)) + losses.log_normal_nll(
            observed.spend, said.location + moved.detach(), said.sigma
        )
        mean = observed.added_up(said.log_mean).clamp(min=1e-6)
        return [likelihood, losses.tweedie_deviance(observed.total, mean)]
