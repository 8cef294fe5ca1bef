"""Gradient boosting on aggregates and anchor: G multiplies the anchor, E does not; both share their hazards.

G: Tweedie with the logarithm of the anchor over the row's exposure as offset. E: the same with the logarithm of the
exposure. Median: L1 on spend / mean, weighted by the mean. P: one binary hazard a period. Source of the loss:
Jorgensen, The Theory of Dispersion Models (1997); numbers: the project's own back-tests. May import: LightGBM.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

import lightgbm
import numpy as np
import numpy.typing as npt

from ltv_features.aggregates import NAMES
from ltv_features.errors import BundleRefused, TrainingFailed
from ltv_features.project import Examples
from ltv_train.anchors import AT_ORIGIN, Anchors
from ltv_train.bundle import Bundle
from ltv_train.candidates import Built, Material, Observed
from ltv_train.config import BoostingSettings
from ltv_train.predictions import Predictions, finished, through_anchor

Floats = npt.NDArray[np.float64]
Variant = Literal["g", "e"]
_ANCHOR_COLUMNS = ("anchor_orders", "anchor_alive", "anchor_order_value", "anchor_value")
_AGAINST_ANCHOR = (
    "spend_30",
    "spend_90",
    "spend_180",
    "spend_decayed_30",
    "spend_decayed_90",
    "spend_rate",
    "order_mean",
)
"""Divided by the anchor's value: what G has to learn is how far the anchor is off, and these say it directly."""
FEATURE_NAMES = (*NAMES, *_ANCHOR_COLUMNS, *(f"{name}_to_anchor" for name in _AGAINST_ANCHOR))
_FIT_THREADS = 2
_NOT_FINITE = re.compile(r"nan|inf", re.IGNORECASE)


def fit_boosters(
    material: Material, settings: BoostingSettings, *, seeds: int, seed: int, threads: int = _FIT_THREADS
) -> list[Built]:
    """boosting_g and boosting_e; `seeds` models are averaged for each mean.

    Raises TrainingFailed where the training rows hold no spend: a logarithm of nothing has nothing to learn.
    """
    if not material.observed(0).spend.sum() > 0:
        raise TrainingFailed("boosting: nobody spent anything after a cut-off; next: check amounts and --as-of")
    x = features(material.examples, material.cutoff_no, material.anchors, material.horizons_days[-1])
    money = _money_scale(material)
    hazards = _hazards(material, settings, x, seed)
    built: list[Built] = []
    for variant in ("g", "e"):
        means = _means(material, settings, x, variant, money, seeds, seed)
        medians = _medians(material, settings, x, variant, money, means, seed)
        name = f"boosting_{variant}"
        config = {
            "name": name,
            "horizons_days": list(material.horizons_days),
            "trained_horizons": material.trained_horizons,
            "cap_minor": material.cap_minor,
            "variant": variant,
            "seeds": seeds,
            "money_scale_minor": money,
        }
        files = {name: model.model_to_string().encode() for name, model in (means | medians | hazards).items()}
        built.append(Built(name, "boosting", config, files))
    return built


def features(
    examples: Examples, cutoff_no: npt.NDArray[np.int32], anchors: Anchors, days: int
) -> npt.NDArray[np.float64]:
    """[B, F] of FEATURE_NAMES: aggregates, what the anchor says about the longest horizon, and spend against it."""
    said = anchors.features(examples.anchor, cutoff_no, float(days))
    spend = examples.aggregates[:, [NAMES.index(name) for name in _AGAINST_ANCHOR]].astype(np.float64)
    return np.concatenate([examples.aggregates, said, spend / np.maximum(said[:, -1:], 1e-9)], axis=1)


def load_predictor(bundle: Bundle) -> "Boosting":
    """The boosters of a bundle."""
    return Boosting(bundle)


class Boosting:
    """Means, medians and hazards of one variant."""

    def __init__(self, bundle: Bundle) -> None:
        self.config, self.horizons_days, self.anchors = bundle.config, bundle.horizons_days, bundle.anchors()

        def model(name: str) -> lightgbm.Booster:
            return _opened(bundle, name)

        count = range(self.config["trained_horizons"])
        self.means = [[model(f"mean_{h}_{s}.txt") for s in range(self.config["seeds"])] for h in count]
        self.medians = [model(f"median_{h}.txt") for h in count]
        self.hazards = [model(f"hazard_{h}.txt") for h in count]

    def predict(self, examples: Examples) -> Predictions:
        """Predictions [B, H]."""
        origin = np.full(len(examples), AT_ORIGIN, np.int32)
        if not len(examples):
            nothing = np.zeros((0, len(self.horizons_days)))
            return finished(nothing, nothing, nothing)
        x = features(examples, origin, self.anchors, self.horizons_days[-1])
        anchor = self.anchors.cumulative_values(examples.anchor, origin, self.horizons_days)
        mean, median, stay = np.zeros((3, len(examples), len(self.means)))
        running = np.ones(len(examples))
        for h in range(len(self.means)):
            days = np.full(len(x), float(self.horizons_days[h]))
            offset = _offset(self.config["variant"], anchor[:, h], days, self.config["money_scale_minor"])
            said = [np.exp(offset + _ask(booster, x, raw=True)) for booster in self.means[h]]
            mean[:, h] = np.mean(said, axis=0) * self.config["money_scale_minor"]
            median[:, h] = np.maximum(_ask(self.medians[h], x), 0.0) * mean[:, h]
            running = running * (1 - _ask(self.hazards[h], x))
            stay[:, h] = running
        said = through_anchor([mean, median, 1 - stay], anchor)
        return finished(*said, cap=float(self.config["cap_minor"]))


def _opened(bundle: Bundle, name: str) -> lightgbm.Booster:
    """One booster of a bundle. Raises BundleRefused when it holds numbers that are not finite or other features."""
    text = bundle.bytes_of(name).decode()
    bad = [line[:60] for line in text.splitlines() if line.startswith("leaf_value=") and _NOT_FINITE.search(line)]
    if bad:
        raise BundleRefused(f"bundle {bundle.path}: {name} holds leaves that are not finite: {bad[0]!r}")
    booster = lightgbm.Booster(model_str=text)
    if tuple(booster.feature_name()) != FEATURE_NAMES:
        differ = sorted(set(booster.feature_name()) ^ set(FEATURE_NAMES))
        raise BundleRefused(
            f"bundle {bundle.path}: {name} was trained on other features, or in another order: {differ}"
        )
    return booster


def _ask(booster: lightgbm.Booster, x: Floats, *, raw: bool = False) -> Floats:
    return np.asarray(booster.predict(x, raw_score=raw, num_threads=1))


def _offset(variant: str, anchor_minor: Floats, days: Floats, money: float) -> Floats:
    """Logarithm of what the trees multiply, in money scales."""
    return np.log(np.maximum(anchor_minor / money, 1e-6)) if variant == "g" else np.log(days)


def _money_scale(material: Material) -> float:
    mean = material.examples.anchor[:, 4]
    paid = mean[mean > 0]
    return float(np.median(paid)) if len(paid) else 1.0


def _parameters(settings: BoostingSettings, seed: int, **own: Any) -> dict[str, Any]:
    return {
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.min_child,
        "seed": seed,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "feature_fraction": 0.8,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": _FIT_THREADS,
        "verbosity": -1,
        **own,
    }


def _train(parameters: dict[str, Any], trees: int, x: Floats, y: Floats, **own: Any) -> lightgbm.Booster:
    data = lightgbm.Dataset(
        x, y, feature_name=list(FEATURE_NAMES), params={"verbosity": -1, "min_data_in_leaf": 1}, **own
    )
    return lightgbm.train(parameters, data, num_boost_round=trees)


def _means(
    material: Material, settings: BoostingSettings, x: Floats, variant: str, money: float, seeds: int, seed: int
) -> dict[str, lightgbm.Booster]:
    models = {}
    for h in range(material.trained_horizons):
        seen = material.observed(h)
        rows = seen.rows
        offset = _offset(variant, _anchor_of(material, seen), seen.days, money)
        for number in range(seeds):
            parameters = _parameters(
                settings,
                seed + number,
                objective="tweedie",
                tweedie_variance_power=settings.tweedie_power,
                boost_from_average=False,
            )
            weight = material.train.weight[rows]
            models[f"mean_{h}_{number}.txt"] = _train(
                parameters, settings.trees, x[rows], seen.spend / money, init_score=offset, weight=weight
            )
    return models


def _medians(
    material: Material,
    settings: BoostingSettings,
    x: Floats,
    variant: str,
    money: float,
    means: dict[str, lightgbm.Booster],
    seed: int,
) -> dict[str, lightgbm.Booster]:
    models = {}
    for h in range(material.trained_horizons):
        seen = material.observed(h)
        rows = seen.rows
        offset = _offset(variant, _anchor_of(material, seen), seen.days, money)
        said = [
            np.exp(offset + _ask(model, x[rows], raw=True)) for name, model in means.items() if f"mean_{h}_" in name
        ]
        mean = np.maximum(np.mean(said, axis=0) * money, 1e-6)
        weight = mean / mean.mean() * material.train.weight[rows]
        parameters = _parameters(settings, seed, objective="regression_l1")
        models[f"median_{h}.txt"] = _train(parameters, settings.trees, x[rows], seen.spend / mean, weight=weight)
    return models


def _anchor_of(material: Material, seen: Observed) -> Floats:
    """The anchor over what each row observed, minor units."""
    return material.anchors.expected_value(
        material.examples.anchor[seen.rows], material.cutoff_no[seen.rows], seen.days
    )


def _hazards(material: Material, settings: BoostingSettings, x: Floats, seed: int) -> dict[str, lightgbm.Booster]:
    """Buying in a period, of those who did not buy in the periods before it."""
    models = {}
    for h in range(material.trained_horizons):
        seen = material.mature(h)
        purchased = material.train.labels["purchased"][seen.rows]
        at_risk = purchased[:, :h].sum(axis=1) == 0
        rows, happened = seen.rows[at_risk], purchased[at_risk, h].astype(np.float64)
        parameters = _parameters(settings, seed, objective="binary")
        models[f"hazard_{h}.txt"] = _train(
            parameters, settings.trees, x[rows], happened, weight=material.train.weight[rows]
        )
    return models
