"""New raw rows to events, users, items, quarantine and ledger; what was ingested before is not read again.

Quarantine, users, items, links and the ledger are written first and can be repeated; each source's events come last, in
one commit that also moves the mark of how far it was ingested. A killed run therefore repeats its work and changes
nothing twice, and what a run that never came to its end wrote gives way to the one that goes on, whatever arrived in
between.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from functools import partial

from ltv_features import quality_rows
from ltv_features.arrivals import JOB, Delivery, arrived, deliveries_of, mark
from ltv_features.config import FeatureConfig
from ltv_features.counting import KEPT
from ltv_features.digest import digest_of
from ltv_features.ledger import Hop, forget, record
from ltv_features.quality import Delivered
from ltv_features.recount import recount_events
from ltv_features.refused import stop_if_bad, write_quarantine
from ltv_features.sieve import SIEVES, sieve_links
from ltv_features.sieved import KINDS, Kind, Sieved
from ltv_features.tables import Lake
from ltv_features.unit import fix_unit
from ltv_features.written import append_events, write_items, write_links, write_users

log = logging.getLogger("ltv")


def ingest(lake: Lake, settings: FeatureConfig, *, as_of: date, run_id: str, afresh: Collection[str] = ()) -> list[Hop]:
    """The hops of this run, empty when nothing was new; see the module for what is written in which order.

    Sources `afresh` are read as a whole, and their events replaced in one commit.

    Raises InputMissing when a source was never landed, TooManyBadRows before anything reaches users, items or events,
    RowsUnexplained when a source's rows do not add up.
    """
    counted = recount_events(lake, as_of=as_of, run_id=run_id)
    deliveries = deliveries_of(lake, settings, [name for name in settings.sources if _kinds(settings, name)])
    deliveries |= {name: replace(deliveries[name], afresh=True) for name in afresh}
    digest = _digest(lake, settings, deliveries)
    new = [delivery for delivery in deliveries.values() if delivery.is_new]
    try:
        sieved = _sieve(lake, settings, new)
        every = [each for kind in KINDS for each in sieved[kind]]
        write_quarantine(lake, every, as_of, digest)
        told = [*(each.delivered() for each in every), *_silent(settings, deliveries)]
        known = quality_rows.known_rows(lake)
        forget(lake, job=JOB, hops=quality_rows.unfinished(known, told, as_of, digest))
        problems = quality_rows.record(lake, settings.ingest, as_of, told, known, digest)
        stop_if_bad(lake, settings.ingest, as_of, every, problems)
        if not new:
            return []
        hops = [each.hop(each.counts.get(KEPT, 0)) for each in sieved["events"]]
        hops += write_users(lake, sieved["users"])
        hops += write_items(lake, sieved["items"], sieved["events"])
        hops += write_links(lake, sieved["links"])
        record(lake, job=JOB, as_of=as_of, input_digest=digest, run_id=run_id, hops=hops)
        fix_unit(lake.root, settings.shop)
        mark(lake, [delivery for delivery in new if settings.sources[delivery.source].events is None])
        for each in sieved["events"]:
            log.info("writing %s events of %s", f"{each.counts.get(KEPT, 0):,}", each.source)
            append_events(lake, each)
        recount_events(lake, as_of=as_of, run_id=run_id, since=counted)
    finally:
        lake.spark.catalog.clearCache()
    return hops


def _kinds(settings: FeatureConfig, name: str) -> list[Kind]:
    return [kind for kind in KINDS if getattr(settings.sources[name], kind)]


def _sieve(lake: Lake, settings: FeatureConfig, new: list[Delivery]) -> dict[Kind, list[Sieved]]:
    """What each new delivery says, by what is read in it."""
    sieved: dict[Kind, list[Sieved]] = {kind: [] for kind in KINDS}
    for delivery in new:
        came = arrived(lake, delivery)
        for kind in _kinds(settings, delivery.source):
            log.info("reading %s of %s", kind, delivery.source)
            sieve = partial(sieve_links, told=tuple(sieved["links"])) if kind == "links" else SIEVES[kind]
            sieved[kind].append(sieve(lake, settings, delivery, came))
    return sieved


def _silent(settings: FeatureConfig, deliveries: Mapping[str, Delivery]) -> list[Delivered]:
    """Sources of events that brought nothing since they were ingested."""
    quiet = [each for each in deliveries.values() if settings.sources[each.source].events and not each.is_new]
    return [Delivered(each.source, each.version, after=each.version) for each in quiet]


def _digest(lake: Lake, settings: FeatureConfig, deliveries: Mapping[str, Delivery]) -> str:
    """Of everything that decides what an ingest writes: raw versions and mappings, not paths."""
    mappings = {name: source.model_dump(mode="json", exclude={"path"}) for name, source in settings.sources.items()}
    versions = {each.app: each.version for each in deliveries.values()}
    whole = [f"afresh {each.source}" for each in deliveries.values() if each.afresh]
    return digest_of(JOB, versions, mappings, settings.shop, settings.ingest, *whole)
