"""New raw rows to events, users, items, quarantine and ledger; what was ingested before is not read again.

The mark of how far a source was ingested is the last Delta transaction of `events` (app = source and raw table id,
version = raw version). Quarantine, users, items and the ledger are written first and can be repeated; each source's
events come last, in one commit that also moves its mark. A killed run
therefore repeats its work and changes nothing twice.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features import controls, items, profiles, quality
from ltv_features.columns import needed_columns, require_columns
from ltv_features.config import FeatureConfig, IngestSettings
from ltv_features.contract import EVENTS, ITEMS, LINKS, QUARANTINE, USERS
from ltv_features.counting import KEPT, QUARANTINED
from ltv_features.digest import digest_of
from ltv_features.errors import InputMissing, RowsUnexplained, TooManyBadRows
from ltv_features.land import raw_table
from ltv_features.ledger import Hop, knows, record
from ltv_features.quality import Delivered
from ltv_features.recount import ROWS, recount_events
from ltv_features.schemas import conform
from ltv_features.sieve import Sieved, sieve_events, sieve_items, sieve_links, sieve_users
from ltv_features.tables import Lake
from ltv_features.unit import fix_unit

log = logging.getLogger("ltv")

JOB = "ingest_events"


@dataclass(frozen=True)
class Delivery:
    """What a source has in its raw table, how it is read, and how far its events were ingested (None: never)."""

    source: str
    mapping: str
    app: str
    version: int
    ingested: int | None

    @property
    def is_new(self) -> bool:
        """Whether the raw table moved since."""
        return self.ingested != self.version


def ingest(lake: Lake, settings: FeatureConfig, *, as_of: date, run_id: str) -> list[Hop]:
    """The hops of this run, empty when nothing was new; see the module for what is written in which order.

    Raises InputMissing when a source was never landed, TooManyBadRows before anything reaches users, items or events,
    RowsUnexplained when a source's rows do not add up.
    """
    recount_events(lake, job=JOB, as_of=as_of, run_id=run_id)
    deliveries = {name: delivery_of(lake, settings, name) for name in _mapped(settings)}
    digest = _digest(lake, settings, deliveries)
    new = [d for d in deliveries.values() if settings.sources[d.source].events and d.is_new]
    if not new and knows(lake, job=JOB, input_digest=digest):
        return []
    events = [_sieve_events(lake, settings, delivery) for delivery in new]
    try:
        raw = {name: _rows_of(lake, settings, delivery) for name, delivery in deliveries.items()}
        users = _sieve_all(settings, deliveries, raw, "users")
        things = _sieve_all(settings, deliveries, raw, "items")
        told = [sieve_links(lake, settings, d.source, raw[d.source], d.version) for d in _linking(settings, deliveries)]
        alone = [s for s in [*users, *things, *told] if settings.sources[s.source].events is None]
        refused = [*events, *alone]
        _write_quarantine(lake, settings, refused, as_of, digest)
        silent = [
            Delivered(d.source, d.version) for d in deliveries.values() if d.ingested is not None and not d.is_new
        ]
        said = quality.record(lake, settings.ingest, as_of, [*(s.delivered() for s in refused), *silent])
        _stop_if_bad(lake, settings.ingest, as_of, refused, said)
        hops = [s.hop(s.source, s.counts.get(KEPT, 0)) for s in events]
        hops += _write_users(lake, users)
        hops += write_items(lake, things, events)
        hops += _write_links(lake, told)
        record(lake, job=JOB, as_of=as_of, input_digest=digest, run_id=run_id, hops=hops)
        fix_unit(lake.root, settings.shop)
        for sieved in events:
            append_events(lake, sieved, deliveries[sieved.source])
        recount_events(lake, job=JOB, as_of=as_of, run_id=run_id)
    finally:
        lake.spark.catalog.clearCache()
    return hops


def _mapped(settings: FeatureConfig) -> list[str]:
    return [name for name, s in settings.sources.items() if s.events or s.users or s.items or s.links]


def _linking(settings: FeatureConfig, deliveries: Mapping[str, Delivery]) -> list[Delivery]:
    return [delivery for delivery in deliveries.values() if settings.sources[delivery.source].links]


def delivery_of(lake: Lake, settings: FeatureConfig, name: str) -> Delivery:
    """Raises InputMissing where the source was never landed, ContractBroken where its table lacks a mapped column."""
    table = raw_table(name)
    version = lake.version(table)
    if version is None:
        raise InputMissing(f"source {name!r} is not landed: no table {lake.path(table)}; next: run land_files")
    needed = needed_columns(name, settings.sources, settings.shop.rates)
    require_columns(needed, lake.read(table, version).columns, where=f"source {name!r}, table {lake.path(table)}")
    app = f"{JOB}/{name}/{lake.table_id(table)}"
    ingested = lake.transaction(EVENTS.name, app) if settings.sources[name].events else None
    source = settings.sources[name]
    mapping = digest_of(source.model_dump(mode="json", exclude={"path"}), settings.shop.model_dump(exclude=_AHEAD))
    before = lake.last_note(EVENTS.name, "source", name).get("mapping", mapping)
    if ingested is not None and before != mapping:
        log.warning("source %s: its mapping changed; rows that were ingested before stay as they were", name)
    return Delivery(name, mapping, app, version, ingested)


_AHEAD = {"horizons_days"}
"""What of the shop's settings says nothing about events."""


def _digest(lake: Lake, settings: FeatureConfig, deliveries: dict[str, Delivery]) -> str:
    """Of everything that decides what an ingest writes: raw versions and mappings, not paths."""
    mappings = {name: source.model_dump(mode="json", exclude={"path"}) for name, source in settings.sources.items()}
    versions = {d.app: d.version for d in deliveries.values()}
    return digest_of(JOB, versions, mappings, settings.shop, settings.ingest)


def _rows_of(lake: Lake, settings: FeatureConfig, delivery: Delivery) -> DataFrame:
    """New rows of an event source (all of them the first time); the whole table of a source of users or items alone."""
    table = raw_table(delivery.source)
    if settings.sources[delivery.source].events is None or delivery.ingested is None:
        return lake.read(table, delivery.version)
    return lake.changes(table, delivery.ingested, delivery.version)


def _sieve_events(lake: Lake, settings: FeatureConfig, delivery: Delivery) -> Sieved:
    raw = _rows_of(lake, settings, delivery)
    return sieve_events(lake, settings, delivery.source, raw, delivery.version, first=delivery.ingested is None)


def _sieve_all(
    settings: FeatureConfig, deliveries: dict[str, Delivery], raw: dict[str, DataFrame], kind: str
) -> list[Sieved]:
    sieve = sieve_users if kind == "users" else sieve_items
    wanted = [d for d in deliveries.values() if getattr(settings.sources[d.source], kind)]
    return [sieve(settings, d.source, raw[d.source], d.version) for d in wanted]


def _write_quarantine(lake: Lake, settings: FeatureConfig, refused: Sequence[Sieved], as_of: date, digest: str) -> None:
    """Replaces the refused rows of each delivery, so that a repeated or corrected run leaves no old ones behind.

    A source without events is read as a whole each time, and so are its refused rows.
    """
    for sieved in refused:
        same = f"source = '{sieved.source}'"
        if settings.sources[sieved.source].events:
            same += f" AND raw_version = {sieved.raw_version}"
        before = lake.exists(QUARANTINE.name) and not lake.read(QUARANTINE.name).where(same).isEmpty()
        if before or sieved.counts.get(QUARANTINED, 0):
            lake.replace(sieved.quarantine(), QUARANTINE, as_of=as_of, input_digest=digest, where=same)
            _hold_committed("refused rows", sieved, QUARANTINED, lake.read(QUARANTINE.name).where(same).count())


def _stop_if_bad(
    lake: Lake, settings: IngestSettings, as_of: date, refused: Sequence[Sieved], problems: Sequence[tuple[str, str]]
) -> None:
    """Nothing where rows may go on: good enough, or released by a person. Raises TooManyBadRows with every reason."""
    reasons = [(s.source, _too_bad(s, settings.max_bad_share)) for s in refused if s.bad_share > settings.max_bad_share]
    for _, problem in problems:
        log.warning("%s", problem)
    if settings.on_problem == "hold":
        reasons += problems
    free = {source for source, _ in reasons if controls.says(lake, as_of, f"ingest/{source}") == controls.RELEASE}
    for source, reason in reasons:
        if source in free:
            log.warning("%s; a person released it", reason)
    held = [(source, reason) for source, reason in reasons if source not in free]
    if held:
        release = f"python -m jobs.operate release ingest/{held[0][0]} --config ... --as-of {as_of} --reason ..."
        raise TooManyBadRows(
            "\n  - ".join(reason for _, reason in held)
            + "; no event was written; next: look at table 'quarantine' and "
            f"the quality page, correct the mapping or the delivery and run again, or let it pass: {release}"
        )


def _too_bad(sieved: Sieved, limit: float) -> str:
    top = sorted(sieved.found.refused.items(), key=lambda each: (-each[1], each[0]))[:5]
    return (
        f"source {sieved.source!r}: expected at most {limit:.1%} refused rows, actual {sieved.bad_share:.1%} "
        f"of {sieved.rows_in} rows ({', '.join(f'{reason} {rows}' for reason, rows in top)})"
    )


def _write_users(lake: Lake, users: Sequence[Sieved]) -> list[Hop]:
    """Merges profiles; a source that states no dates is said to be not point-in-time."""
    if not users:
        return []
    kept = reduce(lambda one, other: one.unionByName(other), [s.of(KEPT) for s in users])
    lake.upsert(profiles.latest(kept).select(*USERS.column_names), USERS)
    return [s.keyed_hop(f"{s.source}: users", USERS.key, lake.read(USERS.name)) for s in users]


def _write_links(lake: Lake, told: Sequence[Sieved]) -> list[Hop]:
    """Adds the links of visitors that had none; of two sources that tell of one visitor at once the first stays."""
    hops = []
    for sieved in told:
        new = sieved.of(KEPT).select(*LINKS.column_names)
        if lake.exists(LINKS.name):
            new = new.join(lake.read(LINKS.name).select("visitor_id"), on="visitor_id", how="left_anti")
        lake.upsert(new.select(*LINKS.column_names), LINKS)
        hops.append(sieved.keyed_hop(f"{sieved.source}: links", LINKS.key, lake.read(LINKS.name)))
    return hops


def write_items(lake: Lake, things: Sequence[Sieved], events: Sequence[Sieved]) -> list[Hop]:
    """Merges items and numbers the new ones, those that occur only in events included."""
    columns = ("item_id", "category", "brand", "title", "_landed_ts", "_file_sha256", "_row_number")
    kept = [s.of(KEPT).select(*columns) for s in things]
    attributes = items.latest(_union(lake, kept, ", ".join(f"{c} {_ITEM_TYPES.get(c, 'string')}" for c in columns)))
    seen = [s.of(KEPT).where(F.col("item_id").isNotNull()).select("item_id", "event_ts") for s in events]
    first = (
        _union(lake, seen, "item_id string, event_ts timestamp")
        .groupBy("item_id")
        .agg(F.min("event_ts").alias("first_ts"))
    )
    lake.upsert(items.numbered(lake, attributes, first), ITEMS)
    return [s.keyed_hop(f"{s.source}: items", ITEMS.key, lake.read(ITEMS.name)) for s in things]


_ITEM_TYPES = {"_landed_ts": "timestamp", "_row_number": "bigint"}


def _union(lake: Lake, parts: Sequence[DataFrame], schema: str) -> DataFrame:
    empty = lake.spark.createDataFrame([], schema)
    return reduce(lambda one, other: one.unionByName(other), parts, empty)


def append_events(lake: Lake, sieved: Sieved, delivery: Delivery) -> None:
    """One commit with the source's events and its new mark, counted again from what was committed."""
    before = lake.version(EVENTS.name)
    rows = conform(sieved.of(KEPT).select(*EVENTS.column_names), EVENTS)
    lake.append(
        rows, EVENTS.name, app=delivery.app, version=delivery.version, partition_by=EVENTS.partition_by,
        note={"source": delivery.source, "mapping": delivery.mapping, ROWS: sieved.counts.get(KEPT, 0)},
    )  # fmt: skip
    after = lake.version(EVENTS.name)
    start = -1 if before is None else before
    committed = lake.changes(EVENTS.name, start, after).count() if after is not None else 0
    _hold_committed(f"events in versions {start + 1} to {after}", sieved, KEPT, committed)


def _hold_committed(what: str, sieved: Sieved, outcome: str, committed: int) -> None:
    """Nothing where a table holds what was sieved. Raises RowsUnexplained where it holds less, or more."""
    expected = sieved.counts.get(outcome, 0)
    if committed != expected:
        raise RowsUnexplained(
            f"source {sieved.source!r}: expected {expected} {what}, actual {committed} committed; "
            "next: restore the table to the version before, and run again"
        )
