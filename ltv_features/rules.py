"""Why a row is refused, and what is worth a note: a list of values, each an id, a condition, words and a severity.

Conditions use constants of the source and facts of the single row, nothing fitted. `mapping.with_facts` makes the
columns they read; a fact that was said but could not be read is null while its `_given_` mark is true.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Literal

from pyspark.sql import Column
from pyspark.sql import functions as F

from ltv_features.conditions import (
    LATEST,
    MAX_ID_LENGTH,
    MAX_QUANTITY,
    MONEY_TYPES,
    UNPRINTABLE,
    Condition,
    Limits,
    above,
    any_id,
    blank,
    filled,
    in_another_unit,
    in_future,
    is_of,
    larger_than_any,
    late,
    negative,
    no_item,
    no_quantity,
    older_rate,
    out_of_range,
    structure,
    taken,
    too_late,
    unreadable,
    without_a_unit,
    without_rate,
    wrong_sign,
    zero_amount,
    zero_quantity,
)


@dataclass(frozen=True)
class Rule:
    """One thing to say of a row; `id` is what `quarantine.reason` holds and never changes its meaning.

    `error` refuses a row, `wish` refuses it because the shop wants it so, which makes no source a bad one, and `note`
    only counts it.
    """

    id: str
    condition: Condition
    message: str
    severity: Literal["error", "wish", "note"] = "error"


UNIT_MISTAKEN = "time_unit_mistaken"
"""The reason of which few rows are enough to hold a night: see `quality.too_bad`."""

ERRORS: tuple[Rule, ...] = (
    Rule(
        "row_corrupt",
        lambda limits: F.col("_corrupt").isNotNull(),
        "the line does not fit the header, is no JSON, or would be misread",
    ),
    Rule("lookup_missed", lambda limits: F.col("_lookup_missed"), "a required lookup found no row"),
    Rule("event_id_missing", lambda limits: ~F.col("_given_event_id"), "the mapped event id is blank"),
    Rule("id_structure", structure, "an id is an object, a list or a truth value of JSON"),
    Rule("id_characters", any_id(lambda c: c.rlike(UNPRINTABLE)), "an id holds unprintable signs"),
    Rule("id_too_long", any_id(lambda c: F.length(c) > MAX_ID_LENGTH), "an id is longer than 256 signs"),
    Rule(
        "event_type_unknown", lambda limits: F.col("event_type").isNull(), "the event type is not mapped to a known one"
    ),
    Rule("time_missing", lambda limits: ~F.col("_given_event_ts"), "no time"),
    Rule(
        UNIT_MISTAKEN,
        in_another_unit,
        "seconds, milliseconds or microseconds since 1970, but not what time_formats says",
    ),
    Rule("time_unreadable", without_a_unit(unreadable("event_ts")), "no configured format reads the time"),
    Rule("time_out_of_range", without_a_unit(out_of_range), "before ingest.earliest_date or after 2200"),
    Rule("time_in_future", in_future, "later than the landing plus ingest.future_skew_days"),
    Rule("time_too_late", too_late, "more than ingest.lateness_days before the landing, and no history"),
    Rule("item_missing", no_item, "no item"),
    Rule("order_missing", blank("order"), "no order, and blank.refuse wants one"),
    Rule("promotion_missing", blank("promotion"), "no promotion, and blank.refuse wants one"),
    Rule("quantity_missing", no_quantity, "no quantity, and a price of units or blank.refuse wants one"),
    Rule("quantity_unreadable", unreadable("quantity"), "the quantity is no whole number"),
    Rule("quantity_absurd", lambda limits: F.abs("quantity") > MAX_QUANTITY, "more than a billion units"),
    Rule("quantity_negative", negative("quantity"), "a negative quantity, but not of a refund"),
    Rule("quantity_zero", zero_quantity, "quantity 0 (zero_quantity = 'keep' lets it pass)"),
    Rule("amount_missing", lambda limits: is_of(*MONEY_TYPES) & ~F.col("_given_amount_minor"), "no amount"),
    Rule("amount_unreadable", unreadable("amount_minor"), "the amount is no plain number, or has too many digits"),
    Rule("amount_negative", negative("amount_minor"), "a negative amount, but not of a refund"),
    Rule("amount_zero", zero_amount, "a purchase for nothing, and zero_amount = 'quarantine'"),
    Rule("amount_sign", wrong_sign, "a negative amount for a positive quantity"),
    Rule("amount_absurd", larger_than_any, "an amount or discount above max_amount"),
    Rule("discount_unreadable", unreadable("discount_minor"), "a discount is no plain number, or has too many digits"),
    Rule("discount_negative", negative("discount_minor"), "a negative discount, but not of a refund"),
    Rule("currency_unknown", without_rate, "not the reporting currency, and no rate of the day"),
    Rule("rating_missing", blank("rating"), "no stars, and blank.refuse wants them"),
    Rule("rating_unreadable", unreadable("rating"), "the rating is no whole number"),
    Rule("rating_out_of_range", lambda limits: (F.col("rating") < 1) | (F.col("rating") > 5), "stars run from 1 to 5"),
    Rule("dwell_missing", blank("dwell_seconds"), "no dwell time, and blank.refuse wants one"),
    Rule("dwell_unreadable", unreadable("dwell_seconds"), "the dwell time is no whole number of seconds"),
    Rule(
        "dwell_out_of_range",
        lambda limits: (F.col("dwell_seconds") < 0) | (F.col("dwell_seconds") > 86_400),
        "0 to a day",
    ),
)

CONFLICT = "event_id_conflict"
"""The reason of a row that says something else under an own event id that is known; only found beside other rows."""

DELETED = "_deleted"
"""The end of the reasons whose rows leave no text behind."""

_CAPPED = ("amount", "discount", "quantity", "dwell_seconds")
_FILLED = ("amount", "quantity", "item", "currency", "rating", "dwell_seconds")
WISHES = (
    *(Rule(f"{fact}_set_apart", above(fact, "set_apart"), "above the shop's own limit", "wish") for fact in _CAPPED),
    *(Rule(f"{fact}{DELETED}", above(fact, "delete"), "above the shop's own limit", "wish") for fact in _CAPPED),
)
_TAKEN = ("quantity", "item", "currency", "rating", "dwell_seconds")
NOTES = (
    Rule(
        "id_respelt",
        lambda limits: F.col("_respelt"),
        "an id had blanks around it, or came in another form of Unicode: all spellings are one",
        "note",
    ),
    Rule("rate_of_earlier_day", older_rate, "its day has no rate, one of up to max_age_days before counts", "note"),
    Rule("late", late, "it came later than a day after it happened; nights since then are restated", "note"),
    *(Rule(f"{fact}_capped", above(fact, "cap"), "set to the shop's own limit", "note") for fact in _CAPPED),
    *(Rule(f"{fact}_filled", filled(fact), "blank, the configured constant stands there", "note") for fact in _FILLED),
    *(Rule(f"{fact}_last_known", taken(fact), "blank, the last one said stands there", "note") for fact in _TAKEN),
)

_FIRST_COUNTED = "2000-01-01 00:00:00"
VISITOR_MISSING = "visitor_missing"
ELSEWHERE: Mapping[str, str] = {
    CONFLICT: "another row of this source says something else under the same event id",
    "link_conflict": "of links: the visitor is another customer already",
    VISITOR_MISSING: "of links: no visitor",
    "model_failed": "of users: the model failed for them, and a fallback speaks in its place",
}
"""What refuses a row for more than the row itself, or a row that is no event."""

RULES = (*ERRORS, *WISHES)
WISH_IDS = tuple(rule.id for rule in WISHES)


def refusals(limits: Limits) -> Column:
    """The ids of all rules that refuse the row, in the order of RULES; an empty list when none does."""
    return _found(RULES, limits)


def notes(limits: Limits) -> Column:
    """The ids of what is worth a note, in the order of NOTES."""
    return _found(NOTES, limits)


def noted_ids(limits: Limits) -> list[str]:
    """The notes that these settings can lead to."""
    return [rule.id for rule in NOTES if rule.condition(limits) is not None]


def _found(rules: Sequence[Rule], limits: Limits) -> Column:
    possible = {rule.id: rule.condition(limits) for rule in rules}
    found = [F.when(condition, F.lit(name)) for name, condition in possible.items() if condition is not None]
    return F.array_compact(F.array(*found)) if found else F.array().cast("array<string>")


@dataclass(frozen=True)
class Since:
    """Since when a profile, an item or a link holds: the instant that was read, whether one is said, and whether that
    is a number that counts time in some unit.
    """

    read: Column
    said: Column
    counts: Column


def refusals_of_description(*ids: Column, missing: Mapping[str, Column], since: Since) -> Column:
    """The ids of all rules that refuse a profile, an item or a link: `missing` ones by rule, `ids` that may be odd, and
    since when it holds. A date may lie long ago; a number that counts time may not.
    """
    out = F.coalesce(since.read >= F.lit(LATEST).cast("timestamp"), F.lit(False))
    recent = F.coalesce(since.read >= F.lit(_FIRST_COUNTED).cast("timestamp"), F.lit(False)) & ~out
    long, odd = ([F.coalesce(test(each), F.lit(False)) for each in ids] for test in (_too_long, _unprintable))
    found = {
        "row_corrupt": F.col("_corrupt").isNotNull(),
        **missing,
        "id_characters": reduce(or_, odd),
        "id_too_long": reduce(or_, long),
        "time_missing": ~since.said,
        UNIT_MISTAKEN: since.counts & ~recent,
        "time_unreadable": since.said & since.read.isNull() & ~since.counts,
        "time_out_of_range": out & ~since.counts,
    }
    return F.array_compact(F.array(*[F.when(wrong, F.lit(rule)) for rule, wrong in found.items()]))


def _unprintable(text: Column) -> Column:
    return text.rlike(UNPRINTABLE)


def _too_long(text: Column) -> Column:
    return F.length(text) > MAX_ID_LENGTH


def only_wished(rules: Column) -> Column:
    """Whether a row is refused by the shop's wishes alone."""
    return (F.size(rules) > 0) & (F.size(F.array_except(rules, F.array(*map(F.lit, WISH_IDS)))) == 0)


if __name__ == "__main__":
    for each in (*RULES, *NOTES):
        print(f"{each.id:<24} {each.severity:<6} {each.message}")
    for name, message in ELSEWHERE.items():
        print(f"{name:<24} {'error':<6} {message}")
