"""Who a visitor turned out to be: rows of a source of links, and events with the customers that links tell.

The first customer that a visitor is linked to stays; a row that says another one is a conflict. So links are only ever
added, and what was known of a past night stays what it was.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ltv_features.contract import LINKS
from ltv_features.identity import PLACE
from ltv_features.mapping import Reader
from ltv_features.parsing import words
from ltv_features.profiles import since_of
from ltv_features.rules import VISITOR_MISSING, refusals_of_description
from ltv_features.sources import LinkMapping
from ltv_features.tables import Lake

CONFLICT = "link_conflict"
"""The reason of a row that links a visitor to another customer than the first one."""
HOLDS = "deliveries"
"""In the note of a commit: the raw versions, by mark, of the deliveries that it holds."""


def known_before(lake: Lake, app: str, after: int) -> DataFrame | None:
    """The links as they were before the first commit that holds rows of this mark of raw versions above `after`.

    Such a commit is of a run that was killed before the delivery was ingested: its links are not known, but made again.
    """
    version = lake.version(LINKS.name)
    for commit in lake.history(LINKS.name, version) if version is not None else ():
        if commit.note.get(HOLDS, {}).get(app, after) > after:
            version = commit.version - 1
    return lake.read(LINKS.name, version) if version is not None and version >= 0 else None


def linked(rows: DataFrame, mapping: LinkMapping) -> DataFrame:
    """Packed raw rows with the columns of `links`, and `_rules`: why a row is refused."""
    read = Reader(rows)
    user, visitor = read(mapping.user, words).cast("string"), read(mapping.visitor, words).cast("string")
    since = since_of(read, mapping.time, mapping.time_formats, mapping.time_zone)
    missing = {VISITOR_MISSING: visitor.isNull()}
    refused = refusals_of_description(user, visitor, missing=missing, since=since)
    columns = {"visitor_id": visitor, "user_id": user, "user_key": F.xxhash64(user), "linked_ts": since.read}
    return rows.withColumns({**columns, "_rules": refused})


def with_repetitions(rows: DataFrame, known: DataFrame | None, *, good: Column) -> DataFrame:
    """`rows` with `_repeated` and `_conflict`, against links that are known and against the first good row."""
    order = Window.partitionBy("visitor_id", good).orderBy("_landed_ts", *PLACE)
    first = F.first("user_id").over(order)
    rows = rows.withColumns({"_first": first, "_nth": F.row_number().over(order)})
    there = F.lit(None).cast("string")
    if known is not None:
        rows = rows.join(known.select("visitor_id", F.col("user_id").alias("_there")), on="visitor_id", how="left")
        there = F.col("_there")
    customer = F.coalesce(there, F.col("_first"))
    differs = F.coalesce(customer != F.col("user_id"), F.lit(False))
    marks = {"_repeated": there.isNotNull() | (F.col("_nth") > 1), "_conflict": differs}
    return rows.withColumns(marks).drop("_first", "_nth", "_there")


def with_customers(events: DataFrame, links: DataFrame | None) -> DataFrame:
    """Events of customers, with `known_ts`: the link's time for those of linked visitors, null for all others.

    Events of visitors whom no link tells are left out.
    """
    unknown = F.lit(None).cast("timestamp").alias("known_ts")
    own = events.where("user_id <> ''").select(*events.columns, unknown)
    if links is None:
        return own
    told = links.select("visitor_id", *[F.col(name).alias(f"_{name}") for name in ("user_id", "user_key", "linked_ts")])
    found = events.where("user_id = ''").join(told, on="visitor_id", how="inner")
    found = found.withColumns(
        {"user_id": F.col("_user_id"), "user_key": F.col("_user_key"), "known_ts": F.col("_linked_ts")}
    )
    return own.unionByName(found.select(*own.columns))
