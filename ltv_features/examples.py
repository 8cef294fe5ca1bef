"""From the events of a lake to a shard set: one exchange by user, the kernel, one sort by hash, the block writer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from ltv_features import cutoffs
from ltv_features.as_of import objectors
from ltv_features.calendar_periods import hold_mature, named_dates
from ltv_features.config import ExampleSettings, ShopSettings
from ltv_features.contract import MICROS_PER_DAY, PROFILE_TYPE_ID, TYPE_ID
from ltv_features.cutoffs import Buyers, Origin, Sampling
from ltv_features.errors import FutureLeak, InputMissing
from ltv_features.example_plan import ExamplePlan, basket_plan, sample_shares, value_plan
from ltv_features.example_rows import ROW_SCHEMA, example_rows
from ltv_features.ledger import Hop
from ltv_features.shard_writer import FACT_SCHEMA, write_shards
from ltv_features.shards import SPLITS
from ltv_features.tables import Lake

EXAMPLES_A_TASK = 100_000
EVENTS_A_TASK = 2_000_000
MODULES = ("ltv_features.examples", "ltv_features.kernel_input", "ltv_features.basket_tables", "ltv_features.shards")
"""The code that decides what a shard set holds, with all that it imports."""


@dataclass(frozen=True)
class LogFacts:
    """What decides the cut-offs: the first day of the log, first orders by day, and how large it is."""

    first_day: date
    buyers: Buyers
    events: int
    items: bool


def without_objectors(events: DataFrame, lake: Lake) -> DataFrame:
    """Kernel events of users that did not refuse profiling."""
    refused = F.broadcast(objectors(lake, by="user_key"))
    return events.join(refused, on="user_key", how="left_anti").select(*events.columns)


def log_facts(events: DataFrame, as_of: date) -> LogFacts:
    """The facts of the kernel events before as_of. Raises InputMissing when nobody bought anything.

    Raises FutureLeak when an event or a profile lies at or after as_of.
    """
    happened = F.col("type") != F.lit(PROFILE_TYPE_ID)
    bought = F.col("type") == F.lit(TYPE_ID["purchase"])
    known_us = F.greatest("ts_us", "known_us")
    by_user = events.groupBy("user_key").agg(
        F.min(F.when(happened, known_us)).alias("first_us"),
        F.min(F.when(bought, known_us)).alias("bought_us"),
        F.sum(happened.cast("long")).alias("events"),
        F.max(F.when(bought, F.col("item_no"))).alias("item_no"),
        F.count_if(F.col("ts_us") >= F.lit(cutoffs.midnight_us(as_of))).alias("late"),
    )
    day = F.date_from_unix_date(F.floor(F.col("bought_us") / F.lit(MICROS_PER_DAY)).cast("int"))
    rows = (
        by_user.groupBy(day.alias("day"))
        .agg(
            F.count("*").alias("users"),
            F.min("first_us").alias("first_us"),
            F.sum("events").alias("events"),
            F.max("item_no").alias("item_no"),
            F.sum("late").alias("late"),
        )
        .collect()
    )
    if late := sum(row["late"] for row in rows):
        raise FutureLeak(f"examples: {late} rows lie at or after {as_of}; next: read events through events_as_of")
    first_orders = {row["day"]: row["users"] for row in rows if row["day"] is not None}
    if not first_orders:
        raise InputMissing(f"examples as of {as_of}: no purchase before that date; next: check the mapping and --as-of")
    first_us = min(row["first_us"] for row in rows if row["first_us"] is not None)
    return LogFacts(
        first_day=date.fromordinal(date(1970, 1, 1).toordinal() + first_us // MICROS_PER_DAY),
        buyers=Buyers.of(first_orders),
        events=sum(row["events"] for row in rows),
        items=any(row["item_no"] for row in rows),
    )


def plans(facts: LogFacts, as_of: date, settings: ExampleSettings, shop: ShopSettings) -> list[ExamplePlan]:
    """The plan of the value set, and of the basket set where the log has items.

    Raises InputMissing where no cut-off, or a named period of the calendar, can be learned from the log.
    """
    periods_days = shop.periods_days
    rule = Sampling.of(settings, facts.buyers.before(as_of))

    def shaped(origins: list[Origin], per_user: int | None) -> dict[str, Any]:
        return {
            "shares": sample_shares(origins, facts.buyers, Sampling(per_user, rule.max_examples)),
            "per_user": per_user,
            "periods_days": tuple(periods_days),
            "validation_share": settings.validation_share,
            "seed": settings.seed,
        }

    value = cutoffs.value_origins(as_of, facts.first_day, facts.buyers, settings, periods_days[-1][1])
    named = named_dates(shop.named_periods, facts.first_day, as_of)
    hold_mature(named, value[-1].cutoffs, as_of)
    made = [value_plan(value, **shaped(value, rule.per_user), named=named)]
    basket = cutoffs.basket_origins(as_of, facts.first_day, facts.buyers, settings) if facts.items else []
    if basket and basket[-1].day == as_of:
        made.append(basket_plan(basket, **shaped(basket, None)))
    return made


def write_set(events: DataFrame, plan: ExamplePlan, facts: LogFacts, root: str) -> list[str]:
    """Writes the block files of a plan below `root` and returns what the tasks tell about them, as JSON texts.

    Partitions follow from the sizes of the log and of the set, not from the machine, and so do the files.
    """
    expected = sum(facts.buyers.before(point.day) for point in plan.points)
    readers = max(events.sparkSession.sparkContext.defaultParallelism, facts.events // EVENTS_A_TASK)
    writers = max(2, expected // EXAMPLES_A_TASK)
    rows = events.repartition(readers, "user_key").mapInArrow(partial(_rows, plan=plan), from_arrow_schema(ROW_SCHEMA))
    ordered = rows.repartition(writers, "order_hash").sortWithinPartitions("order_hash", "user_key", "point")
    told = ordered.mapInArrow(partial(_write, plan=plan, root=root), from_arrow_schema(FACT_SCHEMA))
    return [row["fact"] for row in told.collect()]


def _rows(batches: Iterator[pa.RecordBatch], plan: ExamplePlan) -> Iterator[pa.RecordBatch]:
    return example_rows(batches, plan)


def _write(batches: Iterator[pa.RecordBatch], plan: ExamplePlan, root: str) -> Iterator[pa.RecordBatch]:
    context = TaskContext.get()
    if context is None:
        raise RuntimeError("the block writer runs inside a Spark task")
    return write_shards(batches, plan, root, context.partitionId())


def hops(plan: ExamplePlan, facts: LogFacts, manifests: Mapping[str, Mapping[str, Any]]) -> list[Hop]:
    """The account of a set: every buyer at every cut-off is an example, or counted by the reason why not.

    Buyers are counted by Spark from the events, examples from the committed files.
    """
    made = []
    for origin in plan.origins:
        manifest = manifests[origin.day.isoformat()]
        counts = {split: int(manifest["splits"][split]["examples"]) for split in SPLITS}
        expected = sum(facts.buyers.before(day) for day in origin.cutoffs)
        trained = counts["train"] + counts["validation"]
        made.append(Hop(f"{plan.kind} {origin.day} train", expected, trained, manifest["left_out"]))
        made.append(Hop(f"{plan.kind} {origin.day} slice", facts.buyers.before(origin.day), counts["slice"]))
    return made
