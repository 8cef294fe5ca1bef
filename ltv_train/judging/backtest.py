"""From the folder that `train` left to a verdict: folds, blend, gate, and the bundle that may serve.

Room: what is decided, from numbers alone. The blend is judged with weights that no user's own outcome chose, and served
with weights from all past origins. Money is in minor units. No Spark, no Ray.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from ltv_features import files
from ltv_features.project import Examples
from ltv_train import blend
from ltv_train.adjusting.adjusted import Adjustment
from ltv_train.blend_weights import BlendWeights
from ltv_train.bundle import Bundle, load
from ltv_train.config import BLEND, BOOSTERS, GateSettings
from ltv_train.judging import blending, evaluation, gate, uncertainty
from ltv_train.judging.decided import EVENTS, Decided, decided
from ltv_train.judging.evaluation import Fold, Measures
from ltv_train.judging.gate import Verdict
from ltv_train.judging.out_of_fold import adjusted_folds
from ltv_train.judging.segments import Known
from ltv_train.judging.uncertainty import Standing
from ltv_train.predict import predict
from ltv_train.predictions import Predictions

ANCHOR = "anchor"


@dataclass(frozen=True)
class Backtest:
    """Everything that a report and a promotion need: folds oldest first, measures of every candidate, the verdict.

    `decided` is of the newest fold, longest horizon first; `standings` are against the best baseline.
    `adjustments` of chances and intervals by candidate and key, from all past origins; what the folds hold is adjusted
    by what users of the other half taught.
    """

    run: Mapping[str, Any]
    horizons_days: tuple[int, ...]
    folds: tuple[Fold, ...]
    measures: tuple[Measures, ...]
    weights: BlendWeights
    verdict: Verdict
    decided: tuple[Decided, ...] = ()
    standings: tuple[Standing, ...] = ()
    adjustments: Mapping[str, Mapping[str, Adjustment]] = field(default_factory=dict)


def judge(
    folder: str,
    run: Mapping[str, Any],
    outcomes: pa.Table,
    *,
    production: str | None,
    settings: GateSettings,
    seed: int,
    known: Mapping[str, Known] | None = None,
) -> Backtest:
    """The verdict over the folds of one training run; `production` names the procedure that serves now.

    `known` says by origin who the users are, for the measures by segment.
    """
    origins, names = run["origins"][:-1], run["candidates"]
    by_activity = run.get("churn") == "no_activity"
    folds = evaluation.load_folds(folder, origins, names, outcomes, known, by_activity=by_activity)
    members = [name for name in (*BOOSTERS, *run["networks"]) if name in names]
    scale = float(run["money_scale_minor"])
    weights = blending.fit_weights(folds, members, scale_minor=scale)
    adjustments, folds = adjusted_folds(
        _with_blend(folds, members, scale), calibrated=[*members, BLEND], scale_minor=scale
    )
    horizons = bundle_of(folder, run, run["origins"][-1], names[0]).horizons_days
    measures = [
        row
        for fold in folds
        for name, said in sorted(fold.predictions.items())
        for row in evaluation.measure(fold, name, said, horizons)
    ]
    decided = gate.decide(folds, production=production, settings=settings, seed=seed) if folds else None
    verdict = decided or gate.without_folds(BLEND if members else ANCHOR, production=production)
    made = Backtest(run, horizons, tuple(folds), tuple(measures), weights, verdict, adjustments=adjustments)
    if not folds:
        return made
    standings = uncertainty.standings(folds, verdict.best_baseline, draws=settings.bootstrap, seed=seed)
    return replace(made, decided=_all_decided(folds, horizons), standings=tuple(standings))


def _with_blend(folds: list[Fold], members: Sequence[str], scale: float) -> list[Fold]:
    """The folds with the blend among their predictions; as they are where no member was trained."""
    if not members:
        return folds
    said = blending.cross_fitted(folds, members, scale_minor=scale)
    return [
        replace(fold, predictions={**fold.predictions, BLEND: each}) for fold, each in zip(folds, said, strict=True)
    ]


def _all_decided(folds: Sequence[Fold], horizons: Sequence[int]) -> tuple[Decided, ...]:
    return tuple(
        decided(folds, name, horizons, h, event)
        for h in reversed(range(len(horizons)))
        for event in EVENTS
        for name in sorted(folds[-1].predictions)
    )


def bundle_of(folder: str, run: Mapping[str, Any], origin: str, name: str) -> Bundle:
    """The bundle of one candidate at one origin, verified."""
    return load(Path(files.join(folder, run["bundles"][origin][name])))


def candidate(folder: str, backtest: Backtest, origin: str, name: str, parent: str) -> Bundle:
    """The bundle of a candidate at an origin; a blend is put together below `parent` from its members there."""
    if name != BLEND:
        return bundle_of(folder, backtest.run, origin, name)
    members = {member: bundle_of(folder, backtest.run, origin, member) for member in backtest.weights.names}
    return blend.write_blend(parent, members, backtest.weights)


def checked_after_refit(
    folder: str, backtest: Backtest, ahead: Examples, *, production: str | None, settings: GateSettings
) -> Backtest:
    """The back-test with its verdict held against the refit: both models speak about the users of tonight, `ahead`."""
    name, origins = backtest.verdict.promoted, backtest.run["origins"]
    if name is None or len(origins) < 2:
        return backtest
    scratch = files.join(folder, "blends")
    said: list[Predictions] = [
        predict(candidate(folder, backtest, origin, name, scratch), ahead) for origin in (origins[-2], origins[-1])
    ]
    newest, longest = origins[-2], backtest.horizons_days[-1]
    told = next(
        row.total_ratio
        for row in backtest.measures
        if (row.origin, row.candidate, row.horizon_days) == (newest, name, longest)
    )
    problems = gate.refit_problems(said[0], said[1], settings, told=told)
    return replace(backtest, verdict=gate.after_refit(backtest.verdict, problems, production=production))
