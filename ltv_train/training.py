"""Every candidate on every shard set: fitted, written as a bundle, asked about the slice. No Spark, no table.

One origin after the other for what fits in seconds (baselines, boosters, encodings), then all networks in one run on
Ray. What comes out is a folder that `evaluate` reads: bundles, predictions and `run.json`, the last thing written.
May import: data, baselines, boosting, distributed.
"""

import logging
import re
import time
from collections.abc import Sequence
from typing import Any

from ltv_features import files
from ltv_features.digest import code_of, digest_of
from ltv_features.errors import Diverged
from ltv_train import distributed, network_candidates
from ltv_train.baselines import fit_baselines
from ltv_train.bundle import Bundle, hold_folder
from ltv_train.classical.boosting import fit_boosters
from ltv_train.config import TrainSettings
from ltv_train.judging.prediction_files import write_predictions
from ltv_train.network_candidates import told, write_network
from ltv_train.origin_work import OriginWork, prepare, that_teach, write_bundle
from ltv_train.predict import predict
from ltv_train.procedures import procedures_of
from ltv_train.starts import Starts

log = logging.getLogger("ltv.train")
_PATIENCE = ("address", "max_failures", "timeout_seconds", "loader_timeout_seconds")


def run_name_of(shards_digest: str, settings: TrainSettings, production: str | None = None) -> str:
    """The name of a logical run: the same data, settings and code resume it, a new night or a fix starts afresh.

    `production`: the digest of the bundle that a warm start begins with. Where the cluster is and how long anybody
    waits for it decide no number, so a run that gave up goes on when they are changed.
    """
    decides = settings.model_dump(mode="json")
    decides["ray"] = {name: value for name, value in decides["ray"].items() if name not in _PATIENCE}
    return f"train-{digest_of(shards_digest, decides, production, code_of(__name__))}"


def train_all(
    shards: str,
    origins: Sequence[str],
    out: str,
    settings: TrainSettings,
    *,
    storage: str,
    run_name: str,
    starts: Starts | None = None,
) -> dict[str, Any]:
    """Fits everything below `shards` and writes bundles and predictions below `out`; returns the content of run.json.

    `origins` are ISO dates, the last one the night itself, whose networks may begin where `starts` says. Where nobody
    spent anything after a cut-off the baselines are the only candidates. Raises TrainingFailed without training rows.
    """
    hold_folder(out)
    started, made_so = time.monotonic(), procedures_of(settings)
    folders = {origin: files.join(shards, "value", origin) for origin in origins}
    prepared = [prepare(folder, settings, is_refit=origin == origins[-1]) for origin, folder in folders.items()]
    work = that_teach(prepared)
    if not work[-1].teaches:
        settings = settings.model_copy(update={"networks": {}, "search": None})
    bundles: dict[str, dict[str, Bundle]] = {}
    for one in work:
        bundles[one.origin] = _write_simple(one, out, settings)
    seconds = {"baselines and boosting": time.monotonic() - started}
    started = time.monotonic()
    settings, found = network_candidates.searched(work, settings, storage=storage, run_name=run_name)
    seconds["search"] = time.monotonic() - started
    started = time.monotonic()
    starts = starts or Starts()
    settings, fitted = _fitted(work, settings, starts, storage=storage, run_name=run_name)
    for one in work:
        for name, seeds in fitted[one.origin].items():
            bundles[one.origin][name] = write_network(one, name, seeds, out, settings.networks[name])
    seconds["networks"] = time.monotonic() - started
    for one in work:
        for name, bundle in bundles[one.origin].items():
            write_predictions(
                files.join(out, "predictions", one.origin, f"{name}.parquet"), one.slice, predict(bundle, one.slice)
            )
    return {
        "run_name": run_name,
        "origins": [one.origin for one in work],
        "candidates": sorted(bundles[work[-1].origin]),
        "networks": list(settings.networks),
        "procedures": made_so,
        "search": found.to_dict() if found else None,
        "bundles": {origin: {name: _below(out, b) for name, b in made.items()} for origin, made in bundles.items()},
        "curves": told(fitted, lambda result: result.curve),
        "examples_read": told(fitted, lambda result: result.examples_read),
        "examples_planned": told(fitted, lambda result: result.examples_planned),
        "steps": told(fitted, lambda result: result.steps),
        "skipped_steps": told(fitted, lambda result: result.skipped_steps),
        "starts": starts.reasons,
        "churn": work[-1].manifest.churn,
        "money_scale_minor": work[-1].encoding.money_scale_minor,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def _write_simple(one: OriginWork, out: str, settings: TrainSettings) -> dict[str, Bundle]:
    """The bundles of baselines and boosters; boosters average their seeds in the refit only."""
    seeds = settings.boosting.seeds if one.is_refit else 1
    built = fit_baselines(one.material)
    if one.teaches:
        built += fit_boosters(one.material, settings.boosting, seeds=seeds, seed=settings.seed)
    log.info("%s: %d baselines and boosters fitted", one.origin, len(built))
    return {each.name: write_bundle(one, each, out) for each in built}


def _fitted(
    work: Sequence[OriginWork], settings: TrainSettings, starts: Starts, *, storage: str, run_name: str
) -> tuple[TrainSettings, network_candidates.ByOrigin]:
    """The results of all networks, and the settings without those that diverged: one of them loses no training.

    An error names its fit, also when it comes from another process; one that names none is raised again.
    """
    while True:
        fits = network_candidates.planned(work, settings, starts)
        try:
            results = distributed.run_fits(fits, ray_settings=settings.ray, storage_path=storage, run_name=run_name)
        except Diverged as error:
            named = [name for name in settings.networks if re.search(rf"(^|\W){re.escape(name)} \S+ seed ", str(error))]
            if not named:
                raise
            lost = named[0]
            log.warning("%s is no candidate tonight: %s", lost, error)
            starts.reasons[lost] = f"left out: {error}"
            left = {name: own for name, own in settings.networks.items() if name != lost}
            settings, run_name = settings.model_copy(update={"networks": left}), f"{run_name}-without-{lost}"
        else:
            return settings, network_candidates.by_origin(work, settings, results)


def _below(root: str, bundle: Bundle) -> str:
    return str(bundle.path).removeprefix(root.rstrip("/") + "/")
