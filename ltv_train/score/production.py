"""Which bundle serves a night: rows of `models` in commit order."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from ltv_features.contract import MODELS
from ltv_features.errors import InputMissing
from ltv_features.tables import Lake
from ltv_train.registry import Purpose, production


def model_rows(lake: Lake) -> list[Mapping[str, Any]]:
    """Every promotion so far, the oldest commit first; empty before the first one."""
    if not lake.exists(MODELS.name):
        return []
    feed = lake.spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 0)
    rows = feed.load(lake.path(MODELS.name)).where("_change_type in ('insert', 'update_postimage')")
    return [row.asDict() for row in rows.orderBy("_commit_version").collect()]


def serving(lake: Lake, as_of: date, purpose: Purpose) -> Mapping[str, Any]:
    """The promotion that serves the night. Raises InputMissing when nothing was promoted by then."""
    row = production(model_rows(lake), as_of, purpose)
    if row is None:
        job = "evaluate" if purpose == "value" else "train_recommender"
        raise InputMissing(f"no {purpose} model was promoted for {as_of} or before; next: python -m jobs {job}")
    return row


def served_before(lake: Lake, as_of: date, purpose: Purpose) -> Mapping[str, Any] | None:
    """The promotion that served before this night; None when this is the first."""
    earlier = [row for row in model_rows(lake) if row["as_of"] < as_of]
    return production(earlier, as_of, purpose)
