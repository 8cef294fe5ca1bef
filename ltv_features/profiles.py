"""User profiles: what a shop knows about a customer, valid from a date on; sensitive attributes stay out by default."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltv_features.contract import USERS
from ltv_features.identity import DELIVERED
from ltv_features.mapping import Reader
from ltv_features.parsing import counts_time, instant, is_given, words
from ltv_features.rules import Since, refusals_of_description
from ltv_features.sources import ItemMapping, UserMapping

ALWAYS = "always"
_OBJECTS = "objects_to_profiling"
_NO = ("0", "0.0", "f", "false", "n", "no")
"""Words that mean no objection; a blank does too, and anything else counts as an objection, the careful reading."""


def profiled(rows: DataFrame, mapping: UserMapping) -> DataFrame:
    """Packed raw rows with the columns of `users`, and `_rules`: why a row is refused."""
    read = Reader(rows)
    user = read(mapping.user, words)
    names = sorted({*mapping.attributes, *(mapping.sensitive if mapping.use_sensitive else ())})
    profile = F.to_json(F.struct(*[read(name, words).alias(name) for name in names])) if names else F.lit("{}")
    dated = mapping.valid_from != ALWAYS
    since = validity(read, mapping)
    refused = refusals_of_description(user, missing={}, since=since)
    columns = {
        "user_id": user,
        "user_key": F.xxhash64(user),
        "valid_from": since.read,
        "profile": profile,
        "profile_key": F.xxhash64(profile),
        "dated": F.lit(dated),
        "objects_to_profiling": _objects(read, mapping),
    }
    return rows.withColumns({**columns, "_rules": refused})


def validity(read: Reader, mapping: UserMapping | ItemMapping) -> Since:
    """Since when a row is valid; 1970 for a source without dates."""
    if mapping.valid_from == ALWAYS:
        return Since(F.lit("1970-01-01 00:00:00").cast("timestamp"), F.lit(True), F.lit(False))
    return since_of(read, mapping.valid_from, mapping.time_formats, mapping.time_zone)


def since_of(read: Reader, column: str, formats: Sequence[str], zone: str) -> Since:
    """What a column says of a time."""
    when = read(column, lambda c, kind: instant(c, kind, formats=formats, zone=zone))
    return Since(when, read(column, is_given), read(column, counts_time))


def _objects(read: Reader, mapping: UserMapping) -> Column:
    """Whether the customer objects; null of a source that does not speak of it, which takes no objection back."""
    if mapping.objects_to_profiling is None:
        return F.lit(None).cast("boolean")
    objection = read(mapping.objects_to_profiling, words)
    return F.coalesce(~F.lower(objection.cast("string")).isin(*_NO), F.lit(False))


def latest(profiled_rows: DataFrame, known: DataFrame | None) -> DataFrame:
    """One row for each key of `users`: the last delivered one; of objections the last that speaks of one, known or not.

    `known`: the rows of `users` so far.
    """
    rest = [name for name in USERS.column_names if name not in (*USERS.key, _OBJECTS)]
    order = F.struct(*DELIVERED)
    speaks = F.max_by(_OBJECTS, F.when(F.col(_OBJECTS).isNotNull(), order))
    said = profiled_rows.groupBy(*USERS.key).agg(
        F.max_by(F.struct(*rest), order).alias("_said"), speaks.alias(_OBJECTS)
    )
    said = said.select(*USERS.key, "_said.*", _OBJECTS)
    if known is not None:
        before = known.select(*USERS.key, F.col(_OBJECTS).alias("_before"))
        said = said.join(before, on=list(USERS.key), how="left").withColumn(_OBJECTS, F.coalesce(_OBJECTS, "_before"))
    return said.select(*USERS.column_names)


def latest_objection() -> Column:
    """By user, whether the newest profile that speaks of it objects; of equally new ones (undated ones always are) one
    that objects.
    """
    return F.max_by(_OBJECTS, F.when(F.col(_OBJECTS).isNotNull(), F.struct("valid_from", _OBJECTS)))
