"""A trained network as a bundle, and a bundle as a network that predicts.

Rows are cut into fixed shapes (a constant number of rows, T from the length buckets, the tail padded), so that a row's
numbers depend on nothing but the row. May import: Torch, bundle, models. No Spark, no Ray, no reader of shards.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from ltv_features.blocks import bucket_of
from ltv_features.contract import LENGTH_BUCKETS
from ltv_features.encode import Encoding
from ltv_features.errors import BundleRefused
from ltv_features.project import Examples
from ltv_train.anchors import Anchors
from ltv_train.batch import Batch, make_batch, pad_rows
from ltv_train.bundle import Bundle
from ltv_train.models.network import NetworkShape, ValueNetwork
from ltv_train.predictions import Predictions, finished

ROWS = 256
_WEIGHTS = "weights.safetensors"


def to_files(weights: Sequence[Mapping[str, Tensor]]) -> dict[str, bytes]:
    """The files of a network bundle: the weights of every seed in one safetensors file."""
    named = {
        f"seed{number}.{key}": value.contiguous() for number, one in enumerate(weights) for key, value in one.items()
    }
    return {_WEIGHTS: safetensors.torch.save(named)}


def to_config(shape: NetworkShape, seeds: int, cap_minor: float) -> dict[str, Any]:
    """What `load_predictor` needs beside the weights; `cap_minor` is the largest value that may be promised."""
    return {"shape": shape.to_dict(), "seeds": seeds, "cap_minor": cap_minor}


def load_predictor(bundle: Bundle) -> "NetworkPredictor":
    """The network of a bundle. Raises BundleRefused on other shapes or weights that are not finite."""
    shape = NetworkShape(**bundle.config["shape"])
    named = safetensors.torch.load(bundle.bytes_of(_WEIGHTS))
    models = []
    for number in range(bundle.config["seeds"]):
        prefix = f"seed{number}."
        weights = {key.removeprefix(prefix): value for key, value in named.items() if key.startswith(prefix)}
        model = ValueNetwork(shape)
        _check(bundle, model, weights)
        model.load_state_dict(weights)
        models.append(model.eval())
    return NetworkPredictor(models, bundle)


class NetworkPredictor:
    """The mean over seeds of what each network says."""

    def __init__(self, models: Sequence[ValueNetwork], bundle: Bundle) -> None:
        self.models = models
        self.encoding: Encoding = bundle.encoding()
        self.anchors: Anchors = bundle.anchors()
        self.periods_days = bundle.periods_days
        self.cap = float(bundle.config["cap_minor"])

    def predict(self, examples: Examples) -> Predictions:
        """Predictions [B, H]; rows of one length bucket go together, ROWS at a time."""
        made = np.zeros((3, len(examples), len(self.periods_days)))
        bucket = bucket_of(examples.lengths)
        for length in LENGTH_BUCKETS:
            rows = np.flatnonzero(bucket == length)
            for start in range(0, len(rows), ROWS):
                part = rows[start : start + ROWS]
                made[:, part] = self._block(examples.take(part), length)
        return finished(made[0], made[1], made[2], cap=self.cap)

    @torch.no_grad()
    def _block(self, examples: Examples, length: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """[3, rows, H]: mean, median, probability of at most ROWS examples."""
        batch = self._batch(examples, length)
        said = []
        for model in self.models:
            parameters = model.parameters_of(batch)
            said.append(torch.stack([parameters.mean, parameters.median, parameters.probability]))
        means = torch.stack(said).double().mean(dim=0).numpy()[:, : len(examples)]
        means[:2] *= self.encoding.money_scale_minor
        return np.asarray(means)

    def _batch(self, examples: Examples, length: int) -> Batch:
        origin = np.full(len(examples), -1, np.int32)
        anchor = self.anchors.period_values(examples.anchor, origin, self.periods_days)
        rows = {"aggregates": examples.aggregates, "anchor": anchor, "lengths": np.minimum(examples.lengths, length)}
        full = pad_rows(rows | examples.padded(length), ROWS)
        full["anchor"] = np.maximum(full["anchor"], 1e-9)
        aggregates, values, lengths = (full.pop(name) for name in ("aggregates", "anchor", "lengths"))
        return make_batch(full, lengths, aggregates, values, self.encoding)


def _check(bundle: Bundle, model: ValueNetwork, weights: Mapping[str, Tensor]) -> None:
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    actual = {name: tuple(value.shape) for name, value in weights.items()}
    if expected != actual:
        names = sorted(set(expected) | set(actual))
        differ = [
            f"{n}: expected {expected.get(n)}, actual {actual.get(n)}"
            for n in names
            if expected.get(n) != actual.get(n)
        ]
        raise BundleRefused(f"bundle {bundle.path}: weights differ in shape: {'; '.join(differ[:10])}")
    bad = sorted(name for name, value in weights.items() if not bool(torch.isfinite(value).all()))
    if bad:
        raise BundleRefused(f"bundle {bundle.path}: weights that are not finite: {', '.join(bad)}")
