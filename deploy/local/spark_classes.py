"""Does once each kind of work that a night does with Spark and Delta, so that Java can keep the classes in FILE.

Run by setup.sh: spark_classes.py FILE. Java writes the archive when it ends.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as f

from ltv_features.config import SparkSettings
from ltv_features.session import open_session


def use(spark: SparkSession, folder: Path) -> None:
    """Files of every format read; a Delta table made, appended to, merged into, replaced in part and read back."""
    rows = spark.range(200).select(
        "id",
        (f.col("id") % 3).alias("part"),
        f.sha2(f.col("id").cast("string"), 256).alias("text"),
        f.timestamp_seconds("id").alias("at"),
        (f.col("id") / 7).alias("ratio"),
    )
    for format_, options in (("parquet", {}), ("csv", {"header": "true"}), ("json", {})):
        path = str(folder / format_)
        rows.write.format(format_).options(**options).save(path)
        spark.read.format(format_).options(**options).load(path).groupBy("part").count().collect()
    table = str(folder / "table")
    change_feed = {"delta.enableChangeDataFeed": "true"}
    rows.write.format("delta").partitionBy("part").options(**change_feed).save(table)
    rows.write.format("delta").mode("append").save(table)
    merge_into(spark, table, rows.where("id < 20").withColumn("ratio", f.lit(0.0)))
    rows.where("part = 1").write.format("delta").mode("overwrite").option("replaceWhere", "part = 1").save(table)
    feed = spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 1).load(table)
    feed.groupBy("_change_type").count().collect()
    DeltaTable.forPath(spark, table).history().select("version", "operation", "userMetadata").collect()
    analyse(spark.read.format("delta").load(table)).collect()


def merge_into(spark: SparkSession, table: str, rows: DataFrame) -> None:
    """An upsert by id."""
    merge = DeltaTable.forPath(spark, table).alias("old").merge(rows.localCheckpoint().alias("new"), "old.id = new.id")
    merge.whenMatchedUpdateAll("old.ratio <> new.ratio").whenNotMatchedInsertAll().execute()


def analyse(rows: DataFrame) -> DataFrame:
    """Joins, windows, grouping, nested columns, and Arrow batches through a Python worker."""

    def same(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches

    newest = f.row_number().over(Window.partitionBy("part").orderBy(f.desc("at"), "id"))
    sums = rows.groupBy("part").agg(f.sum("ratio"), f.collect_list(f.struct("id", "at")).alias("seen"), f.max("text"))
    joined = rows.withColumn("rank", newest).join(sums, "part").join(f.broadcast(rows.select("id").distinct()), "id")
    exploded = joined.select("id", "part", "rank", f.explode("seen").alias("one")).where("one.id < 9")
    both = exploded.select("id", "part", f.col("one.at")).unionByName(rows.select("id", "part", "at"))
    return both.mapInArrow(same, both.schema).repartition(2, "part").sortWithinPartitions("id").dropDuplicates(["id"])


if __name__ == "__main__":
    java = {"spark.driver.extraJavaOptions": f"-XX:TieredStopAtLevel=1 -XX:ArchiveClassesAtExit={sys.argv[1]}"}
    session = open_session(SparkSettings(conf=java), "classes")
    with tempfile.TemporaryDirectory() as scratch:
        use(session, Path(scratch))
    process = session.sparkContext._gateway.proc
    session.stop()
    process.stdin.close()  # it ends where its input ends, and has the archive to write first
    process.wait()
