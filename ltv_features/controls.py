"""A person's word about a night: hold it, or release what a check holds. Rows of `controls`; the last one counts."""

from datetime import UTC, date, datetime

from pyspark.sql import functions as F

from ltv_features.as_of import on_night
from ltv_features.contract import CONTROLS
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake

HOLD, RELEASE = "hold", "release"
NIGHT = "night"
"""What a hold of the whole night is about; `ingest/<source>` is the ingest of a source."""


def says(lake: Lake, as_of: date, what: str) -> str | None:
    """The last word about `what` for the night: hold, release, or None where nobody said anything."""
    row = _last(lake, as_of, what)
    return row["action"] if row else None


def reason(lake: Lake, as_of: date, what: str) -> str:
    """Why, and who said so; empty where nobody said anything."""
    row = _last(lake, as_of, what)
    return f"{row['reason']} ({row['who']})" if row else ""


def say(lake: Lake, as_of: date, what: str, action: str, *, reason: str, who: str) -> None:
    """Adds one row."""
    number = 1
    if lake.exists(CONTROLS.name):
        number += lake.read(CONTROLS.name).agg(F.coalesce(F.max("control_no"), F.lit(0))).collect()[0][0]
    row = (as_of, number, what, action, reason, who, datetime.now(UTC))
    lake.upsert(lake.spark.createDataFrame([row], spark_schema(CONTROLS)), CONTROLS)


def _last(lake: Lake, as_of: date, what: str) -> dict[str, str] | None:
    if not lake.exists(CONTROLS.name):
        return None
    about = lake.read(CONTROLS.name).where(on_night(as_of) & (F.col("what") == what))
    last = about.orderBy(F.desc("control_no")).first()
    return last.asDict() if last else None
