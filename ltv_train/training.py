"""Every candidate on every shard set: fitted, written as a bundle, asked about the slice. No Spark, no table.

One origin after the other for what fits in seconds (baselines, boosters, encodings), then all networks in one run on
Ray. What comes out is a folder that `evaluate` reads: bundles, predictions and `run.json`, the last thing written.
May import: data, baselines, boosting, distributed.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ltv_features import files
from ltv_features.digest import digest_of
from ltv_features.encode import Encoding, EncodingFitter
from ltv_features.errors import TrainingFailed
from ltv_features.project import Examples
from ltv_train import data, distributed, network, tune
from ltv_train.anchors import fit_anchors
from ltv_train.baselines import fit_baselines
from ltv_train.boosting import fit_boosters
from ltv_train.bundle import Bundle, write
from ltv_train.candidates import Built, Material
from ltv_train.config import NetworkSettings, TrainSettings
from ltv_train.data import Arrays, Manifest
from ltv_train.fits import FitResult
from ltv_train.named import NO_PERIODS
from ltv_train.nonbuyers import never_bought
from ltv_train.predict import predict
from ltv_train.predictions import Predictions
from ltv_train.search import Found, with_changes
from ltv_train.starts import Starts
from ltv_train.value_fit import NetworkFit

log = logging.getLogger("ltv.train")
_CODE = 4
"""Raised by hand when a change of this package changes what a fit gives: a new run name, so nothing old is resumed."""
_PATIENCE = ("address", "max_failures", "timeout_seconds", "loader_timeout_seconds")


@dataclass(frozen=True)
class OriginWork:
    """One origin: its shards, its rows with their anchors, the encoding, and the slice to predict."""

    manifest: Manifest
    material: Material
    encoding: Encoding
    slice: Examples
    is_refit: bool

    @property
    def origin(self) -> str:
        """The date that this origin stands at."""
        return self.manifest.origin


def run_name_of(shards_digest: str, settings: TrainSettings, production: str | None = None) -> str:
    """The name of a logical run: the same data, settings and code resume it, a new night or a fix starts afresh.

    `production`: the digest of the bundle that a warm start begins with. Where the cluster is and how long anybody
    waits for it decide no number, so a run that gave up goes on when they are changed.
    """
    decides = settings.model_dump(mode="json")
    decides["ray"] = {name: value for name, value in decides["ray"].items() if name not in _PATIENCE}
    return f"train-{digest_of(shards_digest, decides, production, _CODE)}"


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

    `origins` are ISO dates, the last one the night itself, whose networks may begin where `starts` says. Raises
    TrainingFailed when there is nothing to learn from.
    """
    started = time.monotonic()
    work = [_prepare(files.join(shards, "value", origin), settings, origin == origins[-1]) for origin in origins]
    bundles: dict[str, dict[str, Bundle]] = {}
    for one in work:
        bundles[one.origin] = _write_simple(one, out, settings)
    seconds = {"baselines and boosting": time.monotonic() - started}
    started = time.monotonic()
    found = _searched(work, settings, storage=storage, run_name=run_name)
    if found and settings.search:
        settings = _with_network(settings, settings.search.network, found.changed)
        seconds["search"] = time.monotonic() - started
        started = time.monotonic()
    starts = starts or Starts()
    fits: list[NetworkFit] = []
    for one in work:
        for name in settings.networks:
            own = _network_fits(one, name, settings, [other.origin for other in work if not other.is_refit])
            fits += starts.of(name, own, one.manifest) if one.is_refit else own
    results = distributed.run_fits(fits, ray_settings=settings.ray, storage_path=storage, run_name=run_name)
    made = {result.name: result for result in results}
    by_origin = {one.origin: {n: _of_seeds(made, one, n, settings) for n in settings.networks} for one in work}
    for one in work:
        for name, fitted in by_origin[one.origin].items():
            bundles[one.origin][name] = _write_network(one, name, fitted, out, settings.networks[name])
    seconds["networks"] = time.monotonic() - started
    for one in work:
        for name, bundle in bundles[one.origin].items():
            write_predictions(
                files.join(out, "predictions", one.origin, f"{name}.parquet"), one.slice, predict(bundle, one.slice)
            )
    return {
        "run_name": run_name,
        "origins": list(origins),
        "candidates": sorted(bundles[origins[-1]]),
        "networks": list(settings.networks),
        "search": found.to_dict() if found else None,
        "bundles": {origin: {name: _below(out, b) for name, b in made.items()} for origin, made in bundles.items()},
        "curves": _told(by_origin, lambda result: result.curve),
        "examples_read": _told(by_origin, lambda result: result.examples_read),
        "examples_planned": _told(by_origin, lambda result: result.examples_planned),
        "steps": _told(by_origin, lambda result: result.steps),
        "skipped_steps": _told(by_origin, lambda result: result.skipped_steps),
        "starts": starts.reasons,
        "churn": work[-1].manifest.churn,
        "money_scale_minor": work[-1].encoding.money_scale_minor,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def write_predictions(path: str, examples: Examples, said: Predictions) -> None:
    """One Parquet file: user_key and lists of everything that is said: mean, median, low, high (minor units), ..."""
    told = {name: getattr(said, name) for name in Predictions.names()}
    columns = {name: pa.array(list(values)) for name, values in told.items() if values.shape[1]}
    stream = pa.BufferOutputStream()
    pq.write_table(pa.table({"user_key": examples.user_key, **columns}), stream)
    files.write_bytes(path, stream.getvalue().to_pybytes())


def _prepare(folder: str, settings: TrainSettings, is_refit: bool) -> OriginWork:
    manifest = data.load_manifest(folder)
    data.verify(manifest)
    if not manifest.examples("train"):
        raise TrainingFailed(f"shards {folder}: no training examples; next: a longer log, or an earlier --as-of")
    train = data.read_all(manifest, "train")
    fitter = EncodingFitter(min_count=settings.min_vocabulary_count, cap=settings.max_vocabulary)
    fitter.add(train.examples.aggregates, train.examples.tokens)
    held = [data.read_all(manifest, "validation")] if manifest.examples("validation") else []
    rows = _joined([train, *held])
    ahead = data.read_all(manifest, "slice").examples
    anchors = fit_anchors(rows.examples.anchor, rows.examples.cutoff_no, ahead.anchor)
    named = manifest.named if is_refit else NO_PERIODS  # at earlier origins no occurrence need have matured
    horizons = tuple(end for _, end in manifest.periods_days)
    log.info("%s: %s examples, %s users to predict", manifest.origin, f"{len(rows.examples):,}", f"{len(ahead):,}")
    return OriginWork(
        manifest, Material(rows, anchors, horizons, manifest.by_activity, named), fitter.finish(), ahead, is_refit
    )


def _joined(parts: Sequence[Arrays]) -> Arrays:
    labels = {name: np.concatenate([part.labels[name] for part in parts]) for name in parts[0].labels}
    weight = np.concatenate([part.weight for part in parts])
    return Arrays(Examples.concat([part.examples for part in parts]), weight, labels)


def _write_simple(one: OriginWork, out: str, settings: TrainSettings) -> dict[str, Bundle]:
    """The bundles of baselines and boosters; boosters average their seeds in the refit only."""
    seeds = settings.boosting.seeds if one.is_refit else 1
    built = fit_baselines(one.material) + fit_boosters(one.material, settings.boosting, seeds=seeds, seed=settings.seed)
    log.info("%s: %d baselines and boosters fitted", one.origin, len(built))
    return {each.name: _write(one, each, out) for each in built}


def _write(one: OriginWork, built: Built, out: str, encoding: Encoding | None = None) -> Bundle:
    parent = files.join(out, "bundles", one.origin, built.name)
    config = dict(built.config) | {"never_bought": never_bought(one.manifest), "origin": one.origin}
    config["named"] = one.material.named.to_config()
    anchors = one.material.anchors.at_origin()
    return write(parent, kind=built.kind, config=config, files=built.files, encoding=encoding, anchors=anchors)


def _searched(work: Sequence[OriginWork], settings: TrainSettings, *, storage: str, run_name: str) -> Found | None:
    """What a search at the newest past origins found, at the night's own set where there are none; None without one."""
    space = settings.search
    if space is None:
        return None
    past = [one for one in work if not one.is_refit][-space.origins :] or work[-1:]
    tried = [_network_fits(one, space.network, settings, [])[0] for one in past]
    name = f"search-{run_name}"
    return tune.run_search(tried, space, ray_settings=settings.ray, storage_path=storage, run_name=name)


def _with_network(settings: TrainSettings, name: str, changed: Mapping[str, Any]) -> TrainSettings:
    own = with_changes(settings.networks[name], changed)
    return settings.model_copy(update={"networks": {**settings.networks, name: own}})


def _network_fits(one: OriginWork, name: str, settings: TrainSettings, folds: Sequence[str]) -> list[NetworkFit]:
    """One fit a seed; the refit takes as many epochs as the folds of the same network found best."""
    own = settings.networks[name]
    epochs_of = [_fit_name(name, fold, seed) for fold in folds for seed in _seeds(own, settings, is_refit=False)]
    return [
        NetworkFit(
            name=_fit_name(name, one.origin, seed),
            shards=one.manifest.folder,
            settings=own,
            encoding=one.encoding,
            anchors=one.material.anchors,
            seed=seed,
            epochs_of=tuple(epochs_of) if one.is_refit else (),
            named=one.material.named,
        )
        for seed in _seeds(own, settings, is_refit=one.is_refit)
    ]


def _fit_name(name: str, origin: str, seed: int) -> str:
    return f"{name} {origin} seed {seed}"


def _seeds(own: NetworkSettings, settings: TrainSettings, *, is_refit: bool) -> list[int]:
    count = own.seeds_in_refit if is_refit else own.seeds_in_folds
    return [settings.seed + number for number in range(count)]


def _of_seeds(made: Mapping[str, FitResult], one: OriginWork, name: str, settings: TrainSettings) -> list[FitResult]:
    seeds = _seeds(settings.networks[name], settings, is_refit=one.is_refit)
    return [made[_fit_name(name, one.origin, seed)] for seed in seeds]


def _told(
    by_origin: Mapping[str, Mapping[str, Sequence[FitResult]]], what: Callable[[FitResult], Any]
) -> dict[str, dict[str, list[Any]]]:
    """Something of every fit: origin -> network -> one entry a seed."""
    return {
        origin: {name: [what(result) for result in results] for name, results in fitted.items()}
        for origin, fitted in by_origin.items()
    }


def _write_network(
    one: OriginWork, name: str, results: Sequence[FitResult], out: str, settings: NetworkSettings
) -> Bundle:
    config = network.to_config(
        results[0].shape,
        encoder=settings.encoder,
        head=settings.head,
        residual=settings.residual_on_anchor,
        members=len(results),
        cap_minor=one.material.cap_minor,
    )
    config |= {"name": name, "horizons_days": list(one.material.horizons_days)}
    config["trained_horizons"] = one.material.trained_horizons
    weights = network.to_files([result.weights for result in results])
    return _write(one, Built(name, "network", config, weights), out, one.encoding)


def _below(root: str, bundle: Bundle) -> str:
    return str(bundle.path).removeprefix(root.rstrip("/") + "/")
