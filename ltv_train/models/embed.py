"""Tokens become vectors: learned embeddings of ids beside the scaled numbers, mixed to one width."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ltv_features.contract import NUMERIC_FIELDS

_WIDTHS = {"event_type": 8, "item_no": 16, "category_no": 16, "brand_no": 8, "hour": 4, "weekday": 4}


class TokenEmbedding(nn.Module):
    """Ids [B, T] by field and numbers [B, T, F] to [B, T, D]; a padded place becomes zeros."""

    def __init__(self, vocabulary_sizes: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.tables = nn.ModuleDict(
            {name: nn.Embedding(size, _WIDTHS[name], padding_idx=0) for name, size in vocabulary_sizes.items()}
        )
        for table in self.tables.values():
            nn.init.normal_(table.weight, std=0.05)  # type: ignore[arg-type]
        self.mix = nn.Linear(sum(_WIDTHS[name] for name in vocabulary_sizes) + len(NUMERIC_FIELDS), width)

    def forward(self, ids: Mapping[str, Tensor], numeric_BTF: Tensor, lengths_B: Tensor) -> Tensor:
        parts = [table(ids[name]) for name, table in self.tables.items()]
        x_BTD = torch.relu(self.mix(torch.cat([*parts, numeric_BTF], dim=2)))
        inside = torch.arange(x_BTD.shape[1], device=x_BTD.device) < lengths_B[:, None]
        return x_BTD * inside[:, :, None]
