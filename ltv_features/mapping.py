"""Columns of a source to the facts of an event, by the configuration alone.

`with_facts` adds one column a fact (quantities still signed) and a `_given_` mark for each fact that may be unreadable,
`money.with_money` the amounts; `as_event_columns` turns checked facts into the columns of `events`.
"""

from collections.abc import Callable
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ltv_features.conditions import COLUMN_OF, MONEY_TYPES, Limits, is_blank
from ltv_features.config import IngestSettings, ShopSettings
from ltv_features.contract import EVENT_TYPES
from ltv_features.last_known import with_last_known
from ltv_features.parsing import counts_time, instant, is_given, quoted, respelt, whole_number, words
from ltv_features.sources import EventMapping


class Reader:
    """Finds a mapped column in `_own`, `_nested` or `_brought` and hands it with its type to a parser."""

    def __init__(self, rows: DataFrame) -> None:
        self._places: dict[str, tuple[Column, T.DataType]] = {}
        for group in ("_own", "_nested", "_brought"):
            fields = rows.schema[group].dataType.fields if group in rows.columns else []  # type: ignore[attr-defined]
            for field in fields:
                self._places[field.name] = (F.col(f"{group}.{quoted(field.name)}"), field.dataType)

    def __call__(
        self, name: str | None, parse: Callable[[Column, T.DataType], Column], otherwise: object = None
    ) -> Column:
        """The parsed column, or the constant `otherwise` when the mapping names none."""
        return F.lit(otherwise) if name is None else parse(*self._places[name])

    def is_text(self, name: str | None) -> bool:
        """Whether the column came as text."""
        return name is not None and isinstance(self._places[name][1], T.StringType)

    def is_timestamp(self, name: str) -> bool:
        """Whether the column is a typed instant."""
        return isinstance(self._places[name][1], T.TimestampType)


def limits_of(mapping: EventMapping, shop: ShopSettings, ingest: IngestSettings, reader: Reader) -> Limits:
    """The constants that the rules of this source compare with."""
    return Limits(
        earliest=datetime.fromisoformat(f"{ingest.earliest_date}T00:00:00+00:00"),
        skew_seconds=round(ingest.future_skew_days * 86_400),
        lateness_days=ingest.lateness_days,
        history=mapping.history,
        zero_quantity_is_bad=mapping.zero_quantity == "quarantine" and mapping.columns.quantity is not None,
        needs_item=mapping.columns.item is not None,
        refund_by_sign=mapping.refunds.by == "negative_quantity",
        currency=shop.currency,
        max_minor=round(mapping.max_amount * 10**shop.minor_digits),
        has_rates=shop.rates is not None,
        priced_by_unit=mapping.columns.unit_price is not None and mapping.columns.quantity is not None,
        zero_amount_is_bad=mapping.zero_amount == "quarantine",
        refuse_blank=tuple(mapping.blank.refuse),
        last_known=tuple(mapping.blank.last_known),
        fill_blank=tuple(mapping.blank.fill.model_dump(exclude_none=True)),
        caps={fact: (in_units(fact, cap.above, shop), cap.then) for fact, cap in mapping.caps if cap},
        text_ids=tuple(fact for fact, name in _ids(mapping).items() if reader.is_text(name)),
    )


def _ids(mapping: EventMapping) -> dict[str, str | None]:
    """The facts that are ids, with their columns."""
    columns = mapping.columns
    return {
        "event_id": columns.event_id,
        "user_id": columns.user,
        "visitor_id": columns.visitor,
        "order_id": columns.order,
        "item_id": columns.item,
        "promotion_id": columns.promotion,
    }


def _time_of(mapping: EventMapping, read: Reader) -> Column:
    """The instant of the event; null where it cannot be read."""
    return read(
        mapping.columns.time, lambda c, kind: instant(c, kind, formats=mapping.time_formats, zone=mapping.time_zone)
    )


def in_units(fact: str, value: float, shop: ShopSettings) -> int:
    """A number of the configuration in the units of the fact's column."""
    return round(value * 10**shop.minor_digits) if fact in ("amount", "discount") else round(value)


def with_facts(rows: DataFrame, mapping: EventMapping, read: Reader, known: DataFrame | None = None) -> DataFrame:
    """`rows` with one column a fact but money, the `_given_` marks, and marks of what stands in the place of a blank.

    `known`: events of the source, for `blank.last_known`.
    """
    columns = mapping.columns
    facts = {fact: read(name, words).cast("string") for fact, name in _ids(mapping).items()}
    facts["currency"] = read(columns.currency, words).cast("string")
    facts["event_ts"] = _time_of(mapping, read)
    facts["quantity"] = read(columns.quantity, whole_number, _no_quantity(mapping)).cast("bigint")
    facts["rating"] = read(columns.rating, whole_number).cast("bigint")
    facts["dwell_seconds"] = read(columns.dwell_seconds, whole_number).cast("bigint")
    facts["_said_type"] = _said_type(mapping, read)
    facts["_counts_time"] = read(columns.time, counts_time)
    facts["_respelt"] = F.col("_composed") | read(columns.user, respelt)
    facts |= _given(mapping, read)
    with_all = with_last_known(rows.withColumns(facts), mapping.blank.last_known, known)
    for fact, constant in mapping.blank.fill.model_dump(exclude_none=True, exclude={"amount"}).items():
        with_all = with_filled(with_all, fact, F.lit(constant))
    return with_all.withColumn("event_type", _event_type(mapping))


def with_filled(rows: DataFrame, fact: str, constant: Column) -> DataFrame:
    """`rows` with a constant where an event whose type has such a value says nothing of it."""
    column, given = COLUMN_OF[fact], f"_given_{COLUMN_OF[fact]}"
    blank = is_blank(rows.columns, fact)
    made = {column: F.when(blank, constant.cast(rows.schema[column].dataType)).otherwise(F.col(column))}
    if given in rows.columns:
        made[given] = F.col(given) | blank
    return rows.withColumn(f"_filled_{fact}", blank).withColumns(made)


def as_event_columns(source: str, limits: Limits) -> dict[str, Column]:
    """The columns of `events` that follow from checked facts; `event_id` and `event_key` come later."""
    money = F.col("event_type").isin(*MONEY_TYPES)
    who = F.coalesce("user_id", "visitor_id")
    order = F.when(F.col("order_id").isNotNull(), F.xxhash64("order_id")).otherwise(F.xxhash64(who, "event_ts"))
    return {
        "source": F.lit(source),
        "user_id": F.coalesce("user_id", F.lit("")),
        "user_key": F.when(F.col("user_id").isNotNull(), F.xxhash64("user_id")).otherwise(F.lit(0)),
        "visitor_id": F.when(F.col("user_id").isNull(), F.col("visitor_id")),
        "event_type": F.col("event_type"),
        "event_ts": F.col("event_ts"),
        "event_month": F.date_format("event_ts", "yyyy-MM"),
        "landed_ts": F.col("_landed_ts"),
        "order_id": F.col("order_id"),
        "order_key": F.when(money, order).otherwise(F.lit(0)),
        "item_id": F.col("item_id"),
        "quantity": _size("quantity", limits),
        "amount_minor": _size("amount", limits),
        "discount_minor": _size("discount", limits),
        "currency": F.col("currency"),
        "rating": F.coalesce(F.col("rating").try_cast("int"), F.lit(0)),
        "dwell_seconds": _size("dwell_seconds", limits),
        "promotion_id": F.col("promotion_id"),
    }


def _size(fact: str, limits: Limits) -> Column:
    """Without its sign, 0 where unsaid, and not above a cap of the shop."""
    size = F.coalesce(F.abs(COLUMN_OF[fact]), F.lit(0))
    most, then = limits.caps.get(fact, (0, ""))
    return F.least(size, F.lit(most).cast("bigint")) if then == "cap" else size


def _no_quantity(mapping: EventMapping) -> int:
    """One unit a line of a purchase source without quantities; 0 where units have no meaning."""
    return 1 if mapping.columns.amount or mapping.columns.unit_price else 0


def _given(mapping: EventMapping, read: Reader) -> dict[str, Column]:
    columns = mapping.columns
    return {
        "_given_event_id": read(columns.event_id, is_given, True),
        "_given_event_ts": read(columns.time, is_given),
        "_given_quantity": read(columns.quantity, is_given, False),
        "_given_amount_minor": read(columns.amount or columns.unit_price, is_given, True),
        "_given_discount_minor": F.lit(True),
        "_given_rating": read(columns.rating, is_given, False),
        "_given_dwell_seconds": read(columns.dwell_seconds, is_given, False),
        "_has_currency": F.lit(columns.currency is not None),
    }


def _said_type(mapping: EventMapping, read: Reader) -> Column:
    """The contract's word for what the source says; null when its word is not mapped."""
    if mapping.event_type:
        return F.lit(mapping.event_type)
    known = {**{name: name for name in EVENT_TYPES}, **mapping.event_types}
    table = F.create_map(*[F.lit(word) for pair in known.items() for word in pair])
    return table[read(mapping.columns.event_type, words)]


def _event_type(mapping: EventMapping) -> Column:
    """The said type, with refunds told apart as the source does."""
    by, said = mapping.refunds.by, F.col("_said_type")
    is_back = F.lit(False)
    if by == "negative_quantity":
        is_back = F.coalesce(F.col("quantity") < 0, F.lit(False))
    elif by == "order_prefix":
        is_back = F.coalesce(F.startswith(F.col("order_id"), F.lit(mapping.refunds.prefix)), F.lit(False))
    return F.when((said == "purchase") & is_back, F.lit("refund")).otherwise(said)
