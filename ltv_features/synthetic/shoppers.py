"""Who shops there: what drives each shopper and can never be seen, drawn from his number alone."""

from dataclasses import dataclass

import numpy as np

from ltv_features.synthetic.catalogue import Catalogue
from ltv_features.synthetic.draws import Flags, Floats, Ints, lognormal
from ltv_features.synthetic.shop import Shop

FAVOURITES = 6
MEAN_LINES = 2.0
"""An order has 1, 2 or 3 lines, each equally likely."""

UNITS = (0.8, 0.95)
MEAN_UNITS = 1.25
"""A line has 1 unit with probability .8, 2 with .15, 3 with .05; a wholesaler's has as many times the factor."""


@dataclass(frozen=True)
class Shoppers:
    """Latent truth of N shoppers.

    `rate`: orders a day, before season and campaigns. `spend`: paid price by list price. `line_minor`: mean amount of a
    line without campaigns, in minor units. `joined_day`, `drop_out_day`: from the start of the shop, infinite for those
    who never leave. `favourites` [N, 6]: items. `pleased`: mean stars. `first_order`: buys when signing up.
    `guest`: never signs up, so no row of his names a customer.
    """

    number: Ints
    rate: Floats
    spend: Floats
    units_factor: Ints
    line_minor: Floats
    joined_day: Floats
    drop_out_day: Floats
    favourites: Ints
    refund_chance: Floats
    pleased: Floats
    first_order: Flags
    guest: Flags

    @staticmethod
    def of(shop: Shop, numbers: Ints) -> "Shoppers":
        """The shoppers with these numbers [N]; others make no difference to them."""
        draws, n = shop.draws, numbers
        one_time = draws.uniform("one time", n) < shop.one_time_share
        spread = draws.normal("rate", n)
        rate = shop.orders_per_day * lognormal(shop.signal, spread)
        spend = lognormal(0.6 * shop.signal, draws.normal("spend", n))
        units_factor = np.where(draws.uniform("wholesale", n) < shop.wholesale_share, shop.wholesale_factor, 1)
        favourites = _favourites(shop, n)
        mean_price = Catalogue.of(shop).mean_price(shop, favourites)
        refunds = shop.refund_share * lognormal(0.5 * shop.signal, draws.normal("refunds", n))
        joined = _joined_day(shop, n)
        return Shoppers(
            number=n,
            rate=np.where(one_time, 0.0, rate),
            spend=spend,
            units_factor=units_factor.astype(np.int64),
            line_minor=100.0 * shop.money_factor * mean_price * spend * MEAN_UNITS * units_factor,
            joined_day=joined,
            drop_out_day=joined + _lifetime_days(shop, n),
            favourites=favourites,
            refund_chance=np.minimum(refunds, 0.9),
            pleased=3.8 + 0.6 * shop.signal * draws.normal("pleased", n),
            first_order=one_time | (draws.uniform("first order", n) < shop.first_order_share),
            guest=draws.uniform("guest", n) < shop.guest_share,
        )

    def received(self, shop: Shop, before_day: float) -> Flags:
        """Who was sent which campaign of those before that day, [N, C]; only customers who had joined by then."""
        starts = shop.campaigns.starts(before_day)
        who, which = np.repeat(self.number, len(starts)), np.tile(np.arange(len(starts)), len(self.number))
        reached = shop.draws.uniform("reach", who, which) < shop.campaigns.reach
        joined = (self.joined_day[:, None] < starts) & ~self.guest[:, None]
        received: Flags = reached.reshape(joined.shape) & joined
        return received


def _joined_day(shop: Shop, n: Ints) -> Floats:
    early_days = shop.days / 4 if shop.early_days is None else shop.early_days
    late_days = 0.9 * shop.days if shop.late_days is None else shop.late_days
    is_early = shop.draws.uniform("joins early", n) < shop.early_share
    joined: Floats = shop.draws.uniform("joins", n) * np.where(is_early, early_days, late_days)
    return joined


def _lifetime_days(shop: Shop, n: Ints) -> Floats:
    return mean_lifetime_days(shop) * shop.draws.exponential("lifetime", n)


def mean_lifetime_days(shop: Shop) -> float:
    """The mean of the exponential time to drop-out: the longer the weaker the signal, endless without one."""
    return shop.mean_days_to_drop_out / shop.signal if shop.signal else float("inf")


def _favourites(shop: Shop, n: Ints) -> Ints:
    """[N, 6]: half of them from the shopper's favourite category, the others anything."""
    who, place = np.repeat(n, FAVOURITES), np.tile(np.arange(FAVOURITES), len(n))
    category = np.repeat(shop.draws.whole("category", n, 0, min(shop.categories, shop.items)), FAVOURITES)
    in_category = (shop.items - category + shop.categories - 1) // shop.categories
    row = (shop.draws.uniform("favourite", who, place) * in_category).astype(np.int64)
    anything = shop.draws.whole("favourite anywhere", who, place, shop.items)
    return np.where(place % 2 == 0, category + shop.categories * row, anything).reshape(len(n), FAVOURITES)
