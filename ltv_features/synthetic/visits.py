"""When shoppers come: orders and visits as Poisson processes with season and campaigns, from joining to drop-out."""

from dataclasses import dataclass

import numpy as np

from ltv_features.synthetic.draws import Flags, Floats, Ints, spread
from ltv_features.synthetic.shop import Shop
from ltv_features.synthetic.shoppers import Shoppers

ANONYMOUS_DAYS = 14.0
"""Visits before sign-up lie within so many days before it."""


@dataclass(frozen=True)
class Moments:
    """M points in time: the shopper's place in the block, his how-manieth it is, days since the start.

    `campaign`: the one he was sent that is in force, from 0; -1 for none.
    """

    shopper: Ints
    which: Ints
    day: Floats
    campaign: Ints


def orders(shop: Shop, shoppers: Shoppers) -> Moments:
    """Every order: number 0 is the one at sign-up (of those who buy then), the others follow the rate."""
    later = _process(shop, shoppers, "order", shoppers.rate, campaigns=True)
    first = np.flatnonzero(shoppers.first_order & (shoppers.joined_day < shop.days))
    none = np.zeros(len(first), np.int64)
    return Moments(
        shopper=np.concatenate([first, later.shopper]),
        which=np.concatenate([none, later.which + 1]),
        day=np.concatenate([shoppers.joined_day[first], later.day]),
        campaign=np.concatenate([none - 1, later.campaign]),
    )


def visits(shop: Shop, shoppers: Shoppers) -> Moments:
    """Every visit of a customer that does not end with an order."""
    return _process(shop, shoppers, "visit", shop.browsing * shoppers.rate, campaigns=False)


def anonymous_visits(shop: Shop, shoppers: Shoppers) -> Moments:
    """Visits before sign-up."""
    mean = np.full(len(shoppers.number), shop.anonymous_visits)
    shopper, which = spread(shop.draws.poisson("anonymous visits", shoppers.number, mean))
    before = ANONYMOUS_DAYS * shop.draws.uniform("anonymous visit", shoppers.number[shopper], which)
    return Moments(shopper, which, shoppers.joined_day[shopper] - before, np.full(len(shopper), -1, np.int64))


def _process(shop: Shop, shoppers: Shoppers, what: str, rate: Floats, *, campaigns: bool) -> Moments:
    """Candidates at the highest rate of all days, each kept with the share that its day's rate is of it."""
    factors = shop.season.factors(shop.start, 0, shop.days)
    ceiling = float(factors.max()) * (1.0 + shop.campaigns.lift if campaigns else 1.0)
    active_days = np.maximum(np.minimum(shoppers.drop_out_day, shop.days) - shoppers.joined_day, 0.0)
    shopper, which = spread(shop.draws.poisson(f"{what}/many", shoppers.number, rate * ceiling * active_days))
    who = shoppers.number[shopper]
    day = shoppers.joined_day[shopper] + shop.draws.uniform(f"{what}/day", who, which) * active_days[shopper]
    campaign = shop.campaigns.running(day)
    campaign = np.where(_was_sent(shop, shoppers, shopper, campaign), campaign, -1)
    factor = factors[np.minimum(day.astype(np.int64), shop.days - 1)]
    if campaigns:
        factor = factor * np.where(campaign >= 0, 1.0 + shop.campaigns.lift, 1.0)
    kept = shop.draws.uniform(f"{what}/kept", who, which) * ceiling < factor
    return Moments(shopper[kept], which[kept], day[kept], campaign[kept])


def _was_sent(shop: Shop, shoppers: Shoppers, shopper: Ints, campaign: Ints) -> Flags:
    received = shoppers.received(shop, shop.days)
    if not received.size:
        return np.zeros(len(shopper), np.bool_)
    sent: Flags = received[shopper, np.maximum(campaign, 0)] & (campaign >= 0)
    return sent
