"""Two nights of a small shop, for the test that compares time zones.

In a process of its own it prints digests of what it made:
TZ=ZONE python -m tests.zone_night FOLDER JAVA_ZONE SESSION_ZONE
"""

import json
import sys
from datetime import date
from hashlib import sha256
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features.config import SparkSettings
from ltv_features.examples import log_facts
from ltv_features.features import Night
from ltv_features.increment import inputs_of
from ltv_features.kept import KEPT_TABLES
from ltv_features.kernel_input import kernel_events_as_of
from ltv_features.session import open_session
from ltv_features.tables import Lake
from tests.conftest import JAVA, QUICK
from tests.ingest_shop import HEADER, ORDERS, Shop

ROWS = (
    "u1,2026-01-31 23:30:00,b1,s1,1\nu2,2026-02-01 00:30:00,b2,s1,2\nu1,2024-02-29 12:00:00,b3,s2,3\n"
    "u2,2025-03-30 01:30:00,b4,s2,4\nu2,2025-10-26 00:30:00,b5,s2,5\nu2,2025-10-26 01:30:00,b6,s1,6\n"
)
"""Half an hour around midnight, a leap day, and the nights in which clocks are set forward and back."""
NIGHTS = (date(2026, 2, 1), date(2026, 2, 2))


def nights(lake: Lake, folder: Path) -> dict[str, str | int]:
    """Ingests, builds two nights one on top of the other, and says what there is."""
    shop = Shop(lake, folder, {"orders": {"events": {**ORDERS, "history": True}}})
    shop.deliver("orders", HEADER + ROWS)
    shop.run()
    for day in NIGHTS:
        night, inputs = Night(lake, day), inputs_of(lake)
        for kept in KEPT_TABLES:
            night.bring(kept, inputs, f"{day}")
        night.done()
    events = lake.read("events").withColumn("event_ts", F.unix_micros("event_ts")).drop("landed_ts")
    told = {"events": digest(events), **{kept.table.name: digest(lake.read(kept.table.name)) for kept in KEPT_TABLES}}
    facts = log_facts(kernel_events_as_of(lake, NIGHTS[0]), NIGHTS[0])
    return told | {"first_day": str(facts.first_day), "events_before": facts.events}


def main(folder: Path, java_zone: str, session_zone: str) -> None:
    """The nights in a session of its own, whose settings speak of other zones."""
    conf = QUICK | {
        "spark.driver.extraJavaOptions": f"{JAVA} -XX:TieredStopAtLevel=1 -Duser.timezone={java_zone}",
        "spark.sql.session.timeZone": session_zone,
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    spark = open_session(SparkSettings(driver_memory="1g", shuffle_partitions=2, conf=conf), "zone")
    print(json.dumps(nights(Lake(spark, str(folder / "lake")), folder)))
    spark.stop()


def digest(rows: DataFrame) -> str:
    """Of whole rows, in any order."""
    texts = sorted(row[0] for row in rows.select(F.to_json(F.struct(*rows.columns))).collect())
    return sha256("\n".join(texts).encode()).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
