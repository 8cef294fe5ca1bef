"""The network candidate: fitted weights as the contents of a bundle, and a bundle as a network that predicts.

Rows are cut into fixed shapes (ROWS rows, T from the length buckets, the tail padded), so that what is said of a row
depends on nothing but the row. May import: Torch, bundle, models, inputs. No Spark, no Ray, no reader of shards.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from torch import Tensor

from ltv_features.blocks import bucket_of
from ltv_features.contract import LENGTH_BUCKETS, MAX_TOKENS
from ltv_features.errors import BundleRefused
from ltv_features.project import Examples
from ltv_train import models
from ltv_train.bundle import Bundle
from ltv_train.inputs import Array, Inputs, columns_of
from ltv_train.models import Shape, ValueNetwork
from ltv_train.named import Named
from ltv_train.predictions import NOTHING, Predictions, amounts_through_anchor, chances_through_anchor, finished

log = logging.getLogger(__name__)
KIND = "network"
WEIGHTS_FILE = "weights.safetensors"
ROWS = 256
"""Rows of every forward pass when scoring; a bundle's scores are defined at this size."""
_AMOUNTS = ("mean", "median", "low", "high")
_CHANCES = ("p_purchase", "p_active")
_NAMED = ("named_mean", "named_purchase")
_SAID = (*_AMOUNTS, *_CHANCES, *_NAMED)
_MONEY = (*_AMOUNTS, "named_mean")
Floats = npt.NDArray[np.float64]


def to_files(members: Sequence[Mapping[str, Tensor]]) -> dict[str, bytes]:
    """The files of a network bundle: the weights of every member (one a seed) as one safetensors file."""
    named = {f"{m}.{name}": value.contiguous() for m, one in enumerate(members) for name, value in one.items()}
    return {WEIGHTS_FILE: safetensors.torch.save(named)}


def to_config(
    shape: Mapping[str, Any], *, encoder: str, residual: bool, members: int, cap_minor: float, head: str = "ziln"
) -> dict[str, Any]:
    """What `load_predictor` needs beside the weights; `cap_minor` is the largest value that may be promised."""
    return {
        "encoder": encoder,
        "head": head,
        "shape": dict(shape),
        "residual_on_anchor": residual,
        "members": members,
        "cap_minor": cap_minor,
    }


def load_predictor(bundle: Bundle) -> "NetworkPredictor":
    """The networks of a bundle. Raises BundleRefused on other shapes, or weights that are not finite."""
    torch.set_num_threads(1)
    config, named = bundle.config, safetensors.torch.load(bundle.bytes_of(WEIGHTS_FILE))
    shape, networks = Shape(**config["shape"]), []
    for member in range(config["members"]):
        prefix = f"{member}."
        weights = {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}
        residual, head = config["residual_on_anchor"], config["head"]
        network = models.build(config["encoder"], shape, residual=residual, seed=1, head=head)
        _check(bundle, network, weights)
        network.load_state_dict(weights)
        networks.append(network.eval().requires_grad_(False))
    inputs = Inputs(
        bundle.encoding(), bundle.anchors(), bundle.periods_days, Named.from_config(config.get("named", []))
    )
    trained = int(config.get("trained_horizons", len(bundle.horizons_days)))
    return NetworkPredictor(networks, inputs, float(config["cap_minor"]), trained)


class NetworkPredictor:
    """The mean over members of what each network says."""

    def __init__(self, networks: Sequence[ValueNetwork], inputs: Inputs, cap_minor: float, trained: int) -> None:
        self._networks, self._inputs, self._cap, self._trained = networks, inputs, cap_minor, trained

    def predict(self, examples: Examples) -> Predictions:
        """Predictions [B, H] in the order of the examples: the same bits in any order and any company."""
        periods, named = len(self._inputs.periods_days), len(self._inputs.named.names)
        made = {name: np.zeros((len(examples), named if name in _NAMED else periods)) for name in _SAID}
        buckets = bucket_of(np.minimum(examples.lengths, MAX_TOKENS))
        for length in LENGTH_BUCKETS:
            rows = np.flatnonzero(buckets == length)
            for start in range(0, len(rows), ROWS):
                own = rows[start : start + ROWS]
                for name, values in self._pass(examples.take(own), length).items():
                    made[name][own] = values
        capped = int(np.any([(made[name] > self._cap).any(axis=1) for name in _AMOUNTS], axis=0).sum())
        if capped:
            log.info("a network predicted %d of %d users above its cap, they are cut to it", capped, len(examples))
        anchor = self._inputs.anchor_values(examples)
        trained = {name: values[:, : self._trained] for name, values in made.items()}
        mean, median, low, high = amounts_through_anchor([trained[name] for name in _AMOUNTS], anchor)
        p, active = chances_through_anchor([trained[name] for name in _CHANCES], anchor)
        order = self._inputs.anchors.order_value(examples.anchor)
        named_mean, named_purchase = (made[name] if self._inputs.named.names else NOTHING for name in _NAMED)
        return finished(
            mean, median, p, low=low, high=high, p_active=active, order_minor=order, cap=self._cap,
            named_mean=named_mean, named_purchase=named_purchase,
        )  # fmt: skip

    @torch.no_grad()
    def _pass(self, examples: Examples, length: int) -> dict[str, Floats]:
        """[n, H or K] of everything in _SAID, of at most ROWS examples."""
        columns = {name: _filled(values) for name, values in columns_of(examples, length).items()}
        batch = self._inputs.batch(columns, at_origin=True)
        said: dict[str, list[Tensor]] = {name: [] for name in _SAID}
        for network in self._networks:
            params = network(batch)
            for name, members in said.items():
                members.append(getattr(network.head, name)(params).double())
        mean = {name: torch.stack(members).mean(dim=0)[: len(examples)].numpy() for name, members in said.items()}
        money = self._inputs.encoding.money_scale_minor
        return {name: values * money if name in _MONEY else values for name, values in mean.items()}


def _filled(values: Array) -> Array:
    """[ROWS, ...]: zeros behind the real rows."""
    padded = np.zeros((ROWS, *values.shape[1:]), values.dtype)
    padded[: len(values)] = values
    return padded


def _check(bundle: Bundle, network: ValueNetwork, weights: Mapping[str, Tensor]) -> None:
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    actual = {name: tuple(value.shape) for name, value in weights.items()}
    names = sorted(name for name in {*expected, *actual} if expected.get(name) != actual.get(name))
    if names:
        differ = "; ".join(f"{name}: expected {expected.get(name)}, actual {actual.get(name)}" for name in names[:10])
        raise BundleRefused(f"bundle {bundle.path}: weights differ in shape: {differ}; next: train again")
    bad = sorted(name for name, value in weights.items() if not bool(torch.isfinite(value).all()))
    if bad:
        raise BundleRefused(f"bundle {bundle.path}: weights that are not finite: {', '.join(bad)}; next: train again")
