"""What can be seen on a single row, from the facts that `mapping.with_facts` makes and the constants of its source."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import Column
from pyspark.sql import functions as F

from ltv_features.contract import MICROS_PER_DAY

MAX_ID_LENGTH = 256
MAX_QUANTITY = 1_000_000_000
LATEST = "2200-01-01 00:00:00"
UNPRINTABLE = r"[\p{Cc}\p{Cf}\p{Co}\p{Cs}\x{FFFD}]"
"""Control signs, invisible and direction-changing signs, private use, halves of pairs, the mark of broken encoding."""

MONEY_TYPES = ("purchase", "refund")
ITEM_TYPES = ("purchase", "refund", "add_to_cart")
TYPES_WITH: Mapping[str, tuple[str, ...]] = {
    "amount": MONEY_TYPES,
    "currency": MONEY_TYPES,
    "order": MONEY_TYPES,
    "quantity": ITEM_TYPES,
    "item": ITEM_TYPES,
    "rating": ("review",),
    "dwell_seconds": ("view",),
    "promotion": ("promotion_received", "promotion_redeemed"),
}
"""The event types of which a blank value of the fact is worth a word."""

COLUMN_OF = {
    "amount": "amount_minor", "discount": "discount_minor", "quantity": "quantity", "dwell_seconds": "dwell_seconds",
    "order": "order_id", "item": "item_id", "promotion": "promotion_id", "rating": "rating", "currency": "currency",
}  # fmt: skip
"""The column in which a fact of the configuration stands."""
_TEXTS = ("order", "item", "promotion", "currency")


@dataclass(frozen=True)
class Limits:
    """The constants of one source that its rules compare with."""

    earliest: datetime
    skew_seconds: int
    lateness_days: int
    history: bool
    zero_quantity_is_bad: bool
    needs_item: bool
    refund_by_sign: bool
    currency: str
    max_minor: int
    has_rates: bool = False
    priced_by_unit: bool = False
    zero_amount_is_bad: bool = False
    refuse_blank: tuple[str, ...] = ()
    fill_blank: tuple[str, ...] = ()
    last_known: tuple[str, ...] = ()
    caps: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """By fact the shop's own limit, in the units of its column, and what to do above it."""
    json_ids: bool = False
    """Whether ids came from JSON, where an object or a list would become its text."""
    text_ids: tuple[str, ...] = ("event_id", "user_id", "visitor_id", "item_id", "order_id", "promotion_id")
    """Ids that came as text; numbers cannot be too long or hold control signs."""


Condition = Callable[[Limits], Column | None]
"""Whether a row shows it; None where the source's settings rule it out."""


def unreadable(fact: str) -> Callable[[Limits], Column]:
    return lambda limits: F.col(f"_given_{fact}") & F.col(fact).isNull()


def any_id(test: Callable[[Column], Column]) -> Callable[[Limits], Column]:
    def condition(limits: Limits) -> Column:
        refused = F.lit(False)
        for name in limits.text_ids:
            refused = refused | F.coalesce(test(F.col(name)), F.lit(False))
        return refused

    return condition


def structure(limits: Limits) -> Column | None:
    """Whether an id was an object, a list or a truth value of JSON."""
    return any_id(lambda c: c.rlike(r"^(\{.*\}|\[.*\]|true|false)$"))(limits) if limits.json_ids else None


def is_of(*types: str) -> Column:
    return F.col("event_type").isin(*types)


def out_of_range(limits: Limits) -> Column:
    return (F.col("event_ts") < F.lit(limits.earliest)) | (F.col("event_ts") >= F.lit(LATEST).cast("timestamp"))


def without_a_unit(test: Callable[[Limits], Column]) -> Callable[[Limits], Column]:
    """The test of rows whose time is no number of another unit: that is reason enough."""
    return lambda limits: test(limits) & ~F.col("_counts_time")


def in_another_unit(limits: Limits) -> Column:
    """A number that is a time of this age, but not in the unit in which the source says that it counts."""
    return F.col("_counts_time") & (F.col("event_ts").isNull() | out_of_range(limits))


def in_future(limits: Limits) -> Column | None:
    if limits.history:
        return None
    return F.unix_micros("event_ts") > F.unix_micros("_landed_ts") + limits.skew_seconds * 1_000_000


def too_late(limits: Limits) -> Column | None:
    if limits.history:
        return None
    oldest = F.unix_micros("_landed_ts") - F.lit(limits.lateness_days * MICROS_PER_DAY)
    return (F.unix_micros("event_ts") < oldest) & (F.col("event_ts") >= F.lit(limits.earliest))


def negative(fact: str) -> Callable[[Limits], Column]:
    return lambda limits: ~is_of("refund") & (F.col(fact) < 0)


def larger_than_any(limits: Limits) -> Column:
    return (F.abs("amount_minor") > limits.max_minor) | (F.abs("discount_minor") > limits.max_minor)


def without_rate(limits: Limits) -> Column:
    known = F.col("_rate").isNotNull() if limits.has_rates else F.lit(False)
    foreign = ~F.col("currency").eqNullSafe(limits.currency) & ~(known & F.col("currency").isNotNull())
    return F.col("_has_currency") & is_of(*MONEY_TYPES) & foreign


def is_blank(columns: Collection[str], fact: str) -> Column:
    """Whether an event whose type has such a fact says nothing of it; `columns` are those of the rows."""
    column, given = COLUMN_OF[fact], f"_given_{COLUMN_OF[fact]}"
    unsaid = ~F.col(given) if given in columns else F.col(column).isNull()
    return F.coalesce(F.col("_said_type").isin(*TYPES_WITH[fact]) & unsaid, F.lit(False))


def is_told(fact: str) -> Column:
    """Whether a row says the fact: a text that is there, a number above 0."""
    column = F.col(COLUMN_OF[fact])
    return column.isNotNull() if fact in _TEXTS else F.coalesce(column > 0, F.lit(False))


def older_rate(limits: Limits) -> Column | None:
    return is_of(*MONEY_TYPES) & F.col("_rate_is_older") if limits.has_rates else None


def wrong_sign(limits: Limits) -> Column | None:
    """Money taken back for goods sold: only where the sign of the quantity tells refunds apart."""
    return (F.col("quantity") > 0) & (F.col("amount_minor") < 0) if limits.refund_by_sign else None


def no_item(limits: Limits) -> Column | None:
    return is_of(*ITEM_TYPES) & F.col("item_id").isNull() if limits.needs_item else None


def zero_quantity(limits: Limits) -> Column | None:
    return is_of(*MONEY_TYPES) & (F.col("quantity") == 0) if limits.zero_quantity_is_bad else None


def zero_amount(limits: Limits) -> Column | None:
    return is_of("purchase") & (F.col("amount_minor") == 0) if limits.zero_amount_is_bad else None


def blank(fact: str) -> Condition:
    def condition(limits: Limits) -> Column | None:
        if fact not in limits.refuse_blank:
            return None
        is_id = fact in ("order", "promotion")
        return is_of(*TYPES_WITH[fact]) & (F.col(COLUMN_OF[fact]).isNull() if is_id else ~F.col(f"_given_{fact}"))

    return condition


def no_quantity(limits: Limits) -> Column | None:
    """A blank that the shop refuses, or one beside the price of a unit: of how many nobody knows."""
    refused = blank("quantity")(limits)
    if not limits.priced_by_unit:
        return refused
    unpriced = ~F.col("_given_quantity") & unreadable("amount_minor")(limits)
    return unpriced if refused is None else refused | unpriced


def filled(fact: str) -> Condition:
    return lambda limits: F.col(f"_filled_{fact}") if fact in limits.fill_blank else None


def taken(fact: str) -> Condition:
    return lambda limits: F.col(f"_known_{fact}") if fact in limits.last_known else None


def late(limits: Limits) -> Column | None:
    """Whether it happened before the day before it landed, so that an earlier night would have had it."""
    if limits.history:
        return None
    day_before = F.unix_micros(F.date_trunc("day", "_landed_ts")) - F.lit(MICROS_PER_DAY)
    return F.unix_micros("event_ts") < day_before


def above(fact: str, then: str) -> Condition:
    def condition(limits: Limits) -> Column | None:
        most, wanted = limits.caps.get(fact, (0, ""))
        return F.abs(COLUMN_OF[fact]) > most if wanted == then else None

    return condition
