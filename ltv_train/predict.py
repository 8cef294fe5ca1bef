"""A bundle and examples in, predictions out: the one function that evaluation and nightly scoring both call.

May import: NumPy, Torch, LightGBM through the kinds below. No Spark, no Ray.
"""

import importlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from ltv_features.aggregates import NAMES
from ltv_features.contract import ANCHOR_INPUTS
from ltv_features.errors import BundleRefused
from ltv_features.project import TOKEN_TYPES, Examples
from ltv_train.adjusting.adjusted import adjusted
from ltv_train.bundle import Bundle, load
from ltv_train.predictions import Predictions, Predictor

KINDS = {
    "naive": "ltv_train.classical.formulas",
    "linear": "ltv_train.classical.formulas",
    "cells": "ltv_train.classical.formulas",
    "anchor": "ltv_train.classical.formulas",
    "boosting": "ltv_train.classical.trees",
    "network": "ltv_train.network",
    "blend": "ltv_train.blend",
}
"""Bundle kind -> the module whose `load_predictor(bundle)` opens it; imported when first needed."""


def open_predictor(bundle: Bundle) -> Predictor:
    """The bundle as something that can be asked, adjusted as it says.

    Raises BundleRefused on a kind that this code does not know, and where a file does not hold what the kind needs.
    """
    if bundle.kind not in KINDS:
        raise BundleRefused(f"bundle {bundle.path}: kind {bundle.kind!r}; known: {', '.join(KINDS)}")
    try:
        predictor = adjusted(importlib.import_module(KINDS[bundle.kind]).load_predictor(bundle), bundle.config)
        predictor.predict(_somebody())  # what a file lacks may be missed only when it is asked for
        return predictor
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise BundleRefused(
            f"bundle {bundle.path}: it does not hold what a {bundle.kind} needs: {type(error).__name__} {error}; next: "
            "train again"
        ) from error


def _somebody() -> Examples:
    """One customer of whom nothing is known."""
    return Examples(
        user_key=np.zeros(1, np.int64),
        user_id=pa.array([""]),
        aggregates=np.zeros((1, len(NAMES)), np.float32),
        anchor=np.zeros((1, len(ANCHOR_INPUTS))),
        offsets=np.zeros(2, np.int64),
        tokens={name: np.zeros(0, kind) for name, kind in TOKEN_TYPES.items()},
        cutoff_no=np.zeros(1, np.int32),
    )


def predict(bundle: Bundle, examples: Examples) -> Predictions:
    """Predictions [B, H] in the order of the examples; a row's numbers do not depend on its neighbours."""
    return open_predictor(bundle).predict(examples)


@lru_cache(maxsize=4)
def cached_predictor(path: str, digest: str) -> Predictor:
    """The predictor of the bundle at `path`, opened once a process; refused when its digest is another one."""
    bundle = load(Path(path))
    if bundle.digest != digest:
        raise BundleRefused(f"bundle {path}: expected digest {digest}, actual {bundle.digest}; it changed under us")
    return open_predictor(bundle)
