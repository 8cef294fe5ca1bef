"""Raw columns of a shard or of examples become a Batch, through one encoding and one set of anchors.

Training and scoring both come through `Inputs.batch`, so they cannot drift apart. May import: NumPy, Torch, kernel,
anchor; no Spark, no Ray, no reader.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ltv_features.contract import CATEGORICAL_FIELDS, LABEL_FIELDS, NUMERIC_FIELDS
from ltv_features.encode import Encoding
from ltv_train.anchor import AnchorParameters
from ltv_train.batch import Batch

Array = np.ndarray[Any, np.dtype[Any]]
ANCHOR_FLOOR = 0.05
"""Added to the anchor's spend before the log, in units of the money scale (a median order): keeps the residual finite."""
LABEL = "label_"


@dataclass(frozen=True)
class Anchors:
    """The anchor fitted on what was known at each training cut-off (by its number), and at the origin itself."""

    cutoffs: Mapping[int, AnchorParameters]
    origin: AnchorParameters
    periods_days: Sequence[tuple[int, int]]

    def spend_minor(self, inputs: Array, cutoff_no: Array | None) -> npt.NDArray[np.float64]:
        """[N, P] expected spend in each period; without cut-off numbers all rows stand at the origin.

        Raises KeyError for a cut-off without parameters.
        """
        if cutoff_no is None:
            return self._by(self.origin, inputs)
        made = np.zeros((len(inputs), len(self.periods_days)))
        for number in np.unique(cutoff_no):
            own = cutoff_no == number
            made[own] = self._by(self.cutoffs[int(number)], inputs[own])
        return made

    def _by(self, anchor: AnchorParameters, inputs: Array) -> npt.NDArray[np.float64]:
        until = [np.zeros(len(inputs)), *(anchor.expected_value(inputs, float(end)) for _, end in self.periods_days)]
        return np.maximum(np.diff(np.stack(until, axis=1), axis=1), 0.0)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        by_number = {str(number): anchor.to_dict() for number, anchor in sorted(self.cutoffs.items())}
        return {"as_of": self.origin.to_dict(), "cutoffs": by_number, "periods_days": [list(p) for p in self.periods_days]}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Anchors":
        """The anchors that `to_dict` wrote."""
        return Anchors(
            {int(number): AnchorParameters.from_dict(anchor) for number, anchor in values["cutoffs"].items()},
            AnchorParameters.from_dict(values["as_of"]),
            [(start, end) for start, end in values["periods_days"]],
        )


@dataclass(frozen=True)
class Inputs:
    """How raw columns become a batch: the encoding and the anchors of one origin."""

    encoding: Encoding
    anchors: Anchors

    def batch(self, columns: Mapping[str, Array], *, at_origin: bool) -> Batch:
        """A batch from columns [B, width]: token fields, `length`, `aggregates`, `anchor`, and in training `cutoff_no`,
        `weight` and labels. `at_origin`: score with the anchor of the origin, without labels, weight 1.
        """
        scale = self.encoding.money_scale_minor
        lengths = columns["length"].reshape(-1).astype(np.int64)
        real = np.arange(columns[NUMERIC_FIELDS[0]].shape[1]) < lengths[:, None]
        numeric = np.stack([self.encoding.numeric(name, columns[name]) for name in NUMERIC_FIELDS], axis=2)
        cutoff_no = None if at_origin else columns["cutoff_no"].reshape(-1)
        weight = np.ones(len(lengths)) if at_origin else columns["weight"].reshape(-1)
        if cutoff_no is not None and not weight.any():  # the row that stands in for a rank without examples
            cutoff_no = None
        anchor = self.anchors.spend_minor(columns["anchor"], cutoff_no)
        return Batch(
            ids={name: torch.from_numpy(self.encoding.ids(name, columns[name])) for name in CATEGORICAL_FIELDS},
            numeric=torch.from_numpy(numeric * real[:, :, None]),
            lengths=torch.from_numpy(lengths),
            aggregates=torch.from_numpy(self.encoding.aggregates(columns["aggregates"])),
            anchor_log=torch.from_numpy(np.log(anchor / scale + ANCHOR_FLOOR).astype(np.float32)),
            labels={} if at_origin else self._labels(columns),
            weight=torch.from_numpy(weight.astype(np.float32)),
        )

    def _labels(self, columns: Mapping[str, Array]) -> dict[str, torch.Tensor]:
        scaled = {"spend_minor": columns[LABEL + "spend_minor"] / self.encoding.money_scale_minor}
        return {
            name: torch.from_numpy(np.array(scaled.get(name, columns[LABEL + name]), np.float32)) for name in LABEL_FIELDS
        }
