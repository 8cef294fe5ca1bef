"""Delivered values to the contract's units: ids, whole numbers, exact money, instants. Unreadable values become null.

No value is guessed: text must be a plain number or match a stated time format; whatever else stands there is null here
and refused by `rules`. All functions are native Spark expressions; `kind` is the type of the raw column.
"""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ltv_features.sources import EPOCHS

BLANKS = " \t\r\n\u00a0\u3000\ufeff"
_ISO = r"^\d{4}-\d{2}-\d{2}([ T]\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?$"
_ISO_WITH_OFFSET = r"^\d{4}-\d{2}-\d{2}[ T]\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$"
_DIGITS, _MICROS_DIGITS = 15, 16
"""Of whole units at most: of any number, and of a count of microseconds since 1970."""
_MINOR_DIGITS = 17
_PLAUSIBLE = (946_684_800, 7_258_118_400)
"""Seconds since 1970 of 2000 and of 2200."""


def quoted(name: str) -> str:
    """The column name as Spark's parser reads it literally, dots and spaces included."""
    return "`" + name.replace("`", "``") + "`"


def words(column: Column, kind: T.DataType) -> Column:
    """Trimmed text, null when blank. Whole floats lose their `.0` (a numeric id beside missing ones), NaN is null."""
    if isinstance(kind, T.FloatType | T.DoubleType):
        whole = column.try_cast("bigint")
        is_whole = whole.isNotNull() & (whole.cast("double") == column)
        return F.when(~F.isnan(column), F.when(is_whole, whole.cast("string")).otherwise(column.cast("string")))
    if not isinstance(kind, T.StringType):
        return column.cast("string")
    trimmed = F.btrim(column, F.lit(BLANKS))
    return F.when(F.length(trimmed) > 0, trimmed)


def is_given(column: Column, kind: T.DataType) -> Column:
    """Whether the source says anything there: neither null nor blank text (NaN is said, and refused later)."""
    return words(column, kind).isNotNull() if isinstance(kind, T.StringType) else column.isNotNull()


def whole_number(column: Column, kind: T.DataType, most: int = _DIGITS) -> Column:
    """A bigint; null for fractions, text that is not a plain number, NaN, and anything of more than `most` digits."""
    exact = exact_decimal(column, kind, 0, most)
    if isinstance(kind, T.FloatType | T.DoubleType):
        return F.when(exact.cast("double") == column, exact.cast("bigint"))
    return exact.cast("bigint")


def exact_decimal(column: Column, kind: T.DataType, digits: int, most: int = _DIGITS) -> Column:
    """decimal(22, digits), null when the value is no finite number of at most `most` digits before the point.

    Text and decimals with more significant digits than that are null (nothing is rounded in silence); binary floats are
    rounded half up from their shortest decimal form, because they cannot state their digits.
    """
    wanted, beyond = f"decimal(22,{digits})", 10**most
    if isinstance(kind, T.StringType):
        fraction = rf"(\.\d{{1,{digits}}}0*)?" if digits else r"(\.0+)?"
        return F.when(column.rlike(rf"^[+-]?\d{{1,{most}}}{fraction}$"), column).try_cast(wanted)
    if isinstance(kind, T.FloatType | T.DoubleType):
        return F.when(~F.isnan(column) & (F.abs(column) < beyond), column).try_cast(wanted)
    if isinstance(kind, T.DecimalType):
        rounded = F.when(F.abs(column) < beyond, column).try_cast(wanted)
        return F.when(rounded == column, rounded)
    return F.when(F.abs(column.cast("decimal(20,0)")) < beyond, column).try_cast(wanted)


def with_point(column: Column, kind: T.DataType, decimal: str) -> Column:
    """Text with the decimal sign `decimal` as text with a point; null where a point stands in text that has commas."""
    if decimal == "." or not isinstance(kind, T.StringType):
        return column
    return F.when(~F.contains(column, F.lit(".")), F.translate(column, ",", "."))


def minor_units(amount: Column, digits: int, rate: Column | None = None) -> Column:
    """A bigint of minor units from an exact decimal times `rate` (decimal(16,8)), rounded half up.

    10^15 units and more before the rate, or more than 17 digits after it, are 10^17: above any `max_amount`, so that a
    rule refuses the row and no overflow ends the run.
    """
    held = amount.try_cast("decimal(21,6)")
    units = F.round((held if rate is None else held * rate) * F.lit(10**digits).cast("decimal(5,0)"), 0)
    too_many = (F.signum(amount) * F.lit(10**_MINOR_DIGITS)).cast("bigint")
    return F.coalesce(units.try_cast(f"decimal({_MINOR_DIGITS},0)").cast("bigint"), too_many)


def instant(column: Column, kind: T.DataType, *, formats: Sequence[str], zone: str) -> Column:
    """A UTC timestamp; null when no format reads the value. The first format that reads it wins.

    Without formats text must be ISO 8601: a date, or date and time, with or without an offset. Text without an offset
    is wall time in `zone` (a time inside a spring gap moves forward, one that happens twice in autumn is the earlier).
    Timestamps of Parquet are instants already and stay.
    """
    if isinstance(kind, T.TimestampType):
        return column
    if isinstance(kind, T.DateType):
        return _at_zone(column.cast("timestamp"), zone)
    if not isinstance(kind, T.StringType):
        counted = [_since_1970(column, kind, EPOCHS[word]) for word in formats if word in EPOCHS]
        return F.coalesce(*counted) if counted else F.lit(None).cast("timestamp")
    trimmed = F.btrim(column, F.lit(BLANKS))
    return F.coalesce(*[_read(trimmed, kind, word, zone) for word in formats or ("iso",)])


def counts_time(column: Column, kind: T.DataType) -> Column:
    """Whether a whole number would be an instant from 2000 to 2200 in seconds, milliseconds or microseconds since 1970.

    No number is so in two of them, and no date written as digits alone is so in any.
    """
    if isinstance(kind, T.TimestampType | T.DateType):
        return F.lit(False)
    count = whole_number(column, kind, _MICROS_DIGITS)
    ranges = [count.between(*(second * 1_000_000 // micros for second in _PLAUSIBLE)) for micros in EPOCHS.values()]
    return F.coalesce(reduce(or_, ranges), F.lit(False))


def respelt(column: Column, kind: T.DataType) -> Column:
    """Whether text has blanks around it, which an id loses."""
    if not isinstance(kind, T.StringType):
        return F.lit(False)
    return F.coalesce(words(column, kind) != column, F.lit(False))


def _read(text: Column, kind: T.DataType, pattern: str, zone: str) -> Column:
    if pattern in EPOCHS:
        return _since_1970(text, kind, EPOCHS[pattern])
    if pattern == "iso":
        local = F.when(text.rlike(_ISO), text).try_cast("timestamp")
        return F.coalesce(_at_zone(local, zone), F.when(text.rlike(_ISO_WITH_OFFSET), text).try_cast("timestamp"))
    parsed = F.try_to_timestamp(text, F.lit(pattern))
    return parsed if _names_its_zone(pattern) else _at_zone(parsed, zone)


def _names_its_zone(pattern: str) -> bool:
    """Whether a Java time pattern reads a zone or an offset, quoted letters aside.

    >>> _names_its_zone("yyyy-MM-dd'T'HH:mm:ssXXX"), _names_its_zone("dd.MM.yyyy 'Zeit' HH:mm")
    (True, False)
    """
    return bool(set("".join(pattern.split("'")[::2])) & set("XxZzVO"))


def _at_zone(local: Column, zone: str) -> Column:
    return local if zone == "UTC" else F.to_utc_timestamp(local, zone)


def _since_1970(column: Column, kind: T.DataType, micros: int) -> Column:
    """Whole units only up to year 2262, so that the product cannot overflow."""
    count = whole_number(column, kind, _MICROS_DIGITS)
    return F.when(
        F.abs(count) < 9_200_000_000_000_000_000 // 1_000 // micros, F.timestamp_micros(count * F.lit(micros))
    )
