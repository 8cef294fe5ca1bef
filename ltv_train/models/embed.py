"""Tokens become vectors: one embedding a categorical field, the numbers beside them, one projection."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ltv_train.batch import Batch
from ltv_train.models.aligned import AlignedLinear

_NOTHING_KNOWN = 2
"""A vocabulary of padding and unknown alone tells nothing; its field gets no embedding."""
_WIDEST = 16


class TokenEmbedding(nn.Module):
    """[B, T, D] from the token fields of a batch; `vocabulary` names the rows of each categorical field.

    Fields stand in the order of their names, whatever order the mapping has: a bundle's JSON keeps none.
    """

    def __init__(self, vocabulary: Mapping[str, int], numeric: int, width: int) -> None:
        super().__init__()
        told = {name: size for name, size in sorted(vocabulary.items()) if size > _NOTHING_KNOWN}
        self.tables = nn.ModuleDict(
            {name: nn.Embedding(size, embedding_width(size), padding_idx=0) for name, size in told.items()}
        )
        self.project = AlignedLinear(sum(embedding_width(size) for size in told.values()) + numeric, width)

    def forward(self, batch: Batch) -> Tensor:
        looked_up = [table(batch.ids[name]) for name, table in self.tables.items()]
        return torch.relu(self.project(torch.cat([*looked_up, batch.numeric], dim=2)))


def embedding_width(size: int) -> int:
    """About the square root of the vocabulary, 2 to 16.

    >>> [embedding_width(size) for size in (3, 60, 20_000)]
    [2, 8, 16]
    """
    return max(2, min(_WIDEST, round(math.sqrt(size))))
