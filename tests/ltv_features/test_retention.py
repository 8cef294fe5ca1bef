"""A night can be read again long after Delta's own limits of 7 and 30 days."""

import json
import os
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ltv_features.contract import LEDGER, RECOMMENDATIONS
from ltv_features.schemas import spark_schema
from ltv_features.session import RETENTION, session_settings
from ltv_features.tables import Lake

pytestmark = pytest.mark.spark

FIRST = date(2025, 1, 1)
NIGHTS = 4
DAY_SECONDS = 86_400


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Nights 100 days apart, each commit as old as it would be; every second one clears the log of what is too old."""
    lake = Lake(spark, str(tmp_path_factory.mktemp("old")))
    with session_settings(spark, {"spark.databricks.delta.properties.defaults.checkpointInterval": "2"}):
        for number in range(NIGHTS):
            replace(lake, number, f"d{number}")
            age(Path(lake.path("recommendations")), days=100 * (NIGHTS - number - 1))
    return lake


def replace(lake: Lake, number: int, digest: str) -> int:
    night = FIRST + timedelta(number)
    rows = lake.spark.createDataFrame(
        [("anna", night, [("i", float(number), "popular")], "m")], spark_schema(RECOMMENDATIONS)
    )
    where = f"as_of = DATE'{night}'"
    return lake.replace(rows, RECOMMENDATIONS, as_of=night, input_digest=digest, where=where)


def age(table: Path, *, days: int) -> None:
    """The newest commit gets its age; older ones have theirs."""
    then = time.time() - days * DAY_SECONDS
    newest = max(table.glob("_delta_log/*.json"))
    for path in table.glob(f"_delta_log/{newest.name.split('.')[0]}*"):
        os.utime(path, (then, then))


def test_an_old_night_is_read_as_it_was(lake: Lake) -> None:
    assert [lake.committed("recommendations", FIRST + timedelta(n)) for n in range(NIGHTS)] == ["d0", "d1", "d2", "d3"]
    assert lake.at_night("recommendations", FIRST).count() == 1
    assert lake.read("recommendations", 1).count() == 2


def test_an_old_night_is_made_again_as_the_next_attempt(lake: Lake) -> None:
    before = lake.version("recommendations")
    assert before is not None
    assert replace(lake, 0, "again") == before + 1
    assert lake.committed("recommendations", FIRST) == "again"


def test_every_way_to_make_a_table_keeps_its_versions(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, str(tmp_path))
    replace(lake, 0, "d")
    lake.append(spark.range(1), "raw_log", app="a", version=1)
    lake.upsert(spark.createDataFrame([], spark_schema(LEDGER)), LEDGER)
    for name in ("recommendations", "raw_log", "ledger"):
        lines = (tmp_path / name / "_delta_log" / f"{0:020}.json").read_text().splitlines()
        [kept] = [json.loads(line)["metaData"]["configuration"] for line in lines if "metaData" in line]
        assert kept["delta.logRetentionDuration"] == kept["delta.deletedFileRetentionDuration"] == RETENTION, name
