"""Spark schemas, made from the contract's one declaration, and the check that a frame keeps to one."""

from collections.abc import Iterable

from pyspark.sql import DataFrame
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_schema

from ltv_features.arrow import arrow_schema
from ltv_features.contract import Column, Table
from ltv_features.errors import ContractBroken


def spark_schema(columns: Table | Iterable[Column]) -> T.StructType:
    """The Spark schema of a table or of a list of columns, in their order."""
    return from_arrow_schema(arrow_schema(columns))


def conform(df: DataFrame, table: Table) -> DataFrame:
    """`df` with the table's columns in the contract's order. Raises ContractBroken on one missing, extra or changed."""
    wanted = {field.name: field.dataType.simpleString() for field in spark_schema(table)}
    given = {field.name: field.dataType.simpleString() for field in df.schema}
    if wanted != given:
        missing = sorted(set(wanted) - set(given))
        extra = sorted(set(given) - set(wanted))
        changed = sorted(
            f"{k}: expected {wanted[k]}, actual {given[k]}" for k in set(wanted) & set(given) if wanted[k] != given[k]
        )
        raise ContractBroken(f"table {table.name!r}: missing {missing}, unexpected {extra}, changed {changed}")
    return df.select(*table.column_names)
