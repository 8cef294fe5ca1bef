"""Fixtures that every test may use: one Spark session for the whole run, a fresh lake for each test."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from pyspark.sql import SparkSession

from ltv_features.config import SparkSettings
from ltv_features.session import open_session
from ltv_features.tables import Lake

settings.register_profile("ltv", deadline=None)  # a machine that others use may pause any example
settings.load_profile("ltv")

# Tests run hundreds of queries over a handful of rows: planning them is the cost, so what speeds up large ones is off.
# A session of many tests is worth Java's second compiler, for what is called often; a single job is not.
JAVA = "-XX:-UseParallelGC -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m -XX:MetaspaceSize=300m"
os.environ["SPARK_SUBMIT_OPTS"] = f"{os.environ.get('SPARK_SUBMIT_OPTS', '')} {JAVA} -XX:TieredStopAtLevel=1"
OFTEN = {"InvocationThreshold": 15_000, "MinInvocationThreshold": 3_000, "CompileThreshold": 45_000}
SECOND = " ".join(["-XX:TieredStopAtLevel=4", *(f"-XX:Tier4{name}={calls}" for name, calls in OFTEN.items())])
QUICK = {
    "spark.driver.extraJavaOptions": f"{JAVA} -Xmn900m {SECOND}",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.sql.lightweightPlanChangeValidation": "false",
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.default.parallelism": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.constraintPropagation.enabled": "false",
    "spark.sql.subexpressionElimination.enabled": "false",
    "spark.sql.ui.explainMode": "simple",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}


def quick_elsewhere() -> dict[str, str]:
    """The environment of a process that opens a Spark session of its own, with the same settings for little data."""
    given = [f"--conf {shlex.quote(f'{name}={value}')}" for name, value in QUICK.items() if "Java" not in name]
    return {**os.environ, "PYSPARK_SUBMIT_ARGS": " ".join([*given, "pyspark-shell"])}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A local Spark session with Delta, task retries on, tuned for many tiny jobs."""
    warehouse = {"spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse"))}
    spark_settings = SparkSettings(driver_memory="2g", shuffle_partitions=2, conf=QUICK | warehouse)
    session = open_session(spark_settings, "tests")
    yield session
    session.stop()


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    """An empty lake in a folder of its own."""
    return Lake(spark, str(tmp_path / "lake"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole paths first: they take longest, and two workers should not wait for one of them at the end."""
    items.sort(key=lambda item: len(item.path.parts))
