"""What an order brings: its lines, money that goes back, reviews, and the campaigns behind it."""

import numpy as np

from ltv_features.synthetic.catalogue import Catalogue
from ltv_features.synthetic.draws import Ints, lognormal, spread
from ltv_features.synthetic.rows import Rows, rows
from ltv_features.synthetic.shop import Shop
from ltv_features.synthetic.shoppers import UNITS, Shoppers
from ltv_features.synthetic.visits import Moments

MINUTE = 1 / 1440
_PRICE_NOISE = 0.3
_LINES_A_KEY = 4
_REVIEW_DELAY_DAYS = 7.0


def purchases(shop: Shop, shoppers: Shoppers, orders: Moments) -> tuple[Rows, Ints]:
    """The order lines, and each line's key [R]: which line of its shopper it is, for draws of its own.

    An order whose shopper was sent the campaign in force redeems it with the campaign's chance, on all of its lines.
    """
    who = shoppers.number[orders.shopper]
    order, line = spread(1 + shop.draws.whole("order/lines", who, orders.which, 3))
    shopper, key = orders.shopper[order], _LINES_A_KEY * orders.which[order] + line
    number = shoppers.number[shopper]
    catalogue = Catalogue.of(shop)
    item = catalogue.chosen(shop, "line", shoppers.favourites[shopper], number, key)
    noise = lognormal(_PRICE_NOISE, shop.draws.normal("line/price", number, key))
    unit_minor = np.maximum(np.rint(100 * catalogue.price[item] * shoppers.spend[shopper] * noise), 1.0)
    units = 1 + np.searchsorted(UNITS, shop.draws.uniform("line/units", number, key))
    quantity = units * shoppers.units_factor[shopper]
    full_minor = unit_minor.astype(np.int64) * quantity
    campaign = redeemed(shop, shoppers, orders)[order]
    discount = np.where(campaign >= 0, np.rint(full_minor * shop.campaigns.discount), 0).astype(np.int64)
    lines = rows(
        "purchase", shopper, orders.day[order], order=orders.which[order], item=item, quantity=quantity,
        amount_minor=shop.money_factor * (full_minor - discount), discount_minor=shop.money_factor * discount,
        campaign=campaign,
    )  # fmt: skip
    return lines, key


def redeemed(shop: Shop, shoppers: Shoppers, orders: Moments) -> Ints:
    """The campaign that each order redeems, -1 for none."""
    chance = shop.draws.uniform("redeemed", shoppers.number[orders.shopper], orders.which)
    return np.where(chance < shop.campaigns.redeemed, orders.campaign, -1)


def redemptions(shop: Shop, shoppers: Shoppers, orders: Moments) -> Rows:
    """One event for each order that redeems a campaign."""
    campaign = redeemed(shop, shoppers, orders)
    used = campaign >= 0
    return rows("promotion_redeemed", orders.shopper[used], orders.day[used], campaign=campaign[used])


def mailings(shop: Shop, shoppers: Shoppers) -> Rows:
    """Campaigns received, at midnight of their first day."""
    shopper, campaign = np.nonzero(shoppers.received(shop, shop.days))
    day = shop.campaigns.starts(shop.days)[campaign].astype(np.float64)
    return rows("promotion_received", shopper.astype(np.int64), day, campaign=campaign.astype(np.int64))


def refunds(shop: Shop, shoppers: Shoppers, lines: Rows, key: Ints) -> Rows:
    """Whole lines that go back, each with its shopper's chance, after an exponential delay."""
    number = shoppers.number[lines.shopper]
    back = shop.draws.uniform("refund", number, key) < shoppers.refund_chance[lines.shopper]
    delay = shop.refund_delay_days * shop.draws.exponential("refund/delay", number[back], key[back])
    bought = lines.take(back)
    return rows(
        "refund", bought.shopper, bought.day + delay, order=bought.order, item=bought.item,
        quantity=bought.quantity, amount_minor=bought.amount_minor,
    )  # fmt: skip


def reviews(shop: Shop, shoppers: Shoppers, lines: Rows, key: Ints) -> Rows:
    """Stars from 1 to 5 around how pleased the shopper is, some days after the line."""
    number = shoppers.number[lines.shopper]
    told = shop.draws.uniform("review", number, key) < shop.review_share
    bought, who, which = lines.take(told), number[told], key[told]
    delay = _REVIEW_DELAY_DAYS * shop.draws.exponential("review/delay", who, which)
    stars = np.rint(shoppers.pleased[bought.shopper] + shop.draws.normal("review/stars", who, which))
    rating = np.clip(stars, 1, 5).astype(np.int64)
    return rows("review", bought.shopper, bought.day + delay, item=bought.item, rating=rating)
