"""What `train` might have left, on quick stand-ins for models, and what happened to its customers."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ltv_features import files
from ltv_features.aggregates import NAMES
from ltv_train.baselines import fit_baselines
from ltv_train.bundle import write
from ltv_train.candidates import Built, Material
from ltv_train.config import GateSettings
from ltv_train.judging.evaluation import Fold
from ltv_train.judging.prediction_files import write_predictions
from ltv_train.judging.segments import NEEDED, Known
from ltv_train.predict import predict
from ltv_train.predictions import Predictions
from tests.value_world import some_examples, some_labels, some_material

ORIGINS = ("2026-01-01", "2026-01-29", "2026-02-26")
STANDS_FOR = {"boosting_g": "linear_rfm", "boosting_e": "anchor", "lstm": "spend_rate"}
"""Simple candidates under the names of the blend's members: the back-test asks only for names and bundles."""
CANDIDATES = ["all_zero", "anchor", "boosting_e", "boosting_g", "lstm", "mean", "spend_rate"]
SETTINGS = GateSettings(bootstrap=50)
USERS = 120


@lru_cache(maxsize=8)
def fitted(seed: int, money: float) -> tuple[Material, dict[str, Built]]:
    material = some_material(100, seed=seed, money=money)
    return material, {each.name: each for each in fit_baselines(material)}


def write_training(folder: Path, origins: tuple[str, ...] = ORIGINS, *, refit_money: float = 1.0) -> dict[str, Any]:
    """Bundles and predictions of every candidate; at the night itself models may be fitted on inflated money."""
    bundles: dict[str, dict[str, str]] = {}
    for number, origin in enumerate(origins):
        material, built = fitted(number, refit_money if origin == origins[-1] else 1.0)
        bundles[origin] = {}
        for name in CANDIDATES:
            one = built[STANDS_FOR.get(name, name)]
            parent, anchors = folder / "bundles" / origin / name, material.anchors.at_origin()
            made = write(parent, kind=one.kind, config=one.config, files=one.files, anchors=anchors)
            bundles[origin][name] = str(made.path.relative_to(folder))
            ahead = some_examples(USERS, seed=50 + number)
            path = folder / "predictions" / origin / f"{name}.parquet"
            write_predictions(str(path), ahead, predict(made, ahead))
    curve = [{"epoch": n, "step": 5 * n, "train_loss": 1.5 / n, "validation_loss": 1.4 / n} for n in (1, 2)]
    run = {
        "run_name": "train-0123",
        "origins": list(origins),
        "candidates": CANDIDATES,
        "networks": ["lstm"],
        "bundles": bundles,
        "curves": {origin: {"lstm": [curve]} for origin in origins},
        "examples_read": {origin: {"lstm": [[[60, 40], [60, 40]]]} for origin in origins},
        "examples_planned": {origin: {"lstm": [100]} for origin in origins},
        "money_scale_minor": 1_000.0,
    }
    files.write_json(str(folder / "run.json"), run)
    return run


def what_happened(origins: tuple[str, ...] = ORIGINS) -> pa.Table:
    parts = []
    for number, origin in enumerate(origins[:-1]):
        ahead = some_examples(USERS, seed=50 + number)
        labels = some_labels(ahead, seed=50 + number)
        spend, bought = labels["spend_minor"].tolist(), labels["purchased"].tolist()
        columns = {"origin": [origin] * USERS, "user_key": ahead.user_key}
        parts.append(pa.table(columns | {"label_spend_minor": spend, "label_purchased": bought}))
    return pa.concat_tables(parts)


def known(origins: tuple[str, ...] = ORIGINS, *, attributes: bool = False) -> dict[str, Known]:
    """Who the customers of the past origins are; as `attributes` 20 of them are of a town too small to show."""
    made = {}
    for number, origin in enumerate(origins[:-1]):
        ahead = some_examples(USERS, seed=50 + number)
        aggregates = {name: ahead.aggregates[:, NAMES.index(name)].astype(np.float64) for name in NEEDED}
        words = {"town": ["Ulm"] * (USERS - 20) + ["Bonn"] * 20} if attributes else {}
        made[origin] = Known(ahead.user_key, aggregates, words)
    return made


def an_outcome(users: int = 300) -> Fold:
    """One horizon in currency units: `published` and `lstm` see the truth through noise, `mean` sees nothing."""
    chance = np.random.default_rng(3)
    truth = np.where(chance.random((users, 1)) < 0.4, chance.gamma(1, 80, (users, 1)), 0.0)
    p = np.clip(truth / 100, 0, 1)
    means = {
        "published": truth * 0.5 + chance.gamma(1, 20, (users, 1)),
        "lstm": truth * 0.5 + chance.gamma(1, 40, (users, 1)),
        "mean": np.full((users, 1), truth.mean()),
    }
    said = {name: Predictions(mean, 0.8 * mean, p, 1 - p) for name, mean in means.items()}
    said["published"] = replace(said["published"], low=0 * truth, high=2 * means["published"])
    return Fold("2026-01-01", np.arange(users), truth, (truth > 0).astype(float), said)
