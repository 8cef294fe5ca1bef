"""Sums over several frames, worked out in one job."""

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ltv_features.sums import Sums


@pytest.mark.spark
def test_every_sum_has_its_name_and_nothing_adds_nothing(spark: SparkSession) -> None:
    some = spark.createDataFrame([(1, 10), (2, None), (3, 30)], "a int, b bigint")
    sums = Sums()
    sums.add(some, "a", F.col("a"))
    sums.add(some, ("of b", 1), F.col("b"))
    sums.add(some, "many", (F.col("a") > 1).cast("long"))
    sums.add(some.where("a > 9"), "nobody", F.col("b"))
    sums.add(some.where("a = 2"), "null", F.col("b"))
    assert sums.collect() == {"a": 6, ("of b", 1): 40, "many": 2, "nobody": 0, "null": 0}
