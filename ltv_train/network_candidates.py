"""The networks of a training: which are fitted at which origin with which seeds, and what becomes of their results.

May import: fits as values, tune, network. No Spark.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ltv_train import network, tune
from ltv_train.bundle import Bundle
from ltv_train.candidates import Built
from ltv_train.config import NetworkSettings, TrainSettings
from ltv_train.fits import FitResult
from ltv_train.origin_work import OriginWork, write_bundle
from ltv_train.search import Found, with_changes
from ltv_train.starts import Starts
from ltv_train.value_fit import NetworkFit

ByOrigin = Mapping[str, Mapping[str, Sequence[FitResult]]]
"""Origin -> network -> the results of its seeds."""


def searched(
    work: Sequence[OriginWork], settings: TrainSettings, *, storage: str, run_name: str
) -> tuple[TrainSettings, Found | None]:
    """The settings with what a search at the newest past origins found; as they are, and None, without a search.

    Where there is no past origin, the night's own set is searched: its validation customers judge.
    """
    space = settings.search
    if space is None:
        return settings, None
    past = [one for one in work if not one.is_refit][-space.origins :] or work[-1:]
    tried = [_fits(one, space.network, settings, [])[0] for one in past]
    name = f"search-{run_name}"
    found = tune.run_search(tried, space, ray_settings=settings.ray, storage_path=storage, run_name=name)
    if found is None:
        return settings, None
    own = with_changes(settings.networks[space.network], found.changed)
    return settings.model_copy(update={"networks": {**settings.networks, space.network: own}}), found


def planned(work: Sequence[OriginWork], settings: TrainSettings, starts: Starts) -> list[NetworkFit]:
    """Every fit in the order in which they run: the folds first, so that they freeze the epochs of the refit."""
    folds = [one.origin for one in work if not one.is_refit]
    made: list[NetworkFit] = []
    for one in work:
        for name in settings.networks:
            own = _fits(one, name, settings, folds)
            made += starts.of(name, own, one.manifest) if one.is_refit else own
    return made


def by_origin(work: Sequence[OriginWork], settings: TrainSettings, results: Sequence[FitResult]) -> ByOrigin:
    """The results where they belong."""
    made = {result.name: result for result in results}
    return {
        one.origin: {
            name: [made[_fit_name(name, one.origin, seed)] for seed in _seeds(own, settings, is_refit=one.is_refit)]
            for name, own in settings.networks.items()
        }
        for one in work
    }


def told(results: ByOrigin, what: Callable[[FitResult], Any]) -> dict[str, dict[str, list[Any]]]:
    """Something of every fit: origin -> network -> one entry a seed."""
    return {
        origin: {name: [what(result) for result in made] for name, made in fitted.items()}
        for origin, fitted in results.items()
    }


def write_network(
    one: OriginWork, name: str, results: Sequence[FitResult], out: str, settings: NetworkSettings
) -> Bundle:
    """The bundle of one network at one origin; it speaks with the mean of its seeds."""
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
    return write_bundle(one, Built(name, "network", config, weights), out, one.encoding)


def _fits(one: OriginWork, name: str, settings: TrainSettings, folds: Sequence[str]) -> list[NetworkFit]:
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
