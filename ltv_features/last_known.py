"""Blank values taken from what the customer's last earlier event of the same source said, where a shop wants that.

A row tells what it says even where something else in it is refused. Point in time: only what happened strictly before
counts, of this delivery and of those before it; an event that arrives later fills nothing that was filled already.
"""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ltv_features.conditions import COLUMN_OF, is_blank, is_told
from ltv_features.contract import EVENTS
from ltv_features.identity import PLACE
from ltv_features.tables import Lake


def told_before(lake: Lake, source: str) -> DataFrame | None:
    """What the events of the source say of each fact; None where there are no events yet."""
    if not lake.exists(EVENTS.name):
        return None
    return lake.read(EVENTS.name).where((F.col("source") == source) & (F.col("user_id") != ""))


def with_last_known(rows: DataFrame, facts: Sequence[str], known: DataFrame | None) -> DataFrame:
    """`rows` with each fact that is blank as last said, where anything was, and a `_known_` mark for it."""
    if not facts:
        return rows
    blanks = {fact: is_blank(rows.columns, fact) for fact in facts}
    asks = F.col("user_id").isNotNull() & F.col("event_ts").isNotNull()
    any_blank = F.exists(F.array(*blanks.values()), lambda blank: blank)
    asking = rows.where(asks & any_blank).select("user_id", "event_ts", *PLACE)
    telling = [rows.where(asks).select("user_id", "event_ts", *[_said(fact) for fact in facts])]
    if known is not None:
        telling.append(known.select("user_id", "event_ts", *[_said(fact) for fact in facts]))
    said = telling[0] if known is None else telling[0].unionByName(telling[1])
    said = said.join(asking.select("user_id").distinct(), on="user_id", how="left_semi")
    before = (
        Window.partitionBy("user_id").orderBy(F.unix_micros("event_ts")).rangeBetween(Window.unboundedPreceding, -1)
    )
    both = asking.unionByName(said, allowMissingColumns=True)
    last = {f"_last_{fact}": F.last(f"_said_{fact}", ignorenulls=True).over(before) for fact in facts}
    found = both.withColumns(last).where(F.col(PLACE[0]).isNotNull()).select(*PLACE, *last)
    made: dict[str, Column] = {}
    for fact, blank in blanks.items():
        column, given = COLUMN_OF[fact], f"_given_{COLUMN_OF[fact]}"
        taken = blank & F.col(f"_last_{fact}").isNotNull()
        made[f"_known_{fact}"] = taken
        made[column] = F.when(taken, F.col(f"_last_{fact}").cast(rows.schema[column].dataType)).otherwise(F.col(column))
        if given in rows.columns:
            made[given] = F.col(given) | taken
    return rows.join(found, on=list(PLACE), how="left").withColumns(made).drop(*last)


def _said(fact: str) -> Column:
    """The fact where the row says it; else null."""
    return F.when(is_told(fact), F.col(COLUMN_OF[fact])).alias(f"_said_{fact}")
