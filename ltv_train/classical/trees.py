"""Boosted trees on aggregates and anchor, as predictions: what `boosting` fitted, read from its bundle.

G's trees multiply the anchor, E's multiply the days. The median is a share of the mean, quantiles are multiples of the
anchor, the probability comes from one hazard a period, and horizons that no training row saw follow the anchor.
May import: LightGBM, anchors, bundle.
"""

import re
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
from scipy import special

from ltv_features.aggregates import NAMES
from ltv_features.errors import BundleRefused
from ltv_features.project import Examples
from ltv_train.bundle import Bundle
from ltv_train.classical.anchors import AT_ORIGIN, Anchors
from ltv_train.named import Named
from ltv_train.predictions import NOTHING, Predictions, amounts_through_anchor, chances_through_anchor, finished

Floats = npt.NDArray[np.float64]
_ANCHOR_COLUMNS = ("anchor_orders", "anchor_alive", "anchor_order_value", "anchor_value")
_AGAINST_ANCHOR = ("spend_30", "spend_decayed_30", "spend_rate", "order_mean")
"""Divided by the anchor's value: what G has to learn is how far the anchor is off, and these say it directly. Only
rates: sums over 90 or 180 days grow with a young log, and G then promised 15 % too much (measured on three origins)."""
FEATURE_NAMES = (*NAMES, *_ANCHOR_COLUMNS, *(f"{name}_to_anchor" for name in _AGAINST_ANCHOR))
_LEAVES_NOT_FINITE = re.compile(r"^leaf_value=.*(?:nan|inf)", re.IGNORECASE | re.MULTILINE)
_END = "end of trees"


def features(examples: Examples, cutoff_no: npt.NDArray[np.int32], anchors: Anchors, days: int) -> Floats:
    """[B, F] of FEATURE_NAMES: aggregates, what the anchor says about the longest horizon, and spend against it."""
    said = anchors.features(examples.anchor, cutoff_no, float(days))
    spend = examples.aggregates[:, [NAMES.index(name) for name in _AGAINST_ANCHOR]].astype(np.float64)
    return np.concatenate([examples.aggregates, said, spend / np.maximum(said[:, -1:], 1e-9)], axis=1)


@dataclass(frozen=True)
class Offset:
    """Logarithm of what the trees multiply, in money scales: the anchor (G) or the days (E), times a base rate."""

    variant: str
    money_scale_minor: float
    log_base: float = 0.0

    def values(self, anchor_minor: Floats, days: Floats) -> Floats:
        """[N] offsets of rows whose anchor over their `days` is `anchor_minor`."""
        if self.variant == "e":
            return np.asarray(np.log(days) + self.log_base)
        return np.asarray(np.log(np.maximum(anchor_minor / self.money_scale_minor, 1e-6)) + self.log_base)

    def mean_minor(self, values: Floats, boosters: list[lightgbm.Booster], x: Floats) -> Floats:
        """[N] the mean over `boosters` of what they make of offsets `values`, minor units."""
        said = [np.exp(values + ask(booster, x, raw=True)) for booster in boosters]
        return np.asarray(np.mean(said, axis=0) * self.money_scale_minor)


def chance_offset(value_minor: Floats, order_minor: Floats) -> Floats:
    """[N] logit of buying at all where orders worth `order_minor` come as a Poisson process worth `value_minor`."""
    p = -np.expm1(-value_minor / np.maximum(order_minor, 1e-9))
    return np.asarray(special.logit(np.clip(p, 1e-4, 1 - 1e-4)))


def ask(booster: lightgbm.Booster, x: Floats, *, raw: bool = False) -> Floats:
    """[N] what one booster says, on one thread; `raw` before its link function."""
    return np.asarray(booster.predict(x, raw_score=raw, num_threads=1))


def load_predictor(bundle: Bundle) -> "Boosting":
    """The boosters of a bundle. Raises BundleRefused on leaves that are not finite or on other features."""
    return Boosting(bundle)


class Boosting:
    """Means, medians and hazards of one variant."""

    def __init__(self, bundle: Bundle) -> None:
        config: Any = bundle.config
        self.horizons_days, self.anchors, self.cap = bundle.horizons_days, bundle.anchors(), float(config["cap_minor"])
        count = range(config["trained_horizons"])
        money = float(config["money_scale_minor"])
        self.offsets = [Offset(config["variant"], money, float(config["log_base"][h])) for h in count]
        self.means = [[_opened(bundle, f"mean_{h}_{s}.txt") for s in range(config["seeds"])] for h in count]
        self.medians = [_opened(bundle, f"median_{h}.txt") for h in count]
        self.quantiles = [[_opened(bundle, f"{end}_{h}.txt") for end in ("low", "high")] for h in count]
        self.hazards = [_opened(bundle, f"hazard_{h}.txt") for h in count]
        self.named = Named.from_config(config.get("named", []))
        self.named_bases, self.money_scale_minor = config["named_bases"], money
        self.of_named = [
            [_opened(bundle, f"named_{what}_{k}.txt") for what in ("value", "chance")]
            for k in range(len(self.named.names))
        ]
        self.activity = [_opened(bundle, f"active_{h}.txt") for h in count] if config["activity"] else []

    def predict(self, examples: Examples) -> Predictions:
        """Predictions [B, H]; a row's numbers depend on nothing but the row."""
        if not len(examples):
            nothing = np.zeros((0, len(self.horizons_days)))
            return finished(nothing, nothing, nothing)
        origin = np.full(len(examples), AT_ORIGIN, np.int32)
        x = features(examples, origin, self.anchors, self.horizons_days[-1])
        anchor = self.anchors.cumulative_values(examples.anchor, origin, self.horizons_days)
        mean, median, low, high = np.zeros((4, len(examples), len(self.means)))
        for h, offset in enumerate(self.offsets):
            values = offset.values(anchor[:, h], np.full(len(x), float(self.horizons_days[h])))
            mean[:, h] = offset.mean_minor(values, self.means[h], x)
            median[:, h] = np.maximum(ask(self.medians[h], x), 0.0) * mean[:, h]
            low[:, h], high[:, h] = (np.maximum(ask(one, x), 0.0) * anchor[:, h] for one in self.quantiles[h])
        mean, median, low, high = amounts_through_anchor([mean, median, low, high], anchor)
        chances = [_by_horizon(boosters, x) for boosters in (self.hazards, self.activity) if boosters]
        p, *active = chances_through_anchor(chances, anchor)
        churn = active[0] if active else None
        order = self.anchors.order_value(examples.anchor)
        named_mean, named_purchase = self._named(examples, x, order) if self.named.names else (NOTHING, NOTHING)
        return finished(
            mean, median, p, low=low, high=high, p_active=churn, order_minor=order, cap=self.cap,
            named_mean=named_mean, named_purchase=named_purchase,
        )  # fmt: skip

    def _named(self, examples: Examples, x: Floats, order_minor: Floats) -> tuple[Floats, Floats]:
        """[B, K] spend and chance of a purchase in the next occurrence of each named period."""
        values = self.named.at_origin(self.anchors, examples.anchor)
        mean, chance = np.zeros(values.shape), np.zeros(values.shape)
        for k, ((spend, buying), (base, shift)) in enumerate(zip(self.of_named, self.named_bases, strict=True)):
            offset = Offset("g", self.money_scale_minor, base)
            mean[:, k] = offset.mean_minor(offset.values(values[:, k], values[:, k]), [spend], x)
            logit = chance_offset(values[:, k], order_minor[:, 0]) + shift + ask(buying, x, raw=True)
            chance[:, k] = special.expit(logit)
        return mean, chance


def _by_horizon(hazards: list[lightgbm.Booster], x: Floats) -> Floats:
    """[B, K] probability that it happens by each horizon, from one hazard a period."""
    stay = np.cumprod([1 - ask(hazard, x) for hazard in hazards], axis=0)
    return np.asarray(1 - stay.T)


def _opened(bundle: Bundle, name: str) -> lightgbm.Booster:
    text = bundle.bytes_of(name).decode()
    if _LEAVES_NOT_FINITE.search(text):
        raise BundleRefused(f"bundle {bundle.path}: {name} holds leaves that are not finite; next: train again")
    if _END not in text:  # LightGBM itself would end the process
        raise BundleRefused(f"bundle {bundle.path}: {name} is cut: {_END!r} is not in it; next: train again")
    booster = lightgbm.Booster(model_str=text)
    theirs = booster.feature_name()
    if tuple(theirs) != FEATURE_NAMES:
        differ = sorted(set(theirs) ^ set(FEATURE_NAMES)) or "the order"
        raise BundleRefused(
            f"bundle {bundle.path}: {name} expects {len(theirs)} features, this code has {len(FEATURE_NAMES)}; "
            f"difference: {differ}; next: train again"
        )
    return booster
