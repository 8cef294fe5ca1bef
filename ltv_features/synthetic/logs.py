"""The log of a shop as it would be delivered, with types: events of all eleven kinds, and customer profiles.

A block is any set of shoppers; the rows of a shopper are the same in every block. Rows of guests, and what somebody did
before signing up, name no customer.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltv_features.contract import EVENT_TYPES, TYPE_ID
from ltv_features.synthetic import browsing, buying, visits
from ltv_features.synthetic.draws import Flags, Ints
from ltv_features.synthetic.names import MONEY, TIME, instants, joined, money, names, only_where, picked
from ltv_features.synthetic.rows import Rows, stacked
from ltv_features.synthetic.shop import Shop
from ltv_features.synthetic.shoppers import Shoppers

LOG_SCHEMA = pa.schema(
    {
        "event_id": pa.string(),
        "customer": pa.string(),
        "time": TIME,
        "type": pa.string(),
        "order": pa.string(),
        "item": pa.string(),
        "quantity": pa.int64(),
        "amount": MONEY,
        "discount": MONEY,
        "currency": pa.string(),
        "rating": pa.int64(),
        "dwell": pa.int64(),
        "campaign": pa.string(),
    }
)
"""The columns of a delivered log; null where a fact has no meaning for the type, or nobody is named."""

CUSTOMER_SCHEMA = pa.schema(
    {
        "customer": pa.string(),
        "since": TIME,
        "country": pa.string(),
        "channel": pa.string(),
        "club": pa.string(),
        "birth_year": pa.int64(),
        "no_profiling": pa.string(),
    }
)

_COUNTRIES = ("DE", "FR", "IT", "NL", "PL")
_CHANNELS = ("search", "friend", "advert", "newsletter")
_WITH_ACCOUNT = ("signup", "login", "promotion_received", "promotion_redeemed")


def log(shop: Shop, numbers: Ints | None = None) -> pa.Table:
    """LOG_SCHEMA: every event of the shoppers with these numbers (default: all), by time."""
    shoppers = Shoppers.of(shop, shop.numbers if numbers is None else numbers)
    found = _events(shop, shoppers)
    named = ~shoppers.guest[found.shopper] & (found.day >= shoppers.joined_day[found.shopper])
    with_account = np.isin(found.type, [TYPE_ID[name] for name in _WITH_ACCOUNT])
    kept = (found.day >= 0) & (found.day < shop.days) & (named | ~with_account)
    found, named = found.take(kept), named[kept]
    seconds = shop.seconds(0) + np.floor(found.day * 86_400).astype(np.int64)
    by_shopper = np.lexsort((found.type, seconds, found.shopper))
    found, named, seconds = found.take(by_shopper), named[by_shopper], seconds[by_shopper]
    rank = np.arange(len(found)) - np.searchsorted(found.shopper, found.shopper)
    return _table(shop, shoppers, found, named, seconds, rank).take(pa.array(np.lexsort((found.shopper, seconds))))


def _events(shop: Shop, shoppers: Shoppers) -> Rows:
    orders = visits.orders(shop, shoppers)
    lines, key = buying.purchases(shop, shoppers, orders)
    before_orders = replace(orders, day=orders.day - browsing.BEFORE_ORDER)
    anonymous = visits.anonymous_visits(shop, shoppers)
    return stacked(
        [
            browsing.sign_ups(shoppers),
            replace(lines, campaign=np.full(len(lines), -1, np.int64)),
            buying.refunds(shop, shoppers, lines, key),
            buying.reviews(shop, shoppers, lines, key),
            buying.mailings(shop, shoppers),
            buying.redemptions(shop, shoppers, orders),
            browsing.carts_of_orders(lines),
            *browsing.of_visits(shop, shoppers, "order", before_orders, ends_with_order=True),
            *browsing.of_visits(shop, shoppers, "visit", visits.visits(shop, shoppers), ends_with_order=False),
            *browsing.of_visits(shop, shoppers, "anonymous", anonymous, ends_with_order=False),
        ]
    )


def _table(shop: Shop, shoppers: Shoppers, found: Rows, named: Flags, seconds: Ints, rank: Ints) -> pa.Table:
    number = shoppers.number[found.shopper]
    is_money = found.order >= 0
    columns = {
        "event_id": joined("e", number, rank),
        "customer": only_where(named, names("c", number)),
        "time": instants(seconds),
        "type": picked(EVENT_TYPES, found.type - 1),
        "order": only_where(is_money, joined("o", number, found.order)),
        "item": only_where(found.item >= 0, names("i", found.item)),
        "quantity": only_where(found.quantity >= 0, pa.array(found.quantity)),
        "amount": only_where(is_money, money(found.amount_minor)),
        "discount": only_where(is_money, money(found.discount_minor)),
        "currency": only_where(is_money, pa.array([shop.currency]).take(pa.array(np.zeros(len(found), np.int64)))),
        "rating": only_where(found.rating > 0, pa.array(found.rating)),
        "dwell": only_where(found.dwell_seconds > 0, pa.array(found.dwell_seconds)),
        "campaign": only_where(found.campaign >= 0, names("p", found.campaign, digits=3)),
    }
    return pa.table(columns, schema=LOG_SCHEMA)


def customers(shop: Shop, numbers: Ints | None = None) -> pa.Table:
    """CUSTOMER_SCHEMA: a profile at sign-up, for some a second one when they join the club; one of fifty objects."""
    shoppers = Shoppers.of(shop, shop.numbers if numbers is None else numbers)
    draws, everybody = shop.draws, shoppers.number
    club_day = shoppers.joined_day + 120 * draws.exponential("club/day", everybody)
    has_club = draws.uniform("club", everybody) < 0.2
    days = np.concatenate([shoppers.joined_day, np.where(has_club, club_day, np.inf)])
    version = np.repeat([0, 1], len(everybody))
    kept = np.flatnonzero((days < shop.days) & ~np.tile(shoppers.guest, 2))
    n, version = np.tile(everybody, 2)[kept], version[kept]
    seconds = shop.seconds(0) + np.floor(days[kept] * 86_400).astype(np.int64)
    columns = {
        "customer": names("c", n),
        "since": instants(seconds),
        "country": picked(_COUNTRIES, draws.whole("country", n, 0, len(_COUNTRIES))),
        "channel": picked(_CHANNELS, draws.whole("channel", n, 0, len(_CHANNELS))),
        "club": pc.if_else(pa.array(version == 1), "gold", pa.scalar(None, pa.string())),
        "birth_year": pa.array(1940 + draws.whole("birth", n, 0, 65)),
        "no_profiling": picked(("no", "yes"), draws.uniform("objects", n) < 0.02),
    }
    return pa.table(columns, schema=CUSTOMER_SCHEMA).sort_by([("customer", "ascending"), ("since", "ascending")])
