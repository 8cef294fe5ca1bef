"""Losses of the value head: likelihood of cumulative spend, Tweedie deviance of its mean, purchase.

B users, H horizons. Every part comes back as a weighted sum and the weight it was summed over, so that ranks add sums
and divide once. A horizon counts for a user when its last period is at least partly mature.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ltv_train.batch import Batch
from ltv_train.models.heads import ValueHead, ValueParameters

PARTS = ("value", "tweedie", "purchase")
WEIGHTS = (1.0, 0.5, 0.5)
_POWER = 1.3


@dataclass(frozen=True)
class LossSums:
    """Weighted sums [3] in the order of PARTS, and the weight that they were summed over."""

    sums: Tensor
    weight: Tensor


def value_loss(head: ValueHead, raw_BP3: Tensor, batch: Batch) -> LossSums:
    """The three parts on the observed part of each horizon; zero-weight rows count for nothing."""
    labels = batch.labels
    observed = head.params(raw_BP3, batch.anchor_log, labels["exposure"])
    spend = torch.cumsum(labels["spend_minor"], dim=1).clamp(min=0)
    bought = torch.cummax(labels["purchased"], dim=1).values
    counts = labels["mask"] * batch.weight[:, None]
    parts = [
        log_normal(observed, spend) + gate(observed, bought),
        tweedie(observed.mean, spend),
        gate(observed, bought),
    ]
    return LossSums(torch.stack([(part * counts).sum() for part in parts]), counts.sum())


def log_normal(observed: ValueParameters, spend_BH: Tensor) -> Tensor:
    """[B, H] negative log-likelihood of a positive spend; 0 where nothing was spent.

    >>> one = torch.ones(1, 1)
    >>> params = ValueParameters(0.5 * one, one * math.exp(0.5), one)
    >>> round(log_normal(params, one).item(), 4)  # log sqrt(2 pi): mu is 0 and log spend is 0
    0.9189
    """
    positive = spend_BH > 0
    log_spend = torch.where(positive, spend_BH, torch.ones_like(spend_BH)).log()
    z = (log_spend - observed.mu) / observed.sigma
    loss = log_spend + observed.sigma.log() + 0.5 * math.log(2 * math.pi) + 0.5 * z.square()
    return torch.where(positive, loss, torch.zeros_like(loss))


def gate(observed: ValueParameters, bought_BH: Tensor) -> Tensor:
    """[B, H] negative log-likelihood of buying or not."""
    p = observed.probability
    return -(bought_BH * p.log() + (1 - bought_BH) * torch.log1p(-p))


def tweedie(mean_BH: Tensor, spend_BH: Tensor) -> Tensor:
    """[B, H] Tweedie deviance of power 1.3, up to a term of the spend alone (Jorgensen 1987).

    >>> mean, spend = torch.tensor([[1.0]]), torch.tensor([[2.0]])
    >>> round(tweedie(mean, spend).item(), 4)  # 2 / 0.3 + 1 / 0.7
    8.0952
    """
    return spend_BH * mean_BH.pow(1 - _POWER) / (_POWER - 1) + mean_BH.pow(2 - _POWER) / (2 - _POWER)


def total(sums: LossSums, start_losses: Tensor) -> Tensor:
    """The parts per unit of weight, each over its size at the start, weighted and added; 0 without weight."""
    means = sums.sums / sums.weight.clamp(min=1e-9)
    return (means / start_losses * means.new_tensor(WEIGHTS)).sum()
