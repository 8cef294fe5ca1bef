"""One Spark session, set up the same way for jobs, tests and clusters.

Jars come from LTV_JARS (local paths, comma separated; `deploy/local/setup.sh` resolves them once) or, without it, from
the packages that `delta-spark` names.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pyspark.sql import SparkSession

from ltv_features.config import SparkSettings

RETENTION = "interval 1200 days"
"""How long a version of a table can be read again: beyond the longest horizon, so that a night can still be judged and
replayed when it has matured. Delta's own limits are 7 days for files and 30 for its log."""

_DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.databricks.delta.properties.defaults.logRetentionDuration": RETENTION,
    "spark.databricks.delta.properties.defaults.deletedFileRetentionDuration": RETENTION,
}
_UTC = {"spark.sql.session.timeZone": "UTC"}
"""In force whatever a configuration says: days, months and cut-offs are those of UTC."""
_SAFE = {
    "spark.sql.ansi.enabled": "true",
    "spark.hadoop.parquet.page.verify-checksum.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "20000",
    "spark.sql.legacy.parquet.nanosAsLong": "false",
}
_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


def open_session(settings: SparkSettings, app: str) -> SparkSession:
    """A Spark session with Delta; an already running one (spark-submit, tests) is reused.

    Local masters get loopback addresses, no web page and few partitions; on a cluster only the Delta and safety
    settings and `settings.conf` apply. From then on this process lives in UTC, and so do the workers that it starts.
    """
    os.environ["TZ"] = _UTC["spark.sql.session.timeZone"]  # rows that are collected become times of this process' zone
    time.tzset()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(app)
    jars = os.environ.get("LTV_JARS", "")
    options = {**_DELTA, **_SAFE, "spark.sql.shuffle.partitions": str(settings.shuffle_partitions)}
    if "SPARK_ENV_LOADED" not in os.environ:  # started by python, not by spark-submit
        options |= {**_LOCAL, "spark.driver.memory": settings.driver_memory}
        options |= _jars(settings.master, jars)
        builder = builder.master(settings.master)
    for key, value in (options | settings.conf | _UTC).items():
        builder = builder.config(key, value)
    if not jars:
        from delta import configure_spark_with_delta_pip

        builder = configure_spark_with_delta_pip(builder)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _jars(master: str, jars: str) -> dict[str, str]:
    """One JVM has them on its class path, where its archive of classes knows them; other machines are sent them."""
    if not jars:
        return {}
    if master.startswith("local") and not master.startswith("local-cluster"):
        return {"spark.driver.extraClassPath": jars.replace(",", os.pathsep)}
    return {"spark.jars": jars}


@contextmanager
def session_settings(spark: SparkSession, wanted: Mapping[str, str]) -> Iterator[None]:
    """The session with `wanted` in force, restored afterwards."""
    before = {key: spark.conf.get(key, None) for key in wanted}
    for key, value in wanted.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, old in before.items():
            if old is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, old)
