"""Why a row is refused: a list of values, each an id, a condition on the row's facts and words for people.

Conditions use constants of the source and facts of the single row, nothing fitted. `mapping.with_facts` makes the
columns they read; a fact that was said but could not be read is null while its `_given_` mark is true.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import Column
from pyspark.sql import functions as F

from ltv_features.contract import MICROS_PER_DAY

MAX_ID_LENGTH = 256
MAX_QUANTITY = 1_000_000_000
_LATEST = "2200-01-01 00:00:00"
UNPRINTABLE = r"[\p{Cc}\p{Cf}\p{Co}\p{Cs}\x{FFFD}]"
"""Control signs, invisible and direction-changing signs, private use, halves of pairs, the mark of broken encoding."""

MONEY_TYPES = ("purchase", "refund")
ITEM_TYPES = ("purchase", "refund", "add_to_cart")


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
    text_ids: tuple[str, ...] = ("event_id", "user_id", "item_id", "order_id", "promotion_id")
    """Ids that came as text; numbers cannot be too long or hold control signs."""


@dataclass(frozen=True)
class Rule:
    """One reason to refuse a row; `id` is what `quarantine.reason` holds and never changes its meaning."""

    id: str
    condition: Callable[[Limits], Column]
    message: str


def _unreadable(fact: str) -> Callable[[Limits], Column]:
    return lambda limits: F.col(f"_given_{fact}") & F.col(fact).isNull()


def _any_id(test: Callable[[Column], Column]) -> Callable[[Limits], Column]:
    def condition(limits: Limits) -> Column:
        refused = F.lit(False)
        for name in limits.text_ids:
            refused = refused | F.coalesce(test(F.col(name)), F.lit(False))
        return refused

    return condition


def _of(*types: str) -> Column:
    return F.col("event_type").isin(*types)


def _in_future(limits: Limits) -> Column:
    if limits.history:
        return F.lit(False)
    return F.unix_micros("event_ts") > F.unix_micros("_landed_ts") + limits.skew_seconds * 1_000_000


def _too_late(limits: Limits) -> Column:
    if limits.history:
        return F.lit(False)
    oldest = F.unix_micros("_landed_ts") - F.lit(limits.lateness_days * MICROS_PER_DAY)
    return (F.unix_micros("event_ts") < oldest) & (F.col("event_ts") >= F.lit(limits.earliest))


def _negative(fact: str) -> Callable[[Limits], Column]:
    return lambda limits: ~_of("refund") & (F.col(fact) < 0)


def _larger_than_any(limits: Limits) -> Column:
    return (F.abs("amount_minor") > limits.max_minor) | (F.abs("discount_minor") > limits.max_minor)


def _without_rate(limits: Limits) -> Column:
    known = F.col("_rate").isNotNull() if limits.has_rates else F.lit(False)
    foreign = ~F.col("currency").eqNullSafe(limits.currency) & ~(known & F.col("currency").isNotNull())
    return F.col("_has_currency") & _of(*MONEY_TYPES) & foreign


def _wrong_sign(limits: Limits) -> Column:
    """Money taken back for goods sold: only where the sign of the quantity tells refunds apart."""
    return F.lit(limits.refund_by_sign) & (F.col("quantity") > 0) & (F.col("amount_minor") < 0)


RULES: tuple[Rule, ...] = (
    Rule(
        "row_corrupt", lambda limits: F.col("_corrupt").isNotNull(), "the line does not fit the header, or is not JSON"
    ),
    Rule("lookup_missed", lambda limits: F.col("_lookup_missed"), "a required lookup found no row"),
    Rule("event_id_missing", lambda limits: ~F.col("_given_event_id"), "the mapped event id is blank"),
    Rule("id_characters", _any_id(lambda c: c.rlike(UNPRINTABLE)), "an id holds unprintable signs"),
    Rule("id_too_long", _any_id(lambda c: F.length(c) > MAX_ID_LENGTH), "an id is longer than 256 signs"),
    Rule(
        "event_type_unknown", lambda limits: F.col("event_type").isNull(), "the event type is not mapped to a known one"
    ),
    Rule("time_missing", lambda limits: ~F.col("_given_event_ts"), "no time"),
    Rule("time_unreadable", _unreadable("event_ts"), "no configured format reads the time"),
    Rule(
        "time_out_of_range",
        lambda limits: (
            (F.col("event_ts") < F.lit(limits.earliest)) | (F.col("event_ts") >= F.lit(_LATEST).cast("timestamp"))
        ),
        "before ingest.earliest_date or after 2200: a unit mistake?",
    ),
    Rule("time_in_future", _in_future, "later than the landing plus ingest.future_skew_days"),
    Rule("time_too_late", _too_late, "more than ingest.lateness_days before the landing, and no history"),
    Rule(
        "item_missing",
        lambda limits: F.lit(limits.needs_item) & _of(*ITEM_TYPES) & F.col("item_id").isNull(),
        "no item",
    ),
    Rule("quantity_unreadable", _unreadable("quantity"), "the quantity is no whole number"),
    Rule("quantity_absurd", lambda limits: F.abs("quantity") > MAX_QUANTITY, "more than a billion units"),
    Rule("quantity_negative", _negative("quantity"), "a negative quantity, but not of a refund"),
    Rule(
        "quantity_zero",
        lambda limits: F.lit(limits.zero_quantity_is_bad) & _of(*MONEY_TYPES) & (F.col("quantity") == 0),
        "quantity 0 (zero_quantity = 'keep' lets it pass)",
    ),
    Rule("amount_missing", lambda limits: _of(*MONEY_TYPES) & ~F.col("_given_amount_minor"), "no amount"),
    Rule("amount_unreadable", _unreadable("amount_minor"), "the amount is no plain number, or has too many digits"),
    Rule("amount_negative", _negative("amount_minor"), "a negative amount, but not of a refund"),
    Rule("amount_sign", _wrong_sign, "a negative amount for a positive quantity"),
    Rule("amount_absurd", _larger_than_any, "an amount or discount above max_amount"),
    Rule("discount_unreadable", _unreadable("discount_minor"), "a discount is no plain number, or has too many digits"),
    Rule("discount_negative", _negative("discount_minor"), "a negative discount, but not of a refund"),
    Rule(
        "currency_unknown",
        _without_rate,
        "not the reporting currency, and no rate of the day",
    ),
    Rule("rating_unreadable", _unreadable("rating"), "the rating is no whole number"),
    Rule("rating_out_of_range", lambda limits: (F.col("rating") < 1) | (F.col("rating") > 5), "stars run from 1 to 5"),
    Rule("dwell_unreadable", _unreadable("dwell_seconds"), "the dwell time is no whole number of seconds"),
    Rule(
        "dwell_out_of_range",
        lambda limits: (F.col("dwell_seconds") < 0) | (F.col("dwell_seconds") > 86_400),
        "0 to a day",
    ),
)

CONFLICT = "event_id_conflict"
"""The reason of a row that says something else under an own event id that is known; only found beside other rows."""

RULE_IDS = tuple(rule.id for rule in RULES)


def refusals(limits: Limits) -> Column:
    """The ids of all rules that refuse the row, in the order of RULES; an empty list when none does."""
    found = [F.when(rule.condition(limits), F.lit(rule.id)) for rule in RULES]
    return F.array_compact(F.array(*found))
