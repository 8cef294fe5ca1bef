"""How the kernel's tables are carried: tasks follow the bytes exchanged, and the rows do not depend on them."""

from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltv_features.kept import STATES
from ltv_features.session import session_settings
from tests.builders import event, kernel_events

AS_OF = date(1970, 3, 1)
SMALL_TASKS = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.shuffle.partitions": "16",
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": "16k",
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
    "spark.sql.adaptive.coalescePartitions.minPartitionSize": "1k",
}


def states_of(spark: SparkSession, users: int) -> DataFrame:
    rows = [event(f"u{n}", "purchase", 1 + n / users, order_key=n + 1, item_no=n % 7 + 1) for n in range(users)]
    return STATES.built(spark.createDataFrame(kernel_events(rows)), AS_OF)


def tasks_of(frame: DataFrame) -> int:
    return frame.select(F.spark_partition_id()).distinct().count()


def test_tasks_follow_the_bytes_exchanged_up_to_the_configured_most(spark: SparkSession) -> None:
    with session_settings(spark, SMALL_TASKS):
        few, some, many = (tasks_of(states_of(spark, users)) for users in (10, 600, 6_000))
        rows = sorted(states_of(spark, 600).collect(), key=lambda row: row["user_key"])
    assert few == 1 < some < many == 16
    assert rows == sorted(states_of(spark, 600).collect(), key=lambda row: row["user_key"])
    assert len(rows) == 600
