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

from ltv_features.aggregates import NAMES
from ltv_features.blocks import bucket_of
from ltv_features.contract import LENGTH_BUCKETS, MAX_TOKENS, NUMERIC_FIELDS
from ltv_features.encode import Encoding
from ltv_features.errors import BundleRefused
from ltv_features.project import Examples
from ltv_train import models
from ltv_train.bundle import Bundle
from ltv_train.bundle_rules import differences
from ltv_train.inputs import Array, Inputs, columns_of
from ltv_train.models import Shape, ValueNetwork
from ltv_train.named import Named
from ltv_train.predictions import NOTHING, Predictions, amounts_through_anchor, chances_through_anchor, finished
from ltv_train.weights import hold_weights, weights_of

log = logging.getLogger(__name__)
KIND = "network"
WEIGHTS_FILE = "weights.safetensors"
ROWS = 256
"""Rows of every forward pass when scoring; a bundle's scores are defined at this size."""
_NEEDED = ("encoder", "head", "shape", "residual_on_anchor", "members", "cap_minor")
_AMOUNTS = ("mean", "median", "low", "high")
_CHANCES = ("p_purchase", "p_active")
_NAMED = ("named_mean", "named_purchase")
_SAID = (*_AMOUNTS, *_CHANCES, *_NAMED)
_MONEY = (*_AMOUNTS, "named_mean")
Floats = npt.NDArray[np.float64]


def to_files(members: Sequence[Mapping[str, Tensor]]) -> dict[str, bytes]:
    """The files of a network bundle: the weights of every member (one a seed) as one safetensors file."""
    return {WEIGHTS_FILE: safetensors.torch.save(_by_member(members))}


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
    """The networks of a bundle. Raises BundleRefused, with the difference, where its files do not belong together."""
    torch.set_num_threads(1)
    config, weights, encoding = bundle.config, weights_of(bundle, WEIGHTS_FILE), bundle.encoding()
    named = Named.from_config(config.get("named", []))
    _hold_config(bundle, encoding, named, members=len({name.split(".")[0] for name in weights}))
    networks = [_built(bundle) for _ in range(config["members"])]
    hold_weights(bundle, _by_member([network.state_dict() for network in networks]), weights)
    for member, network in enumerate(networks):
        network.load_state_dict({name: weights[f"{member}.{name}"] for name in network.state_dict()})
        network.eval().requires_grad_(False)
    inputs = Inputs(encoding, bundle.anchors(), bundle.periods_days, named)
    trained = int(config.get("trained_horizons", len(bundle.horizons_days)))
    return NetworkPredictor(networks, inputs, float(config["cap_minor"]), trained)


def _hold_config(bundle: Bundle, encoding: Encoding, named: Named, members: int) -> None:
    """Nothing where config.json says what the other files, and this code, say. Raises BundleRefused where it does not.

    Else a vocabulary of another size would look up rows of other items, and say something else of every customer.
    """
    config = bundle.config
    if missing := sorted(name for name in _NEEDED if name not in config):
        raise BundleRefused(f"bundle {bundle.path}: config.json has no {', '.join(missing)}; next: train again")
    shape = config["shape"]
    expected = {f"shape.vocabulary.{name}": rows for name, rows in encoding.vocabulary_sizes.items()}
    expected |= {"shape.numeric": len(NUMERIC_FIELDS), "shape.aggregates": len(NAMES), "members": members}
    expected |= {"shape.periods": len(bundle.horizons_days), "shape.named": len(named.names)}
    actual = {f"shape.vocabulary.{name}": rows for name, rows in shape.get("vocabulary", {}).items()}
    actual |= {f"shape.{name}": shape.get(name, 0) for name in ("numeric", "aggregates", "periods", "named")}
    actual["members"] = config["members"]
    problems = differences(expected, actual)
    for name, known in (("encoder", models.ENCODERS), ("head", models.HEADS)):
        if config[name] not in known:
            problems.append(f"{name}: expected one of {', '.join(known)}, actual {config[name]!r}")
    if problems:
        raise BundleRefused(f"bundle {bundle.path}: config.json differs: {'; '.join(problems)}; next: train again")


def _built(bundle: Bundle) -> ValueNetwork:
    """A network of the sizes in config.json, with any weights. Raises BundleRefused where nothing can be built so."""
    config = bundle.config
    try:
        shape = Shape(**config["shape"])
        return models.build(
            config["encoder"], shape, residual=config["residual_on_anchor"], seed=1, head=config["head"]
        )
    except (TypeError, ValueError, RuntimeError) as error:
        raise BundleRefused(
            f"bundle {bundle.path}: no network can be built of the shape in config.json: {error}; next: train again"
        ) from error


def _by_member(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The weights of all members under the names that they have in a bundle."""
    return {f"{m}.{name}": value.contiguous() for m, one in enumerate(members) for name, value in one.items()}


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
