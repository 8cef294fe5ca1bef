"""User profiles: what a shop knows about a customer, valid from a date on; sensitive attributes stay out by default."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltv_features.contract import USERS
from ltv_features.mapping import Reader
from ltv_features.parsing import instant, is_given, words
from ltv_features.rules import refusals_of_description
from ltv_features.sources import ItemMapping, UserMapping

ALWAYS = "always"
_NO = ("0", "0.0", "f", "false", "n", "no")
"""Words that mean no objection; a blank does too, and anything else counts as an objection, the careful reading."""


def profiled(rows: DataFrame, mapping: UserMapping) -> DataFrame:
    """Packed raw rows with the columns of `users`, and `_rules`: why a row is refused."""
    read = Reader(rows)
    user = read(mapping.user, words)
    names = sorted({*mapping.attributes, *(mapping.sensitive if mapping.use_sensitive else ())})
    profile = F.to_json(F.struct(*[read(name, words).alias(name) for name in names])) if names else F.lit("{}")
    dated = mapping.valid_from != ALWAYS
    since, said = validity(read, mapping)
    objection = read(mapping.objects_to_profiling, words)
    refused = refusals_of_description(user, missing={}, said=said, since=since)
    columns = {
        "user_id": user,
        "user_key": F.xxhash64(user),
        "valid_from": since,
        "profile": profile,
        "profile_key": F.xxhash64(profile),
        "dated": F.lit(dated),
        "objects_to_profiling": F.coalesce(~F.lower(objection.cast("string")).isin(*_NO), F.lit(False)),
    }
    return rows.withColumns({**columns, "_rules": refused})


def validity(read: Reader, mapping: UserMapping | ItemMapping) -> tuple[Column, Column]:
    """Since when a row is valid, null where that cannot be read, and whether it says so; 1970 for a source without."""
    if mapping.valid_from == ALWAYS:
        return F.lit("1970-01-01 00:00:00").cast("timestamp"), F.lit(True)
    formats, zone = mapping.time_formats, mapping.time_zone
    since = read(mapping.valid_from, lambda c, kind: instant(c, kind, formats=formats, zone=zone))
    return since, read(mapping.valid_from, is_given)


def latest(profiled_rows: DataFrame) -> DataFrame:
    """One row for each key of `users`: the last delivered one, which counts for objections."""
    rest = [name for name in USERS.column_names if name not in USERS.key]
    order = F.struct("_landed_ts", "_file_sha256", "_row_number")
    said = F.max_by(F.struct(*rest), order)
    return profiled_rows.groupBy(*USERS.key).agg(said.alias("_said")).select(*USERS.key, "_said.*")


def latest_objection() -> Column:
    """By user, whether the newest profile objects; of equally new ones (undated ones always are) one that objects."""
    return F.max_by("objects_to_profiling", F.struct("valid_from", "objects_to_profiling"))
