"""A search over the settings of one network on Ray Tune: many short fits on past origins, the weaker stopped early.

Each trial trains in one process, at all origins side by side, an epoch at a time, and reports the mean validation loss;
ASHA (Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020) stops a trial whose loss lies
behind. As many trials run at once as the machine has workers. May import: Ray, fits, search. No Spark, no table.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from ltv_train import cluster, data, fits, search
from ltv_train.config import RaySettings
from ltv_train.fit import Place
from ltv_train.network_settings import MOST_EPOCHS
from ltv_train.search import Found, Trial
from ltv_train.search_settings import SearchSettings
from ltv_train.value_fit import NetworkFit

log = logging.getLogger(__name__)
_BY_LOGARITHM = ("learning_rate",)
_LOSS = "validation_loss"
_AT = "best_at_{}"


def run_search(
    tried: Sequence[NetworkFit], space: SearchSettings, *, ray_settings: RaySettings, storage_path: str, run_name: str
) -> Found | None:
    """What the search found; `tried` are the fits of the network as it is set, one for each origin.

    None where the settings as they are gave no result: there is nothing to compare with, and they stay. The same name
    below the same storage searches again: trials are short.
    """
    examples = min(data.load_manifest(fit.shards).examples("train") for fit in tried)
    with cluster.joined(ray_settings):
        results = _tuner(tried, space, ray_settings, storage_path, run_name).fit()
    trials = [_trial_of(result, len(tried)) for result in results if result.error is None and result.metrics]
    trials.sort(key=lambda trial: bool(trial.changed))
    failed = [f"{_changed(result.config)}: {_last_line(result.error)}" for result in results if result.error]
    for line in failed:
        log.warning("search of %s: a trial gave no result, %s", space.network, line)
    if not trials or trials[0].changed:
        log.warning("search of %s: the settings as they are gave no result, they stay", space.network)
        return None
    found = search.judged(trials, examples)
    log.info("search of %s: %d trials, %s", space.network, len(trials), found.reason)
    return found


def _tuner(
    tried: Sequence[NetworkFit], space: SearchSettings, settings: RaySettings, storage_path: str, run_name: str
) -> Any:
    from ray import tune
    from ray.tune.search.basic_variant import BasicVariantGenerator

    at_once = max(1, settings.workers)
    device = {"cpu": 1.0, "gpu": 1.0} if settings.use_gpu else {"cpu": 1.0}
    trial = tune.with_parameters(_run_trial, tried=list(tried), use_gpu=settings.use_gpu)
    return tune.Tuner(
        tune.with_resources(trial, device),
        param_space={"trial": tune.grid_search(list(range(space.trials + 1))), "changed": _space(space)},
        tune_config=tune.TuneConfig(
            metric=_LOSS,
            mode="min",
            search_alg=BasicVariantGenerator(max_concurrent=at_once, random_state=space.seed),
            scheduler=_scheduler(space),
        ),
        run_config=tune.RunConfig(name=run_name, storage_path=storage_path, verbose=0),
    )


def _scheduler(space: SearchSettings) -> Any:
    """Looks after `grace_epochs`, then after `reduction` times as many, and so on: one of `reduction` goes on.

    The settings as they are always do: what is compared with them must not have been given more epochs.
    """
    from ray.tune.schedulers import ASHAScheduler

    class SparingTheUsual(ASHAScheduler):
        def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
            said = super().on_trial_result(controller, trial, result)
            return str(said if trial.config["trial"] else self.CONTINUE)

    return SparingTheUsual(
        time_attr="training_iteration",
        max_t=MOST_EPOCHS,
        grace_period=space.grace_epochs,
        reduction_factor=space.reduction,
    )


def _space(space: SearchSettings) -> dict[str, Any]:
    from ray import tune

    made: dict[str, Any] = {name: tune.choice(values) for name, values in space.choices.items()}
    for name, bounds in space.ranges.items():
        made[name] = (tune.loguniform if name in _BY_LOGARITHM else tune.uniform)(*bounds)
    return made


def _run_trial(config: Mapping[str, Any], tried: Sequence[NetworkFit], use_gpu: bool) -> None:
    """One trial in a Ray worker: an epoch at every origin, then a report, until the fits or the scheduler end it."""
    from ray import tune

    changed = _changed(config)
    device = torch.device("cuda" if use_gpu else "cpu")
    own = [replace(fit, settings=search.with_changes(fit.settings, changed)) for fit in tried]
    best = [float("inf")] * len(own)
    for rows in _side_by_side([fits.curve_of(fit, Place(device=device)) for fit in own]):
        best = [min(low, _finite(row.get(_LOSS, row["train_loss"]))) for low, row in zip(best, rows, strict=True)]
        tune.report({_LOSS: sum(best) / len(best), **{_AT.format(place): loss for place, loss in enumerate(best)}})


def _finite(loss: float) -> float:
    """A loss that is no number is the worst there is."""
    return loss if math.isfinite(loss) else math.inf


def _side_by_side(curves: Sequence[Iterator[Mapping[str, float]]]) -> Iterator[list[Mapping[str, float]]]:
    """The latest row of every curve, as long as one of them goes on.

    >>> list(_side_by_side([iter([{"step": 1}, {"step": 2}]), iter([{"step": 5}])]))
    [[{'step': 1}, {'step': 5}], [{'step': 2}, {'step': 5}]]
    """
    latest: list[Mapping[str, float] | None] = [None] * len(curves)
    while True:
        fresh = [next(curve, None) for curve in curves]
        if not any(fresh):
            return
        latest = [new or old for new, old in zip(fresh, latest, strict=True)]
        yield [row for row in latest if row is not None]


def _last_line(error: Exception) -> str:
    return str(error).strip().rsplit("\n", 1)[-1]


def _changed(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a trial changes; nothing in the first one, which tries the settings as they are."""
    return dict(config["changed"]) if config["trial"] else {}


def _trial_of(result: Any, origins: int) -> Trial:
    told: Mapping[str, Any] = result.metrics
    losses = tuple(float(told[_AT.format(place)]) for place in range(origins))
    return Trial(_changed(result.config), losses, int(told["training_iteration"]))
