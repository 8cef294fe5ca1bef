"""Every new raw row of a source ends in exactly one place: kept, duplicate, quarantined or anonymous."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltv_features import items, links, profiles
from ltv_features.arrivals import Arrived, Delivery
from ltv_features.columns import mapped_columns
from ltv_features.conditions import TYPES_WITH
from ltv_features.config import FeatureConfig
from ltv_features.contract import EVENTS, LINKS
from ltv_features.counting import ANONYMOUS, DUPLICATE, KEPT, QUARANTINED, UNRELATED, found_in
from ltv_features.errors import ContractBroken
from ltv_features.identity import PLACE, SAID, Identity, content_hash, row_hash, said, with_identity
from ltv_features.land import raw_table
from ltv_features.last_known import told_before
from ltv_features.lookups import with_lookup
from ltv_features.mapping import Reader, as_event_columns, limits_of, with_facts
from ltv_features.money import with_money
from ltv_features.packing import packed
from ltv_features.rates import with_rates
from ltv_features.rules import CONFLICT, DELETED, noted_ids, notes, refusals
from ltv_features.sieved import Kind, Sieved
from ltv_features.sources import EventColumns, EventMapping, SourceSettings
from ltv_features.tables import Lake

LONGEST_RAW = 4_096
_AGES = 100_000


def sieve_events(lake: Lake, settings: FeatureConfig, delivery: Delivery, came: Arrived) -> Sieved:
    """The new rows of an event source with the columns of `events`."""
    name = delivery.source
    source = settings.sources[name]
    assert source.events is not None
    columns = source.events.columns
    keys = source.lookup.on if source.lookup else ()
    rows = packed(came.rows, mapped_columns(source), (*columns.ids, *keys)).withColumn("_lookup_missed", F.lit(False))
    if source.lookup:
        rows = with_lookup(rows.drop("_lookup_missed"), lake.read(raw_table(source.lookup.source)), source.lookup)
    read = Reader(rows)
    _check_zone(name, source.events, read)
    by = _told_apart_by(source.events)
    known = told_before(lake, name) if source.events.blank.last_known and delivery.ingested is not None else None
    rows = with_facts(rows, source.events, read, None if delivery.afresh else known)
    home = settings.shop.currency if settings.shop.rates else None
    if settings.shop.rates:  # of the currency that the event ends up with, said or not
        table = lake.read(raw_table(settings.shop.rates.source))
        rows = with_rates(rows, table, settings.shop.rates, home=settings.shop.currency)
    rows = with_money(rows, source.events, settings.shop, read)
    limits = limits_of(source.events, settings.shop, settings.ingest, read)
    limits = replace(limits, json_ids=source.format == "jsonl")
    if delivery.afresh and source.format == "delta":
        # the time of its newest commit says nothing about when its rows came
        limits = replace(limits, lateness_days=_AGES)
    rows = rows.withColumns({"_rules": refusals(limits), "_notes": notes(limits)})
    rows = rows.withColumn("_outcome", _outcome(F.coalesce("user_id", "visitor_id").isNull()))
    rows = rows.withColumn("_raw", _raw_text())
    own_id = F.col("event_id") if by == "id" else row_hash(name, rows.schema["_own"].dataType)  # type: ignore[arg-type]
    rows = rows.withColumn("_key", own_id).withColumns(as_event_columns(name, limits))
    if by == "content":
        rows = rows.withColumn("_key", content_hash(name, rated=home is not None))
    made_here = [c for c in EVENTS.column_names if c not in ("event_id", "event_key")]
    rows = rows.select(*made_here, "_key", *PLACE, "_landed_ts", "_rules", "_notes", "_outcome", "_raw")
    rows = with_identity(rows, by=by, good=F.col("_outcome") == KEPT, home=home)
    if delivery.ingested is not None and not delivery.afresh:
        rows = _with_known(lake, settings, name, rows, by=by)
    rows = _without_repetitions(rows).withColumn("event_key", F.xxhash64("source", "event_id"))
    found = found_in(rows, noted_ids(limits), _facts(columns))
    return Sieved("events", delivery, came.rows.count(), came.erased, rows, found)


def _told_apart_by(mapping: EventMapping) -> Identity:
    if mapping.dedupe == "content":
        return "content"
    return "id" if mapping.columns.event_id else "row"


def _facts(columns: EventColumns) -> list[str]:
    """The facts that the mapping brings and whose completeness is worth a number."""
    mapped = {name for name, column in columns.model_dump().items() if column}
    return [fact for fact in TYPES_WITH if fact in mapped or (fact == "amount" and columns.unit_price)]


def sieve_users(lake: Lake, settings: FeatureConfig, delivery: Delivery, came: Arrived) -> Sieved:
    """The rows of a profile source with the columns of `users`."""
    source = settings.sources[delivery.source]
    assert source.users is not None
    rows = profiles.profiled(packed(came.rows, mapped_columns(source), [source.users.user]), source.users)
    silent = _says_none(source, "time_missing")
    rows = rows.withColumn("_outcome", _outcome(F.col("user_id").isNull(), silent)).withColumn("_raw", _raw_text())
    return Sieved("users", delivery, came.rows.count(), came.erased, rows, found_in(rows))


def sieve_links(
    lake: Lake, settings: FeatureConfig, delivery: Delivery, came: Arrived, told: Sequence[Sieved] = ()
) -> Sieved:
    """The rows of a source of links with the columns of `links`; the first customer of a visitor stays.

    `told`: the links that other sources bring in the same run, which come before these.
    """
    source = settings.sources[delivery.source]
    assert source.links is not None
    ids = [source.links.user, source.links.visitor]
    rows = links.linked(packed(came.rows, mapped_columns(source), ids), source.links)
    silent = _says_none(source, "visitor_missing")
    rows = rows.withColumn("_outcome", _outcome(F.col("user_id").isNull(), silent)).withColumn("_raw", _raw_text())
    before = links.known_before(lake, delivery.app, delivery.after)  # what a run that was killed added is not known
    all_known = [*([] if before is None else [before]), *[each.of(KEPT) for each in told]]
    columns = [each.select("visitor_id", "user_id") for each in all_known]
    known = reduce(DataFrame.unionByName, columns) if columns else None
    rows = _without_repetitions(links.with_repetitions(rows, known, good=F.col("_outcome") == KEPT), links.CONFLICT)
    return Sieved("links", delivery, came.rows.count(), came.erased, rows, found_in(rows))


def sieve_items(lake: Lake, settings: FeatureConfig, delivery: Delivery, came: Arrived) -> Sieved:
    """The rows of an item source with its attributes."""
    source = settings.sources[delivery.source]
    assert source.items is not None
    rows = items.described(packed(came.rows, mapped_columns(source), [source.items.item]), source.items)
    silent = _says_none(source, "item_missing")
    rows = rows.withColumn("_outcome", _outcome(F.lit(False), silent)).withColumn("_raw", _raw_text())
    return Sieved("items", delivery, came.rows.count(), came.erased, rows, found_in(rows))


SIEVES: Mapping[Kind, Callable[[Lake, FeatureConfig, Delivery, Arrived], Sieved]] = {
    "events": sieve_events, "users": sieve_users, "items": sieve_items, "links": sieve_links,
}  # fmt: skip


def _says_none(source: SourceSettings, reason: str) -> Column:
    """Whether a row of an event log has nothing to do with what else is read in the log: its own key is blank there."""
    return F.array_contains("_rules", reason) if source.events else F.lit(False)


def _outcome(has_no_user: Column, is_unrelated: Column | None = None) -> Column:
    """A broken line is quarantined even though no customer can be read from it."""
    related = F.lit(True) if is_unrelated is None else ~is_unrelated
    kept = F.when(F.size("_rules") > 0, F.lit(QUARANTINED)).otherwise(F.lit(KEPT))
    outcome = F.when(F.col("_corrupt").isNotNull(), F.lit(QUARANTINED)).when(has_no_user, F.lit(ANONYMOUS))
    outcome = outcome.when(~related, F.lit(UNRELATED)).otherwise(kept)
    # Always true, but Spark cannot know: else it would push every filter on the outcome below the projection and work
    # out all rules again inside it, in code too long to be compiled (measured: 10 s instead of 2 s for 1.5 M rows).
    return F.when(F.monotonically_increasing_id() >= 0, outcome)


def _raw_text() -> Column:
    text = F.coalesce(F.col("_corrupt"), F.to_json("_own"))
    wiped = F.exists("_rules", lambda rule: F.endswith(rule, F.lit(DELETED)))
    return F.when(
        F.col("_outcome") == QUARANTINED, F.when(wiped, F.lit("")).otherwise(F.substring(text, 1, LONGEST_RAW))
    )


def _without_repetitions(rows: DataFrame, reason: str = CONFLICT) -> DataFrame:
    """Of kept rows a repetition becomes a duplicate, and one that contradicts the first is quarantined."""
    kept = F.col("_outcome") == KEPT
    said_of = ("event_id", *SAID) if reason == CONFLICT else LINKS.column_names
    conflict = kept & F.col("_conflict")
    outcome = F.when(conflict, F.lit(QUARANTINED)).when(kept & F.col("_repeated"), F.lit(DUPLICATE))
    made = {
        "_outcome": outcome.otherwise(F.col("_outcome")),
        "_rules": F.when(conflict, F.array(F.lit(reason))).otherwise(F.col("_rules")),
        "_raw": F.when(conflict, F.to_json(F.struct(*said_of))).otherwise(F.col("_raw")),
    }
    return rows.withColumns(made)


def _with_known(lake: Lake, settings: FeatureConfig, name: str, rows: DataFrame, *, by: Identity) -> DataFrame:
    """`_repeated` and `_conflict` also against known events, in the months of the new rows, `lateness_days` around."""
    kept = rows.where(F.col("_outcome") == KEPT)
    days = settings.ingest.lateness_days
    span = kept.agg(
        F.date_format(F.date_sub(F.min("event_ts"), days), "yyyy-MM").alias("first"),
        F.date_format(F.date_add(F.max("event_ts"), days), "yyyy-MM").alias("last"),
    ).first()
    if span is None or span["first"] is None:
        return rows
    home = settings.shop.currency if settings.shop.rates else None
    near = F.col("event_month").between(span["first"], span["last"]) & (F.col("source") == name)
    known = lake.read(EVENTS.name).where(near).select("event_id", said(home).alias("_there"))
    joined = rows.join(known, on="event_id", how="left")
    differs = F.lit(by == "id") & F.coalesce(F.col("_there") != said(home), F.lit(False))
    marks = {
        "_repeated": F.col("_repeated") | F.col("_there").isNotNull(),
        "_conflict": F.when(F.col("_there").isNotNull(), differs).otherwise(F.col("_conflict")),
    }
    return joined.withColumns(marks).drop("_there")


def _check_zone(name: str, mapping: EventMapping, read: Reader) -> None:
    if mapping.time_zone != "UTC" and read.is_timestamp(mapping.columns.time):
        raise ContractBroken(
            f"source {name!r}: time_zone = {mapping.time_zone!r} applies to text, but column {mapping.columns.time!r} "
            "is already an instant (Parquet timestamps without a zone are read as UTC); next: set time_zone = 'UTC' or "
            "deliver text"
        )
