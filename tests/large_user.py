"""One user with half a million events through a small JVM and small Python workers, in a process of its own.

Prints what the night says of that user, for the test that counts: python -m tests.large_user FOLDER
"""

import json
import resource
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
from pyspark.sql import functions as F

from ltv_features.config import SparkSettings
from ltv_features.contract import EVENTS
from ltv_features.features import Night
from ltv_features.increment import inputs_of
from ltv_features.kept import ITEMS_BOUGHT, KEPT_TABLES, STATES
from ltv_features.schemas import spark_schema
from ltv_features.session import open_session
from ltv_features.tables import Lake
from tests.night_shop import FIRST, Shop

EVENTS_OF_USER = 500_000
WORKERS = 2
MEMORY_MIB = 1_024
"""Address space of one Python worker; and the heap of the JVM."""
DAYS = 400


def main(folder: Path) -> None:
    """Every second event is a view, the others are lines of ten to an order; i costs i % 1000 and lies i minutes in."""
    conf = {
        "spark.executor.pyspark.memory": f"{MEMORY_MIB}m",  # of each worker, where the master is local
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
    }
    settings = SparkSettings(master=f"local[{WORKERS}]", driver_memory="1g", shuffle_partitions=2, conf=conf)
    spark = open_session(settings, "large user")
    lake = Lake(spark, str(folder / "lake"))
    shop = Shop(lake)
    shop.events([shop.event(f"u{n}", 1.5) for n in range(1, 12)])
    _write_events(lake)
    night, inputs = Night(lake, FIRST + timedelta(DAYS)), inputs_of(lake)
    for kept in KEPT_TABLES:
        night.bring(kept, inputs, "once")
    unexplained = [hop.unexplained for hop in night.accounts()]
    night.done()
    states = lake.read(STATES.table.name)
    total = {n: F.aggregate(f"orders.{n}", F.lit(0).cast("long"), lambda a, b: a + b) for n in ("gross_minor", "lines")}
    state = states.where("user_id = 'u0'").select(
        F.transform("types", lambda each: each["n"]).alias("events"),
        F.size("orders").alias("orders"),
        *[column.alias(name) for name, column in total.items()],
        F.aggregate("hours", F.lit(0).cast("long"), lambda a, b: a + b).alias("hours"),
    )
    bought = lake.read(ITEMS_BOUGHT.table.name).where("user_id = 'u0'").agg(F.sum("quantity"), F.sum("amount_minor"))
    limit = spark.range(1).mapInArrow(_limit, "bytes long").collect()[0][0]
    told = {
        name: list(value) if isinstance(value, list) else value for name, value in state.collect()[0].asDict().items()
    }
    told |= {"bought": list(bought.collect()[0]), "users": states.count(), "unexplained": unexplained, "limit": limit}
    print(json.dumps(told))
    spark.stop()


def _write_events(lake: Lake) -> None:
    number, bought = F.col("id"), F.col("id") % 2 == 0
    start = F.lit(f"{FIRST} 00:00:00").cast("timestamp")
    at = F.timestamp_micros(F.unix_micros(start) + number * 60_000_000)
    said = {"source": F.lit("large"), "event_id": number.cast("string"), "event_key": number, "user_id": F.lit("u0")}
    said |= {"user_key": F.lit(-3), "event_type": F.when(bought, "purchase").otherwise("view"), "event_ts": at}
    said |= {
        "event_month": F.date_format(at, "yyyy-MM"),
        "order_key": F.when(bought, F.floor(number / 20) + 1).otherwise(0),
    }
    said |= {"quantity": bought, "amount_minor": F.when(bought, number % 1000).otherwise(0)}
    said |= {"item_id": F.concat(F.lit("i"), number % 5), "landed_ts": at}
    said |= {name: F.lit(0) for name in ("discount_minor", "rating", "dwell_seconds")}
    rows = lake.spark.range(EVENTS_OF_USER, numPartitions=4)
    kinds = {field.name: field.dataType for field in spark_schema(EVENTS)}
    rows = rows.select(*[said.get(name, F.lit(None)).cast(kind).alias(name) for name, kind in kinds.items()])
    lake.append(rows, EVENTS.name, app="large", version=1, partition_by=EVENTS.partition_by)


def _limit(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for _ in batches:
        yield pa.RecordBatch.from_pydict({"bytes": [resource.getrlimit(resource.RLIMIT_AS)[0]]})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
