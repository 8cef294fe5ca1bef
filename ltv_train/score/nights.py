"""The row that publishes a night: versions of tables and digests of what spoke; readers see a night only through it."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from pyspark.sql import functions as F

from ltv_features import contract
from ltv_features.as_of import on_night
from ltv_features.errors import GateHeld
from ltv_features.tables import Lake

PINNED = ("events", "users", "items", "user_state", "user_items", "scores", "recommendations", "models")


def night_row(lake: Lake, night: date, *, input_digest: str, run_id: str) -> Mapping[str, Any]:
    """The row of `nights`; which bundles spoke is what the rows say. Raises GateHeld where two spoke in one table."""
    versions = {name: lake.version(name) for name in PINNED}
    versions |= {name: lake.night_version(name, night) for name in ("user_state", "user_items")}
    return {
        "as_of": night,
        "table_versions": {name: version for name, version in versions.items() if version is not None},
        "model_digest": _spoke(lake, "scores", night),
        "recommender_digest": _spoke(lake, "recommendations", night),
        "input_digest": input_digest,
        "eligible_users": lake.read("scores").where(on_night(night)).count(),
        "run_id": run_id,
    }


def _spoke(lake: Lake, table: str, night: date) -> str:
    """The digest of the bundle that made the night's rows; empty where there are none."""
    if not lake.exists(table):
        return ""
    digests = [row[0] for row in lake.read(table).where(on_night(night)).select("model_digest").distinct().collect()]
    if len(digests) > 1:
        raise GateHeld(f"night {night}: {table} are of {len(digests)} bundles: {', '.join(sorted(digests))}")
    return str(digests[0]) if digests else ""


def published(lake: Lake, night: date) -> Mapping[str, Any] | None:
    """The `nights` row of a night; None when it was not published."""
    if not lake.exists(contract.NIGHTS.name):
        return None
    row = lake.read(contract.NIGHTS.name).where(on_night(night)).first()
    return row.asDict() if row is not None else None


def last_published(lake: Lake, day: date) -> date | None:
    """The newest night on or before `day` that was published; None when there is none."""
    if not lake.exists(contract.NIGHTS.name):
        return None
    until = lake.read(contract.NIGHTS.name).where(F.col("as_of") <= F.lit(day))
    found: date | None = until.agg(F.max("as_of")).collect()[0][0]
    return found
