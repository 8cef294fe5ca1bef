"""Several models as one: values averaged as logarithms, probabilities as logits, by weights that lie in the bundle.

There are two sets of weights, because the mean is judged by rank and the median by its absolute error; how they are
found says `judging.blending`. May import: NumPy, SciPy, bundle, predict, calibration. No Spark, no Ray.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import special

from ltv_features.project import Examples
from ltv_train.adjusting.calibration import logits
from ltv_train.blend_weights import BlendWeights
from ltv_train.bundle import Bundle, write
from ltv_train.predict import open_predictor
from ltv_train.predictions import Predictions, finished

Floats = npt.NDArray[np.float64]


def combine(parts: Mapping[str, Predictions], weights: BlendWeights) -> Predictions:
    """[B, H] the blend of what the members say; rows are blended one by one."""
    said = [parts[name] for name in weights.names]
    mean = log_mean([part.mean for part in said], weights.mean, weights.scale_minor)
    median, low, high = (
        log_mean([getattr(part, column) for part in said], weights.median, weights.scale_minor)
        for column in ("median", "low", "high")
    )
    p = _logit_mean([part.p_purchase for part in said], weights.mean)
    own_churn = any(not np.array_equal(part.p_churn, 1.0 - part.p_purchase) for part in said)
    active = _logit_mean([1.0 - part.p_churn for part in said], weights.mean) if own_churn else None
    order = _weighted([part.order_minor for part in said], weights.mean)
    return finished(
        mean,
        median,
        p,
        low=low,
        high=high,
        p_active=active,
        order_minor=order,
        named_mean=log_mean([part.named_mean for part in said], weights.mean, weights.scale_minor),
        named_purchase=_logit_mean([part.named_purchase for part in said], weights.mean),
    )


def log_mean(parts: Sequence[Floats], weights: Sequence[float], scale: float) -> Floats:
    """The weighted mean of amounts as log(1 + amount / scale), back as an amount."""
    return np.expm1(_weighted([np.log1p(part / scale) for part in parts], weights)) * scale


def write_blend(
    parent: str | Path, members: Mapping[str, Bundle], weights: BlendWeights, *, name: str = "blend"
) -> Bundle:
    """The blend as a bundle that holds its members. Members without any weight stay out."""
    kept = {each: members[each] for each in weights.used.names}
    horizons = next(iter(kept.values())).horizons_days
    config = {
        "name": name,
        "horizons_days": list(horizons),
        "trained_horizons": min(int(one.config.get("trained_horizons", len(horizons))) for one in kept.values()),
        "cap_minor": max(float(one.config["cap_minor"]) for one in kept.values()),
        "named": next(iter(kept.values())).config.get("named", []),
        "never_bought": next(iter(kept.values())).config.get("never_bought"),
        **weights.to_dict(),
    }
    return write(parent, kind="blend", config=config, files={}, members=kept)


def load_predictor(bundle: Bundle) -> "Blend":
    """The blend of a bundle, with its members opened."""
    return Blend(bundle)


class Blend:
    """Asks every member and combines what they say."""

    def __init__(self, bundle: Bundle) -> None:
        whole = BlendWeights.from_dict(bundle.config)
        self.weights = whole.used
        self.members = {name: open_predictor(bundle.member(name)) for name in self.weights.names}

    def predict(self, examples: Examples) -> Predictions:
        """Predictions [B, H]."""
        return combine({name: member.predict(examples) for name, member in self.members.items()}, self.weights)


def _logit_mean(parts: Sequence[Floats], weights: Sequence[float]) -> Floats:
    return np.asarray(special.expit(_weighted([logits(part) for part in parts], weights)))


def _weighted(parts: Sequence[Floats], weights: Sequence[float]) -> Floats:
    total = np.zeros_like(parts[0])
    for part, weight in zip(parts, weights, strict=True):
        total = total + weight * part
    return total
