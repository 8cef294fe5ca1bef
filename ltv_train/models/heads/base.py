"""What all value heads share: the hazard, the median, the quantiles, activity and named periods.

B users, P periods, H = P cumulative horizons, K named periods. The hazard q of a period is purchase probability and, in
the default head, zero gate at once: P(purchase by h) = 1 - prod(1 - q), so it never falls with the horizon, and neither
do amounts, running sums of what is not negative. A head of its own says how the mean is learned.
"""

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from ltv_features.contract import HIGH, LOW
from ltv_train import losses
from ltv_train.models.heads.observed import Observed
from ltv_train.models.heads.params import LEAST_LOG, MOST_LOG, MOST_LOGIT, Params

_SHARED = 5


class ValueHead(nn.Module):
    """Maps [B, D] to what is said about spend and purchase.

    `residual`: the mean is the anchor's times a correction. `activity`: an own hazard of any activity, for churn that
    is defined by it. `named`: so many periods of the calendar, each always a correction of its anchor.
    """

    own_raw = 0
    """Raw numbers a period beyond those that all heads share."""
    value_terms: tuple[tuple[str, float], ...] = ()
    """Loss terms of the mean, each with its weight."""

    def __init__(self, width: int, periods: int, *, residual: bool, activity: bool = False, named: int = 0) -> None:
        super().__init__()
        self.residual, self.activity, self.periods, self.named = residual, activity, periods, named
        self.n_raw = (_SHARED + self.own_raw + activity) * periods + 2 * named
        terms = [*self.value_terms, ("purchase", 0.5), ("median", 0.25), ("quantiles", 0.1)]
        terms += [("activity", 0.25)] if activity else []
        terms += [("named_value", 0.25), ("named_purchase", 0.25)] if named else []
        self.loss_terms = tuple(name for name, _ in terms)
        self.loss_weights = tuple(weight for _, weight in terms)
        self.project = nn.Linear(width, self.n_raw)
        nn.init.normal_(self.project.weight, std=0.01)
        nn.init.zeros_(self.project.bias)

    def forward(self, summary_BD: Tensor, anchor_log_BP: Tensor, named_log_BK: Tensor | None = None) -> Params:
        """The parameters; amounts in the money scale of the encoding."""
        return self.params(self.project(summary_BD), anchor_log_BP, named_log_BK)

    def params(self, raw: Tensor, anchor_log: Tensor, named_log: Tensor | None = None) -> Params:
        """[B, n_raw] raw numbers to parameters inside their bounds.

        With a residual the second number of a period is the log ratio of the mean to the anchor's. The probability
        never sees the anchor's logit. The upper quantile adds a positive amount to the median, the lower one takes a
        share of it, so they never cross; neither moves the mean or the median.
        """
        whole = self.n_raw - 2 * self.named
        of_periods, of_named = raw[:, :whole], raw[:, whole:]
        logit, moved, middle, below, above, *own = of_periods.reshape(len(raw), -1, self.periods).unbind(1)
        log_survival = _log_survival(logit)
        made = self._amounts(log_survival, moved, anchor_log, own[: self.own_raw])
        log_median = (made["log_mean"].detach() + middle).clamp(LEAST_LOG, MOST_LOG)
        more = (made["log_mean"].detach() + above).clamp(LEAST_LOG, MOST_LOG)
        if self.activity:  # a purchase is an activity: what else they do comes on top
            made["active_log_survival"] = log_survival.detach() + _log_survival(own[-1])
        if self.named and named_log is not None:
            named_moved, named_logit = of_named.reshape(len(raw), 2, self.named).unbind(1)
            made["named_log_mean"] = (named_log + named_moved).clamp(LEAST_LOG, MOST_LOG)
            made["named_log_survival"] = _log_survival(named_logit)
        return Params(
            log_survival=log_survival,
            log_chance=losses.log_chance(log_survival),
            log_median=log_median,
            log_low=log_median.detach() + functional.logsigmoid(below),
            log_high=torch.logaddexp(log_median.detach(), more),
            **made,
        )

    @abstractmethod
    def _amounts(self, log_survival: Tensor, moved: Tensor, anchor_log: Tensor, own: list[Tensor]) -> dict[str, Tensor]:
        """`log_mean`, and whatever else of Params the head has, from the raw numbers [B, P] that are its own."""

    @abstractmethod
    def value_loss(self, said: Params, observed: Observed) -> list[Tensor]:
        """[B, P] each, the terms of `value_terms`."""

    def loss(self, said: Params, labels: Mapping[str, Tensor], weight: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted sums of `loss_terms` and the sum of weights they are to be divided by.

        A period observed for a share e of its length has hazard 1 - (1 - q)^e and amounts e times those of the whole.
        Purchase, activity, median and quantiles are judged by cumulative horizon, over what was observed.
        """
        seen = Observed.of(labels, weight)
        purchase = losses.hazard_bce(torch.cumsum(said.log_survival * seen.seen, dim=1), seen.so_far("purchased"))
        median = (seen.total - seen.added_up(said.log_median)).abs()
        quantiles = losses.pinball(seen.total, seen.added_up(said.log_low), LOW)
        quantiles = quantiles + losses.pinball(seen.total, seen.added_up(said.log_high), HIGH)
        terms = [*self.value_loss(said, seen), purchase, median, quantiles]
        if said.active_log_survival is not None:
            stayed = torch.cumsum(said.active_log_survival * seen.seen, dim=1)
            terms.append(losses.hazard_bce(stayed, seen.so_far("active")))
        sums = [(term * seen.counted).sum() for term in terms]
        return torch.stack([*sums, *self._named_loss(said, seen)]), seen.counted.sum()

    def _named_loss(self, said: Params, seen: Observed) -> list[Tensor]:
        """Sums of deviance and of purchase over the occurrences that matured as a whole."""
        if said.named_log_mean is None or said.named_log_survival is None:
            return []
        counted = seen.labels["named_mask"] * seen.weight[:, None]
        spend = seen.labels["named_spend_minor"].clamp(min=0)
        deviance = losses.tweedie_deviance(spend, torch.exp(said.named_log_mean))
        bought = losses.hazard_bce(said.named_log_survival, seen.labels["named_purchased"])
        return [(term * counted).sum() for term in (deviance, bought)]

    def p_purchase(self, said: Params) -> Tensor:
        """[B, H] probability of a purchase by each horizon."""
        return -torch.expm1(torch.cumsum(said.log_survival, dim=1))

    def p_active(self, said: Params) -> Tensor:
        """[B, H] probability of any activity by each horizon; that of a purchase where the head has no such hazard."""
        hazard = said.log_survival if said.active_log_survival is None else said.active_log_survival
        return -torch.expm1(torch.cumsum(hazard, dim=1))

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

    def low(self, said: Params) -> Tensor:
        """[B, H] the quantile LOW of spend by each horizon, never above the median."""
        return torch.minimum(torch.cumsum(torch.exp(said.log_low), dim=1), self.median(said))

    def high(self, said: Params) -> Tensor:
        """[B, H] the quantile HIGH of spend by each horizon, never below the median."""
        return torch.cumsum(torch.exp(said.log_high), dim=1)

    def named_mean(self, said: Params) -> Tensor:
        """[B, K] expected spend in the next occurrence of each named period; [B, 0] where there are none."""
        return said.log_mean[:, :0] if said.named_log_mean is None else torch.exp(said.named_log_mean)

    def named_purchase(self, said: Params) -> Tensor:
        """[B, K] probability of a purchase in the next occurrence of each named period."""
        hazard = said.named_log_survival
        return said.log_mean[:, :0] if hazard is None else -torch.expm1(hazard)


def _log_survival(logit: Tensor) -> Tensor:
    """log(1 - q) of a hazard q given as its logit."""
    return -functional.softplus(logit.clamp(-MOST_LOGIT, MOST_LOGIT))
