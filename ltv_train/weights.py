"""The weights of a bundle: read as tensors, and held against those that the network built for them has.

May import: Torch, bundle. No model, no reader of shards.
"""

from collections.abc import Mapping

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ltv_features.errors import BundleRefused
from ltv_train.bundle import Bundle
from ltv_train.bundle_rules import differences

_TOLD_AT_MOST = 10


def weights_of(bundle: Bundle, name: str) -> dict[str, Tensor]:
    """The tensors of one safetensors file, all finite. Raises BundleRefused when it is no such file, or one is not."""
    content = bundle.bytes_of(name)
    try:
        weights = safetensors.torch.load(content)
    except SafetensorError as error:
        raise BundleRefused(
            f"bundle {bundle.path}: {name} ({len(content)} bytes) is no whole safetensors file: {error}; next: train "
            "again"
        ) from error
    bad = sorted(place for place, value in weights.items() if not bool(torch.isfinite(value).all()))
    if bad:
        raise BundleRefused(f"bundle {bundle.path}: weights that are not finite: {', '.join(bad)}; next: train again")
    return weights


def hold_weights(bundle: Bundle, expected: Mapping[str, Tensor], actual: Mapping[str, Tensor]) -> None:
    """Nothing where names, shapes and types are those expected. Raises BundleRefused with the difference."""
    differ = differences(_facts(expected), _facts(actual))
    if differ:
        told = "; ".join(differ[:_TOLD_AT_MOST])
        raise BundleRefused(f"bundle {bundle.path}: {len(differ)} weights differ: {told}; next: train again")


def _facts(weights: Mapping[str, Tensor]) -> dict[str, str]:
    return {name: f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}" for name, value in weights.items()}
