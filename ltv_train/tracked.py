"""What is noted about an evaluation: a plain record of its settings, measures, verdict and files.

Room: nothing about persons. The report that it names shows no customer. May import: backtest.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from ltv_train.backtest import Backtest
from ltv_train.tracking import DIGEST_TAG

_KEYS = ("origin", "candidate", "horizon_days")
_LONGEST_VALUE = 500


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
    """One number a candidate, measure, horizon and fold: the fold is the step, the oldest one 0. Undefined ones stay
    out.
    """
    steps = {fold.origin: number for number, fold in enumerate(made.folds)}
    points = []
    for row in made.measures:
        moment = datetime.fromisoformat(row.origin).replace(tzinfo=UTC)
        for name, value in asdict(row).items():
            if name not in _KEYS and isinstance(value, int | float) and math.isfinite(value):
                points.append(
                    {
                        "name": f"{name}_{row.horizon_days}d/{row.candidate}",
                        "value": float(value),
                        "step": steps[row.origin],
                        "time_ms": int(moment.timestamp() * 1000),
                    }
                )
    return points
