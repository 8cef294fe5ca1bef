"""Two towers: a customer's history on one side, items on the other, and their inner product.

Shapes: B customers, T history lines, D width, V items, S shared negatives, K targets of a basket. Items are numbered
from 1 inside the model (0 is padding). Source: Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus
Item Recommendations" (RecSys 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

_TARGETS = 4
_MASKED = -1e4
_LEARNED = 0.1
"""The network starts as a small correction of the mean history: 11,000 baskets do not suffice to learn that anew."""


@dataclass(frozen=True)
class BasketBatch:
    """`items` int64 [B, T] history, oldest first, 0 behind it; `age_days` [B, T]; `lengths` [B]; `targets` int64
    [B, K], 0 where there is none or the item is unknown; `weight` [B]."""

    items: Tensor
    age_days: Tensor
    lengths: Tensor
    targets: Tensor
    weight: Tensor

    def to(self, device: torch.device) -> Self:
        """The batch on another device."""
        values = (self.items, self.age_days, self.lengths, self.targets, self.weight)
        return type(self)(*(value.to(device) for value in values))


class TwoTower(nn.Module):
    """Customer vectors [B, D] and item vectors [V + 1, D]; a score is their cosine over a temperature plus a bias."""

    loss_weights = (1.0,)

    def __init__(self, popularity: Sequence[float], *, width: int, temperature: float, negatives: int) -> None:
        super().__init__()
        counts = torch.tensor([0.0, *popularity], dtype=torch.float32)
        self.temperature, self.negatives = temperature, min(negatives, len(popularity))
        self.items = nn.Embedding(len(counts), width, padding_idx=0)
        nn.init.normal_(self.items.weight, std=0.1)
        self.bias = nn.Parameter(torch.log(counts.clamp(min=1.0)))
        self.pools = nn.Parameter(torch.ones(3))
        self.user = nn.Sequential(nn.Linear(3 * width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.register_buffer("share", counts / counts.sum().clamp(min=1e-9))
        self.register_buffer("chance", counts.pow(0.75) / counts.pow(0.75).sum().clamp(min=1e-9))

    def forward(self, batch: BasketBatch) -> Tensor:
        """Customer vectors of length 1, [B, D]: the mean items of the whole history, of the recent one and of the last
        lines, and what a small network makes of the three."""
        x_BTD = self.items(batch.items)
        real = (batch.items > 0).float()
        place = torch.arange(batch.items.shape[1], device=batch.items.device)
        last = real * (place >= (batch.lengths[:, None] - 20)).float()
        pools = [self._pool(x_BTD, weight) for weight in (real, real * torch.exp(-batch.age_days / 30.0), last)]
        learned = _LEARNED * self.user(torch.cat(pools, dim=1))
        mean = sum((share * pool for share, pool in zip(self.pools, pools, strict=True)), torch.zeros_like(learned))
        return functional.normalize(mean + learned, dim=1)

    def item_vectors(self) -> Tensor:
        """[V + 1, D] of length 1; row 0 is padding."""
        return functional.normalize(self.items.weight, dim=1)

    def loss(self, user_BD: Tensor, batch: BasketBatch) -> tuple[Tensor, Tensor]:
        """Sampled softmax over up to four targets a basket: in-batch and shared negatives, corrected for how often they
        are drawn, and masked where a negative lies in the customer's own basket."""
        rows, targets = self._chosen(batch)
        weight = batch.weight[rows] * (targets > 0)
        chance, share = torch.as_tensor(self.chance), torch.as_tensor(self.share)
        drawn = torch.multinomial(chance, self.negatives, replacement=True)
        offered = torch.cat([targets.clamp(min=1), drawn])
        vectors = functional.normalize(self.items(offered), dim=1)
        expected = len(targets) * share[offered] + self.negatives * chance[offered]
        logits = user_BD[rows] @ vectors.T / self.temperature + self.bias[offered] - torch.log(expected + 1e-9)
        own = in_own_basket(batch.targets, offered)[rows]
        mine = torch.arange(len(rows), device=logits.device)
        own[mine, mine] = False
        logits = logits.masked_fill(own, _MASKED)
        losses = functional.cross_entropy(logits, mine, reduction="none")
        return (losses * weight).sum()[None], weight.sum()

    def _chosen(self, batch: BasketBatch) -> tuple[Tensor, Tensor]:
        """Rows and targets of at most four known items of each basket, drawn at random; a row without any: none."""
        known = batch.targets > 0
        order = torch.rand(known.shape, device=known.device) + 2.0 * ~known
        picked = batch.targets.gather(1, order.argsort(dim=1)[:, :_TARGETS])
        rows = torch.arange(len(picked), device=picked.device).repeat_interleave(picked.shape[1])
        flat = picked.reshape(-1)
        keep = flat > 0
        if not bool(keep.any()):  # a rank without baskets still takes its step
            return rows[:1], flat[:1]
        return rows[keep], flat[keep]

    @staticmethod
    def _pool(x_BTD: Tensor, weight_BT: Tensor) -> Tensor:
        return (x_BTD * weight_BT[:, :, None]).sum(dim=1) / weight_BT.sum(dim=1, keepdim=True).clamp(min=1e-6)


def in_own_basket(targets_BK: Tensor, offered_N: Tensor) -> Tensor:
    """Bool [B, N]: whether an offered item lies in the basket of the row; by sorted search, so it costs B x K + B x N.

    >>> in_own_basket(torch.tensor([[7, 5], [9, 0]]), torch.tensor([5, 9, 5]))
    tensor([[ True, False,  True],
            [False,  True, False]])
    """
    ranked, order = offered_N.sort()
    wanted = targets_BK.reshape(-1)
    left = torch.searchsorted(ranked, wanted)
    copies = torch.searchsorted(ranked, wanted, right=True) - left
    pair = torch.repeat_interleave(torch.arange(len(wanted), device=wanted.device), copies)
    copy = torch.arange(len(pair), device=wanted.device) - (copies.cumsum(0) - copies)[pair]
    found = torch.zeros(len(targets_BK), len(offered_N), dtype=torch.bool, device=wanted.device)
    found[pair // targets_BK.shape[1], order[left[pair] + copy]] = True
    return found
