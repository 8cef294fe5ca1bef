"""Raw columns of a shard or of examples become a Batch, through one encoding and one set of anchors.

Training and scoring both come through `Inputs.batch`, so they cannot drift apart. May import: NumPy, Torch, kernel,
anchors; no Spark, no Ray, no reader.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ltv_features.contract import CATEGORICAL_FIELDS, LABEL_FIELDS, NAMED_LABELS, NUMERIC_FIELDS
from ltv_features.encode import Encoding
from ltv_features.project import Examples
from ltv_train.batch import Batch
from ltv_train.classical.anchors import AT_ORIGIN, Anchors
from ltv_train.named import NO_PERIODS, Named

Array = np.ndarray[Any, np.dtype[Any]]
ANCHOR_FLOOR = 0.05
"""Added to the anchor's spend before the log, in units of the money scale (a median order): bounds the residual."""
LABEL = "label_"


@dataclass(frozen=True)
class Inputs:
    """How raw columns become a batch: encoding and anchors of one origin, the periods of the labels, and those
    of the calendar that are spoken of."""

    encoding: Encoding
    anchors: Anchors
    periods_days: Sequence[tuple[int, int]]
    named: Named = NO_PERIODS

    def anchor_values(self, examples: Examples) -> Array:
        """[B, H] minor units that the anchor of the origin expects up to each horizon."""
        origin = np.full(len(examples), AT_ORIGIN, np.int32)
        return self.anchors.cumulative_values(examples.anchor, origin, [end for _, end in self.periods_days])

    def batch(self, columns: Mapping[str, Array], *, at_origin: bool) -> Batch:
        """A batch from columns [B, width]: token fields, `length`, `aggregates`, `anchor`, and in training `cutoff_no`,
        `weight` and labels. `at_origin`: to be scored with the anchor of the origin, without labels, weight 1.
        """
        lengths = columns["length"].reshape(-1).astype(np.int64)
        real = np.arange(columns[NUMERIC_FIELDS[0]].shape[1]) < lengths[:, None]
        numeric = np.stack([self.encoding.numeric(name, columns[name]) for name in NUMERIC_FIELDS], axis=2)
        origin = np.full(len(lengths), AT_ORIGIN, np.int32)
        cutoff_no = origin if at_origin else columns["cutoff_no"].reshape(-1)
        weight = np.ones(len(lengths)) if at_origin else columns["weight"].reshape(-1)
        anchor = self.anchors.period_values(columns["anchor"], cutoff_no, self.periods_days)
        anchor_log = np.log(anchor / self.encoding.money_scale_minor + ANCHOR_FLOOR)
        named = self.named.anchor_values(self.anchors, columns["anchor"], cutoff_no)
        named_log = np.log(named / self.encoding.money_scale_minor + ANCHOR_FLOOR)
        return Batch(
            ids={name: torch.from_numpy(self.encoding.ids(name, columns[name])) for name in CATEGORICAL_FIELDS},
            numeric=torch.from_numpy(numeric * real[:, :, None]),
            lengths=torch.from_numpy(lengths),
            aggregates=torch.from_numpy(self.encoding.aggregates(columns["aggregates"])),
            anchor_log=torch.from_numpy(anchor_log.astype(np.float32)),
            labels={} if at_origin else self._labels(columns),
            weight=torch.from_numpy(weight.astype(np.float32)),
            named_log=torch.from_numpy(named_log.astype(np.float32)),
        )

    def _labels(self, columns: Mapping[str, Array]) -> dict[str, torch.Tensor]:
        """Labels as float32, spend in the money scale."""
        made = {name: columns[LABEL + name] for name in LABEL_FIELDS}
        if self.named.names:
            made |= {name: columns[LABEL + name] for name in NAMED_LABELS}
        for name in ("spend_minor", "named_spend_minor"):
            if name in made:
                made[name] = made[name] / self.encoding.money_scale_minor
        return {name: torch.from_numpy(values.astype(np.float32)) for name, values in made.items()}


def columns_of(examples: Examples, length: int) -> dict[str, Array]:
    """Examples as the columns of a shard: the last `length` tokens, `length`, `aggregates`, `anchor`, `cutoff_no`."""
    return {
        **examples.padded(length),
        "length": np.minimum(examples.lengths, length)[:, None],
        "aggregates": examples.aggregates,
        "anchor": examples.anchor,
        "cutoff_no": examples.cutoff_no[:, None],
    }
