"""Money in minor units of the reporting currency, by the digits and the rate of the currency an event ends up with."""

from collections.abc import Callable, Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ltv_features.conditions import MAX_QUANTITY
from ltv_features.config import ShopSettings
from ltv_features.mapping import Reader, in_units, with_filled
from ltv_features.parsing import exact_decimal, is_given, minor_units, with_point
from ltv_features.sources import EventMapping

PRICE_DIGITS = 6
"""A unit price may have more digits than the currency (fuel, screws); the line's amount is rounded half up."""

_UNRATED_DIGITS = 4
_OTHER_DIGITS: Mapping[int, tuple[str, ...]] = {
    0: ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
        "XPF"),
    3: ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"),
    4: ("CLF", "UYW"),
}  # fmt: skip
"""Of other currencies than the reporting one, by ISO 4217; those that are not named here have 2."""


def with_money(rows: DataFrame, mapping: EventMapping, shop: ShopSettings, read: Reader) -> DataFrame:
    """`rows` (facts, and `_rate` where the shop has rates) with `amount_minor` and `discount_minor`, still signed.

    They are null where they cannot be read. Where there are rates `_unrated_amount` and `_unrated_discount` say what
    was delivered, in 10,000ths of its own currency: that stays, whatever the rate of the day becomes.
    """
    rate = _rate(shop)
    money = {"amount_minor": _amount(mapping, shop, read, shop.minor_digits, rate)}
    money["discount_minor"] = _discount(mapping, shop, read, shop.minor_digits, rate)
    if rate is not None:
        money["_unrated_amount"] = _amount(mapping, shop, read, _UNRATED_DIGITS)
        money["_unrated_discount"] = _discount(mapping, shop, read, _UNRATED_DIGITS)
    rows, fill = rows.withColumns(money), mapping.blank.fill.amount
    return rows if fill is None else with_filled(rows, "amount", F.lit(in_units("amount", fill, shop)))


def _amount(mapping: EventMapping, shop: ShopSettings, read: Reader, digits: int, rate: Column | None = None) -> Column:
    columns = mapping.columns
    if columns.amount:
        return minor_units(_said(columns.amount, mapping, shop, read), digits, rate)
    if columns.unit_price is None:
        return F.lit(0).cast("bigint")
    price = read(columns.unit_price, _exact(mapping, PRICE_DIGITS))
    bounded = F.when(F.abs("quantity") <= MAX_QUANTITY, F.col("quantity")).cast("decimal(10,0)")
    return minor_units(price * bounded, digits, rate)


def _discount(
    mapping: EventMapping, shop: ShopSettings, read: Reader, digits: int, rate: Column | None = None
) -> Column:
    """The sum of the discount columns; a blank one counts as none, an unreadable one makes the sum null."""
    total = F.lit(0).cast("bigint")
    for name in mapping.columns.discounts:
        one = minor_units(_said(name, mapping, shop, read), digits, rate)
        total = total + F.when(read(name, is_given), one).otherwise(F.lit(0))
    return total


def _rate(shop: ShopSettings) -> Column | None:
    """Of the event's currency; 1 where none is known, which a rule refuses."""
    return F.coalesce(F.col("_rate"), F.lit(1).cast("decimal(16,8)")) if shop.rates else None


def _said(name: str, mapping: EventMapping, shop: ShopSettings, read: Reader) -> Column:
    """The exact amount as delivered, with no more digits than its currency has."""
    home = read(name, _exact(mapping, shop.minor_digits))
    if shop.rates is None or mapping.columns.currency is None:
        return home
    money = F.coalesce(F.col("currency"), F.lit(shop.currency))
    said = F.when(money == shop.currency, home)
    for digits, currencies in _OTHER_DIGITS.items():
        said = said.when(money.isin(*currencies), read(name, _exact(mapping, digits)))
    return said.otherwise(read(name, _exact(mapping, 2)))


def _exact(mapping: EventMapping, digits: int) -> Callable[[Column, T.DataType], Column]:
    """Reads money with the source's decimal sign; text with the other sign is unreadable, never guessed."""
    return lambda column, kind: exact_decimal(with_point(column, kind, mapping.decimal), kind, digits)
