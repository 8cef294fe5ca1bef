"""Bad rows: one dial for each kind, and the exact account of what must become of every row.

A bad row is a spoiled copy of a good row that names a customer, put beside it: the good rows stay, so what is left
after ingest is the clean shop, and its truth is untouched. A dial is the share of the good rows a kind can befall that
get such a copy. Each copy breaks one rule, and kinds that are refused bear the id of that rule (`ltv_features.rules`),
which is what `quarantine.reason` must say. Not made here are the rules of
what this log's mapping does not ask for: lookups, refunds by sign, JSON, blanks and amounts of nothing that a shop
refuses, its own limits; and rows that come late, which are no bad rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltv_features.synthetic.draws import Draws

CORRUPT = "row_corrupt"
CONFLICT = "event_id_conflict"
PLANTED = "planted"
ANONYMOUS, DUPLICATES, QUARANTINED = "anonymous", "duplicates", "quarantined"

_MONEY = ("purchase", "refund")
_ALL_BUT_REFUNDS = ("purchase", "add_to_cart")

LATENESS_DAYS = 8_500
"""With this as `ingest.lateness_days` the log itself is never too late, whatever the day on which it is landed."""


@dataclass(frozen=True)
class Dirt:
    """A kind of bad row: the column that is spoiled, what it says then, which types it befalls (none named: all).

    `ends`: where ingest must put the copy.
    """

    kind: str
    column: str = ""
    says: str | None = None
    types: tuple[str, ...] = ()
    ends: str = QUARANTINED


DIRT: tuple[Dirt, ...] = (
    Dirt(CORRUPT),
    Dirt("event_id_missing", "event_id"),
    Dirt("id_characters", "customer", "c\u200b1"),
    Dirt("id_too_long", "customer", 300 * "c"),
    Dirt("event_type_unknown", "type", "teleport"),
    Dirt("time_missing", "time"),
    Dirt("time_unreadable", "time", "yesterday"),
    Dirt("time_unit_mistaken", "time", "1767312000"),
    Dirt("time_out_of_range", "time", "1970-01-01"),
    Dirt("time_in_future", "time", "2150-01-01"),
    Dirt("time_too_late", "time", "2001-06-01"),
    Dirt("item_missing", "item", None, ("purchase", "refund", "add_to_cart")),
    Dirt("quantity_unreadable", "quantity", "two", _MONEY),
    Dirt("quantity_absurd", "quantity", "2000000000", _MONEY),
    Dirt("quantity_negative", "quantity", "-1", _ALL_BUT_REFUNDS),
    Dirt("quantity_zero", "quantity", "0", _MONEY),
    Dirt("amount_missing", "amount", None, _MONEY),
    Dirt("amount_unreadable", "amount", "a lot", _MONEY),
    Dirt("amount_negative", "amount", "-4.20", ("purchase",)),
    Dirt("amount_absurd", "amount", "99999999999.99", _MONEY),
    Dirt("discount_unreadable", "discount", "some", _MONEY),
    Dirt("discount_negative", "discount", "-0.50", ("purchase",)),
    Dirt("currency_unknown", "currency", "XXX", _MONEY),
    Dirt("rating_unreadable", "rating", "good", ("review",)),
    Dirt("rating_out_of_range", "rating", "9", ("review",)),
    Dirt("dwell_unreadable", "dwell", "long", ("view",)),
    Dirt("dwell_out_of_range", "dwell", "-5", ("view",)),
    Dirt("blank_customer", "customer", " ", ends=ANONYMOUS),
    Dirt("duplicate", ends=DUPLICATES),
    Dirt(CONFLICT, "amount", "0.01", ("purchase",)),
)
KINDS = {dirt.kind: dirt for dirt in DIRT}
NEED_AN_ID = {CONFLICT, "duplicate"}
"""Kinds that ingest can only tell by the id of the event."""
JUDGED_BY_LANDING = {"time_in_future", "time_too_late"}
"""Kinds that a source of history is not asked for."""


@dataclass(frozen=True)
class Account:
    """What ingest must say of a delivered log: rows in, and where each went; `quarantined` by reason."""

    rows: int
    events: int
    anonymous: int
    duplicates: int
    quarantined: Mapping[str, int] = field(default_factory=dict)


def account_of(planted: Mapping[str, int]) -> Account:
    """The account from how many rows bear each mark of the column PLANTED: "" for good ones, ANONYMOUS, or a kind.

    >>> account_of({"": 5, "anonymous": 1, "blank_customer": 2, "time_missing": 3})
    Account(rows=11, events=5, anonymous=3, duplicates=0, quarantined={'time_missing': 3})
    """

    def ending(where: str) -> dict[str, int]:
        return {kind: planted[kind] for kind in sorted(planted) if kind in KINDS and KINDS[kind].ends == where}

    return Account(
        rows=sum(planted.values()),
        events=planted.get("", 0),
        anonymous=planted.get(ANONYMOUS, 0) + sum(ending(ANONYMOUS).values()),
        duplicates=sum(ending(DUPLICATES).values()),
        quarantined=ending(QUARANTINED),
    )


def planted_counts(table: pa.Table) -> dict[str, int]:
    """How many rows bear each mark."""
    counted = pc.value_counts(table[PLANTED].combine_chunks())
    return {entry["values"]: entry["counts"] for entry in counted.to_pylist()}


def with_bad_rows(clean: pa.Table, shares: Mapping[str, float], draws: Draws) -> pa.Table:
    """The log with copies to be spoiled behind their originals, and PLANTED; still with types, to be spoiled as text.

    Copies that ingest must not take for their originals get ids of their own; a conflicting one is a second later.
    Raises KeyError for a kind that is not in DIRT.
    """
    named = pc.is_valid(clean["customer"])
    marked = clean.append_column(PLANTED, pc.if_else(named, "", ANONYMOUS))
    place = pc.extract_regex(clean["event_id"].combine_chunks(), r"^e(?P<who>\d+)-(?P<which>\d+)$")
    who, which = (place.field(name).cast(pa.int64()).to_numpy(zero_copy_only=False) for name in ("who", "which"))
    parts = [marked]
    for kind, share in shares.items():
        possible = pc.and_(named, pc.is_in(clean["type"], pa.array(KINDS[kind].types))) if KINDS[kind].types else named
        drawn = draws.uniform(f"dirt/{kind}", who, which) < share
        copies = clean.filter(pc.and_(possible, pa.array(drawn)))
        parts.append(_renamed(copies, kind).append_column(PLANTED, pa.array([kind] * len(copies), pa.string())))
    whole = pa.concat_tables(parts).combine_chunks()
    seconds = whole["time"].cast(pa.int64()).to_numpy()
    is_copy = np.repeat([0, 1], [len(clean), len(whole) - len(clean)])
    return whole.take(pa.array(np.lexsort((is_copy, seconds))))


def _renamed(copies: pa.Table, kind: str) -> pa.Table:
    if kind == CONFLICT:
        later = pc.add(copies["time"], pa.scalar(1_000_000, pa.duration("us")))
        return copies.set_column(copies.column_names.index("time"), "time", later)
    if kind == "duplicate":
        return copies
    ids = pc.binary_join_element_wise(copies["event_id"], kind, "-")
    return copies.set_column(copies.column_names.index("event_id"), "event_id", ids)


def spoiled(text: pa.Table) -> pa.Table:
    """The rows marked in PLANTED with the one text that makes them bad; corrupt ones are broken by the writer."""
    for kind in sorted(set(planted_counts(text)) & set(KINDS)):
        column = KINDS[kind].column
        if column:
            says = pa.scalar(KINDS[kind].says, pa.string())
            changed = pc.if_else(pc.equal(text[PLANTED], kind), says, text[column])
            text = text.set_column(text.column_names.index(column), column, changed)
    return text
