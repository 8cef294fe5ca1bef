"""Spark schemas, made from the contract's one declaration."""

from collections.abc import Iterable

from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_schema

from ltv_features.arrow import arrow_schema
from ltv_features.contract import Column, Table


def spark_schema(columns: Table | Iterable[Column]) -> T.StructType:
    """The Spark schema of a table or of a list of columns, in their order."""
    return from_arrow_schema(arrow_schema(columns))
