"""Worlds that the tests of the delivery rooms share: read them, or spoil a copy."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import publish_night, score_users
from tests.score_world import copy_world, run_in, write_training, write_world


@pytest.fixture(scope="session")
def scored_world(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a world whose night is scored and not yet published."""
    folder = tmp_path_factory.mktemp("scored") / "world"
    folder.mkdir()
    write_world(folder, spark)
    write_training(folder)
    score_users.main(run_in(folder, spark))
    return folder


@pytest.fixture(scope="session")
def published_world(spark: SparkSession, scored_world: Path) -> Path:
    """A copy of that folder whose night is published."""
    folder = copy_world(scored_world, scored_world.parent / "published")
    publish_night.main(run_in(folder, spark))
    return folder
