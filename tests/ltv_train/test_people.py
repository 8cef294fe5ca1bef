"""What the tables tell a report: sensitive attributes as they were at an origin, and the log before the night."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ltv_features import files
from ltv_features.contract import USERS
from ltv_features.schemas import spark_schema
from ltv_features.sources import SourceSettings
from ltv_features.tables import Lake
from ltv_train.score import people
from tests.score_world import NIGHT, copy_world, run_in

ORIGIN = "2026-01-01"


def source(**users: object) -> SourceSettings:
    mapping = {"user": "id", "valid_from": "always", **users}
    return SourceSettings.model_validate({"path": "people.csv", "format": "csv", "users": mapping})


def test_sensitive_attributes_are_told_only_where_the_configuration_lets_them_in() -> None:
    off = source(sensitive=["age"], attributes=["town"])
    on = source(sensitive=["income", "age"], attributes=["town"], use_sensitive=True)
    assert people.allowed({"a": off}) == []
    assert people.allowed({"a": off, "b": on}) == ["age", "income"]


@pytest.mark.spark
def test_attributes_are_those_of_the_latest_profile_before_the_origin(lake: Lake, tmp_path: Path) -> None:
    said = (
        (1, (2025, 1, 1), {"age": "20-29"}),
        (1, (2025, 6, 1), {"age": "30-39", "no. of kids": "2"}),
        (1, (2026, 1, 1), {"age": "90+"}),  # from the origin on: not known yet
        (2, (1970, 1, 1), {}),
    )
    rows = [
        (f"u{user}", user, datetime(*since, tzinfo=UTC), json.dumps(profile), number, False, False)
        for number, (user, since, profile) in enumerate(said)
    ]
    lake.upsert(lake.spark.createDataFrame(rows, spark_schema(USERS)), USERS)
    files.write_json(str(tmp_path / "manifest.json"), {"table_versions": {"events": 0, "users": lake.version("users")}})
    told = people.attributes(lake, str(tmp_path), [ORIGIN], ["age", "no. of kids"])
    assert sorted(told[ORIGIN].to_pylist(), key=lambda row: row["user_key"]) == [
        {"user_key": 1, "age": "30-39", "no. of kids": "2"},
        {"user_key": 2, "age": None, "no. of kids": None},
    ]
    assert people.attributes(lake, str(tmp_path), [ORIGIN], []) == {}


@pytest.mark.spark
def test_the_log_is_counted_up_to_the_night(spark: SparkSession, scored_world: Path, tmp_path: Path) -> None:
    lake = run_in(copy_world(scored_world, tmp_path / "world"), spark).lake
    files.write_json(str(tmp_path / "manifest.json"), {"table_versions": {"events": lake.version("events")}})
    told = people.log_facts(lake, str(tmp_path), NIGHT)
    assert (told.first_day, told.last_day) == ("2026-01-31", "2026-03-29")
    assert dict(told.events) == {"purchase": 9, "view": 1}
    assert told.users == lake.at_night("user_state", NIGHT).count()
    assert told.buyers == 5  # cleo only looked, emil has a profile alone
