"""What was observed of a batch, as the losses of every head need it. B users, P periods, H = P cumulative horizons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

LEAST_EXPOSURE = 1e-3


@dataclass(frozen=True)
class Observed:
    """`counted` [B, P]: weight of a period, 0 where nobody saw any of it; `exposure`: the share seen, 1 where none was;
    `seen`: the same, 0 where none was; `spend` net, not below 0; `total` [B, H]: spend so far; `labels`: all of them.
    """

    labels: Mapping[str, Tensor]
    weight: Tensor
    counted: Tensor
    exposure: Tensor
    seen: Tensor
    spend: Tensor
    total: Tensor

    @classmethod
    def of(cls, labels: Mapping[str, Tensor], weight: Tensor) -> Self:
        """From the contract's labels [B, P], spend in the money scale, and the weight [B] of each row."""
        mask = labels["mask"]
        exposure = torch.where(mask > 0, labels["exposure"].clamp(min=LEAST_EXPOSURE), torch.ones_like(mask))
        spend = labels["spend_minor"].clamp(min=0)
        total = torch.cumsum(spend * mask, dim=1)
        return cls(labels, weight, mask * weight[:, None], exposure, mask * exposure, spend, total)

    def so_far(self, name: str) -> Tensor:
        """[B, H] whether the label, 0 or 1 by period, was 1 in any observed period up to each horizon."""
        return torch.cummax(self.labels[name] * self.labels["mask"], dim=1).values

    def added_up(self, log_by_period: Tensor) -> Tensor:
        """[B, H] amounts of whole periods, given as logs, for what was seen of each and added up."""
        return torch.cumsum(torch.exp(log_by_period) * self.seen, dim=1)
