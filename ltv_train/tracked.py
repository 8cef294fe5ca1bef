"""What is noted about an evaluation: a plain record of its settings, measures, verdict and files.

Room: nothing about persons. The report that it names shows no customer. May import: backtest, metrics.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import product
from typing import Any

from pydantic import BaseModel

from ltv_train.judging.backtest import Backtest
from ltv_train.judging.evaluation import Fold
from ltv_train.metrics.intervals import Coverage, coverage_by_tier
from ltv_train.tracking import DIGEST_TAG

_KEYS = ("origin", "candidate", "horizon_days")
_DECISIONS = ("accuracy", "precision", "recall", "f1")
_LOSSES = ("train_loss", "validation_loss")
_LONGEST_VALUE = 500

Curve = Sequence[Mapping[str, float]]


def record_of(
    made: Backtest,
    *,
    as_of: str,
    input_digest: str,
    settings: BaseModel,
    bundle: str | None,
    report: str,
) -> dict[str, Any]:
    """The record as JSON-able values: `bundle` is the digest of the promoted one, None where production stays, `report`
    the page about it below the lake. What the shop delivers, where runs are noted and what Spark is told (keys of an
    object store, for instance) are no settings of a model.
    """
    name = made.verdict.promoted if bundle else None
    promotion = f"{name} serves from {as_of}" if name else "held: production stays"
    tags = {
        DIGEST_TAG: input_digest,
        "ltv.as_of": as_of,
        "ltv.training": made.run["run_name"],
        "ltv.grade": made.verdict.grade,
        "ltv.promotion": promotion,
        "ltv.bundle": bundle or "",
        "mlflow.note.content": "\n".join(f"- {reason}" for reason in made.verdict.reasons),
    }
    return {
        "name": f"{as_of} {name or 'held'}",
        "params": flattened(settings.model_dump(mode="json", exclude={"sources", "spark", "tracking"})),
        "metrics": _metrics(made),
        "tags": tags,
        "artefacts": {"report": report} | ({"bundle": f"bundles/{bundle}"} if bundle else {}),
    }


def flattened(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names with their values as text.

    >>> flattened({"train": {"seed": 1, "ray": {"use_gpu": False}}, "shop": {"horizons_days": [30, 90]}})
    {'train.seed': '1', 'train.ray.use_gpu': 'false', 'shop.horizons_days': '[30, 90]'}
    """
    flat: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[prefix + name] = text[:_LONGEST_VALUE]
    return flat


def _metrics(made: Backtest) -> list[dict[str, Any]]:
    """One number a candidate, measure, horizon and fold: the fold is the step, the oldest one 0; of learning curves
    one a step of the optimiser. Undefined ones stay out.
    """
    steps = {fold.origin: number for number, fold in enumerate(made.folds)}
    of_folds = ((name, value, origin, steps[origin]) for name, value, origin in _judged(made))
    return [
        {"name": name, "value": float(value), "step": step, "time_ms": _moment(origin)}
        for name, value, origin, step in (*of_folds, *_learned(made.run["curves"]))
        if math.isfinite(value)
    ]


def _judged(made: Backtest) -> Iterator[tuple[str, float, str]]:
    """(name, value, origin) of every measure, of decisions at both thresholds, and of intervals by tier."""
    for row in made.measures:
        for name, value in asdict(row).items():
            if name not in _KEYS:
                yield f"{name}_{row.horizon_days}d/{row.candidate}", value, row.origin
    for each in made.decided:
        whose = f"{each.event}_{each.horizon_days}d/{each.candidate}"
        yield f"best_threshold_{whose}", each.threshold, each.origin
        for cut, decisions in (("at_half", each.at_half), ("at_best", each.at_best)):
            for name in _DECISIONS:
                yield f"{name}_{cut}_{whose}", getattr(decisions, name), each.origin
    for fold in made.folds:
        for name, tier, days in _tiers(fold, made.horizons_days):
            yield f"inside_interval_{tier.tier}_{days}d/{name}", tier.inside, fold.origin


def _tiers(fold: Fold, horizons_days: Sequence[int]) -> Iterator[tuple[str, Coverage, int]]:
    """(candidate, tier, horizon) of all that say intervals."""
    for name, said in fold.predictions.items():
        for h, days in enumerate(horizons_days[: said.low.shape[1]]):
            for tier in coverage_by_tier(fold.spend[:, h], said.mean[:, h], said.low[:, h], said.high[:, h]):
                yield name, tier, days


def _learned(curves: Mapping[str, Mapping[str, Sequence[Curve]]]) -> Iterator[tuple[str, float, str, int]]:
    """(name, loss, origin, step) after every epoch of every fit."""
    told = (
        (f"{network} {origin} seed {seed}", origin, rows)
        for origin, by_name in curves.items()
        for network, fits in by_name.items()
        for seed, rows in enumerate(fits, start=1)
    )
    for whose, origin, rows in told:
        for row, name in product(rows, _LOSSES):
            yield f"{name}/{whose}", row.get(name, math.nan), origin, int(row["step"])


def _moment(origin: str) -> int:
    """Milliseconds since 1970."""
    return int(datetime.fromisoformat(origin).replace(tzinfo=UTC).timestamp() * 1000)
