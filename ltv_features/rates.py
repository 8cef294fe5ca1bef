"""The rate of the day: amounts of other currencies in the reporting currency, from a landed table of rates."""

import logging

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltv_features.config import Rates
from ltv_features.parsing import exact_decimal, instant, quoted, with_point, words

log = logging.getLogger("ltv")

RATE_DIGITS = 8


def with_rates(rows: DataFrame, table: DataFrame, rates: Rates, *, home: str) -> DataFrame:
    """`rows` with `_rate`: units of the reporting currency `home` for one of `currency`; null where none is known; and
    `_rate_is_older`: whether it is the rate of an earlier day.

    `table` is the raw table of rates; the latest rate of at most `max_age_days` before the day of `event_ts` counts.
    """
    known = _by_day(table, rates)
    given = rows.withColumns({"_rate_currency": F.col("currency"), "_rate_day": F.to_date("event_ts")})
    joined = given.join(F.broadcast(known), on=["_rate_currency", "_rate_day"], how="left")
    is_home = F.col("_rate_currency").isNull() | (F.col("_rate_currency") == F.lit(home))
    one = F.lit(1).cast(f"decimal(16,{RATE_DIGITS})")
    made = {
        "_rate": F.when(is_home, one).otherwise(F.col("_rate")),
        "_rate_is_older": ~is_home & F.coalesce("_rate_is_older", F.lit(False)),
    }
    return joined.withColumns(made).drop("_rate_currency", "_rate_day")


def _by_day(table: DataFrame, rates: Rates) -> DataFrame:
    """One row a currency and day: `_rate_currency`, `_rate_day`, `_rate`; of equal days what landed last."""
    kinds = {field.name: field.dataType for field in table.schema.fields}

    def raw(name: str) -> Column:
        return F.col(quoted(name))

    day = F.to_date(instant(raw(rates.day), kinds[rates.day], formats=rates.time_formats, zone="UTC"))
    written = with_point(raw(rates.rate), kinds[rates.rate], rates.decimal)
    rate = exact_decimal(written, kinds[rates.rate], RATE_DIGITS)
    read = table.select(
        words(raw(rates.currency), kinds[rates.currency]).alias("_rate_currency"),
        day.alias("said"),
        F.when(rate > 0, rate).try_cast(f"decimal(16,{RATE_DIGITS})").alias("rate"),
        F.struct("_landed_ts", "_file_sha256", "_row_number").alias("delivered"),
    )
    said = read.where("_rate_currency IS NOT NULL AND said IS NOT NULL AND rate IS NOT NULL")
    if lost := read.count() - said.count():
        log.warning(
            "source %s: %s rates are left out, for their currency, day or rate cannot be read; amounts that need them "
            "are refused (currency_unknown)",
            *(rates.source, f"{lost:,}"),
        )
    lasting = F.sequence("said", F.date_add("said", rates.max_age_days))
    each = said.withColumn("_rate_day", F.explode(lasting))
    newest = F.max_by("rate", F.struct("said", "delivered")).alias("_rate")
    older = (F.max("said") < F.col("_rate_day")).alias("_rate_is_older")
    return each.groupBy("_rate_currency", "_rate_day").agg(newest, older)
