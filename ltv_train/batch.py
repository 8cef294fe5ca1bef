"""What a network eats in one step. Shape legend of this package: B users, T events, F numeric token fields, D width,
K items, A aggregates, H horizons, P periods (as many as horizons; horizon h is the sum of periods 0 to h).

Tokens are left-aligned, oldest first, zeros behind them; `lengths` counts the real ones. Money is in units of the
encoding's money scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ltv_features.contract import CATEGORICAL_FIELDS, LABEL_FIELDS, NUMERIC_FIELDS


@dataclass(frozen=True)
class Batch:
    """Encoded examples: `ids` int64 [B, T] by field, `numeric` [B, T, F], `lengths` int64 [B], `aggregates` [B, A].

    `anchor_log` [B, P]: log of the classical anchor's expected spend in each whole period. `labels` [B, P] by field of
    the contract, spend in the money scale; empty when scoring. `weight` [B]: 0 marks a row that must not count.
    `named_log` [B, K]: as `anchor_log`, of the next occurrence of each named period; its labels are [B, K] too.
    """

    ids: Mapping[str, Tensor]
    numeric: Tensor
    lengths: Tensor
    aggregates: Tensor
    anchor_log: Tensor
    labels: Mapping[str, Tensor]
    weight: Tensor
    named_log: Tensor = field(default_factory=lambda: torch.zeros(0, 0))

    def __len__(self) -> int:
        return len(self.weight)

    def to(self, device: torch.device) -> "Batch":
        """The batch on another device."""
        return Batch(
            ids={name: values.to(device) for name, values in self.ids.items()},
            numeric=self.numeric.to(device),
            lengths=self.lengths.to(device),
            aggregates=self.aggregates.to(device),
            anchor_log=self.anchor_log.to(device),
            labels={name: values.to(device) for name, values in self.labels.items()},
            weight=self.weight.to(device),
            named_log=self.named_log.to(device),
        )


def zeros(users: int, tokens: int, *, aggregates: int, periods: int) -> Batch:
    """A batch of the right shapes and dtypes with nothing in it: a free smoke test of any model.

    >>> zeros(2, 8, aggregates=3, periods=2).numeric.shape
    torch.Size([2, 8, 8])
    """
    return Batch(
        ids={name: torch.zeros(users, tokens, dtype=torch.int64) for name in CATEGORICAL_FIELDS},
        numeric=torch.zeros(users, tokens, len(NUMERIC_FIELDS)),
        lengths=torch.zeros(users, dtype=torch.int64),
        aggregates=torch.zeros(users, aggregates),
        anchor_log=torch.zeros(users, periods),
        labels={name: torch.zeros(users, periods) for name in LABEL_FIELDS},
        weight=torch.zeros(users),
        named_log=torch.zeros(users, 0),
    )
