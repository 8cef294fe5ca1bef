"""What a network sees of one step, as tensors.

Shape legend: B users, T events (tokens), F numeric token fields, A aggregates, D width, P periods, H horizons (H = P),
K items. Tokens are left-aligned, oldest first; places at or behind `lengths` are padding with id 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ltv_features.contract import CATEGORICAL_FIELDS, LABEL_FIELDS, NUMERIC_FIELDS
from ltv_features.encode import Encoding

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Batch:
    """`ids` [B, T] by field, `numeric` [B, T, F], `lengths` [B], `aggregates` [B, A], `anchor_log` [B, P] (log of the
    anchor's value within each period in money scales), `labels` [B, P] by field (spend in money scales; empty when there
    is nothing to learn), `weight` [B]."""

    ids: Mapping[str, Tensor]
    numeric: Tensor
    lengths: Tensor
    aggregates: Tensor
    anchor_log: Tensor
    labels: Mapping[str, Tensor]
    weight: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on another device."""
        return Batch(
            ids={name: ids.to(device) for name, ids in self.ids.items()},
            numeric=self.numeric.to(device),
            lengths=self.lengths.to(device),
            aggregates=self.aggregates.to(device),
            anchor_log=self.anchor_log.to(device),
            labels={name: values.to(device) for name, values in self.labels.items()},
            weight=self.weight.to(device),
        )

    def __len__(self) -> int:
        return len(self.weight)


def make_batch(
    tokens: Mapping[str, Array],
    lengths: Array,
    aggregates: Array,
    anchor_values: Array,
    encoding: Encoding,
    *,
    labels: Mapping[str, Array] | None = None,
    weight: Array | None = None,
) -> Batch:
    """A batch from padded raw tokens [B, T] by field, raw aggregates [B, A] and anchor values [B, P] in minor units.

    Training and scoring both come through here, so a number is encoded in one way only.
    """
    inside = np.arange(next(iter(tokens.values())).shape[1]) < lengths[:, None]
    numeric = [np.where(inside, encoding.numeric(name, tokens[name]), 0) for name in NUMERIC_FIELDS]
    money = encoding.money_scale_minor
    given = labels or {}
    scaled = {
        name: given[name] / money if name == "spend_minor" else given[name] for name in LABEL_FIELDS if name in given
    }
    return Batch(
        ids={name: torch.from_numpy(encoding.ids(name, tokens[name])) for name in CATEGORICAL_FIELDS},
        numeric=torch.from_numpy(np.stack(numeric, axis=2).astype(np.float32)),
        lengths=torch.from_numpy(lengths.astype(np.int64)),
        aggregates=torch.from_numpy(encoding.aggregates(aggregates)),
        anchor_log=torch.from_numpy(np.log(np.maximum(anchor_values / money, 1e-6)).astype(np.float32)),
        labels={name: torch.from_numpy(values.astype(np.float32)) for name, values in scaled.items()},
        weight=torch.from_numpy(np.ones(len(lengths), np.float32) if weight is None else weight.astype(np.float32)),
    )


def zeros(users: int, tokens: int, aggregates: int, periods: int) -> Batch:
    """A batch of nothing: what a rank steps on when it has no rows left, and a free smoke test of every model."""
    flat = torch.zeros(users, periods)
    return Batch(
        ids={name: torch.zeros(users, tokens, dtype=torch.int64) for name in CATEGORICAL_FIELDS},
        numeric=torch.zeros(users, tokens, len(NUMERIC_FIELDS)),
        lengths=torch.zeros(users, dtype=torch.int64),
        aggregates=torch.zeros(users, aggregates),
        anchor_log=flat,
        labels=dict.fromkeys(LABEL_FIELDS, flat),
        weight=torch.zeros(users),
    )


def pad_rows(columns: Mapping[str, Array], rows: int) -> dict[str, Array]:
    """Each array with zeros appended along its first axis until it has `rows`."""
    return {name: np.concatenate([a, np.zeros((rows - len(a), *a.shape[1:]), a.dtype)]) for name, a in columns.items()}


def tokens_of(
    columns: Mapping[str, Array], fields: Sequence[str] = CATEGORICAL_FIELDS + NUMERIC_FIELDS
) -> dict[str, Array]:
    """The token fields among `columns`."""
    return {name: columns[name] for name in fields}
