"""A bundle and examples in, predictions out: the one function that evaluation and nightly scoring both call.

May import: NumPy, Torch, LightGBM through the kinds below. No Spark, no Ray.
"""

import importlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from ltv_features.errors import BundleRefused
from ltv_features.project import Examples
from ltv_train.bundle import Bundle, load
from ltv_train.conformal import CONFORMAL, Corrected, Correction
from ltv_train.predictions import Predictions, Predictor

KINDS = {
    "naive": "ltv_train.formulas",
    "linear": "ltv_train.formulas",
    "cells": "ltv_train.formulas",
    "anchor": "ltv_train.formulas",
    "boosting": "ltv_train.trees",
    "network": "ltv_train.network",
    "blend": "ltv_train.blend",
}
"""Bundle kind -> the module whose `load_predictor(bundle)` opens it; imported when first needed."""


def open_predictor(bundle: Bundle) -> Predictor:
    """The bundle as something that can be asked, its intervals moved as it says.

    Raises BundleRefused on a kind that this code does not know.
    """
    if bundle.kind not in KINDS:
        raise BundleRefused(f"bundle {bundle.path}: kind {bundle.kind!r}; known: {', '.join(KINDS)}")
    predictor: Predictor = importlib.import_module(KINDS[bundle.kind]).load_predictor(bundle)
    if CONFORMAL not in bundle.config:
        return predictor
    cap = float(bundle.config.get("cap_minor", np.inf))
    return Corrected(predictor, Correction.from_dict(bundle.config[CONFORMAL]), cap)


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
