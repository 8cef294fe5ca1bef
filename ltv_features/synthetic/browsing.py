"""What happens around orders: sign-up, log-in, search, pages, clicks and carts, with or without a name."""

from collections.abc import Iterator

import numpy as np

from ltv_features.synthetic.buying import MINUTE
from ltv_features.synthetic.catalogue import Catalogue
from ltv_features.synthetic.draws import Ints, spread
from ltv_features.synthetic.rows import Rows, rows
from ltv_features.synthetic.shop import Shop
from ltv_features.synthetic.shoppers import Shoppers
from ltv_features.synthetic.visits import Moments

_LOGIN, _SEARCH, _CLICK, _CART = 0.7, 0.4, 0.4, 0.15
_MOST_PAGES = 8
_MOST_DWELL_SECONDS = 1_800
_CART_BEFORE_ORDER = 2 * MINUTE
BEFORE_ORDER = 12 * MINUTE
"""A visit that ends with an order begins so long before it; its pages take at most 9 minutes."""


def sign_ups(shoppers: Shoppers) -> Rows:
    """One for each shopper, at joining."""
    return rows("signup", np.arange(len(shoppers.number)), shoppers.joined_day)


def carts_of_orders(lines: Rows) -> Rows:
    """Every line lay in a cart shortly before."""
    return rows("add_to_cart", lines.shopper, lines.day - _CART_BEFORE_ORDER, item=lines.item, quantity=lines.quantity)


def of_visits(shop: Shop, shoppers: Shoppers, what: str, visits: Moments, *, ends_with_order: bool) -> Iterator[Rows]:
    """The events of visits that begin at `visits.day`; `what` names their draws.

    One to eight pages a minute apart, each with an item of the shopper's taste; carts that are left behind only where
    no order follows.
    """
    who, draws = shoppers.number[visits.shopper], shop.draws
    logs_in = draws.uniform(f"{what}/login", who, visits.which) < _LOGIN
    yield rows("login", visits.shopper[logs_in], visits.day[logs_in])
    searches = draws.uniform(f"{what}/search", who, visits.which) < _SEARCH
    yield rows("search", visits.shopper[searches], visits.day[searches] + MINUTE / 2)
    pages = 1 + (1.5 * draws.exponential(f"{what}/pages", who, visits.which)).astype(np.int64)
    visit, page = spread(np.minimum(pages, _MOST_PAGES))
    views = _views(shop, shoppers, what, visits, visit, page)
    yield views
    number, key = who[visit], _key(visits.which[visit], page)
    clicks = draws.uniform(f"{what}/click", number, key) < _CLICK
    clicked = views.take(clicks)
    yield rows("click", clicked.shopper, clicked.day + MINUTE / 3, item=clicked.item)
    if not ends_with_order:
        left = (draws.uniform(f"{what}/cart", number, key) < _CART) & (page == 0)
        put = views.take(left)
        yield rows("add_to_cart", put.shopper, put.day + MINUTE / 2, item=put.item, quantity=np.ones_like(put.item))


def _views(shop: Shop, shoppers: Shoppers, what: str, visits: Moments, visit: Ints, page: Ints) -> Rows:
    shopper, key = visits.shopper[visit], _key(visits.which[visit], page)
    number = shoppers.number[shopper]
    item = Catalogue.of(shop).chosen(shop, f"{what}/page", shoppers.favourites[shopper], number, key)
    dwell = 30 * np.exp(0.8 * shop.draws.normal(f"{what}/dwell", number, key))
    dwell_seconds = np.clip(dwell, 1, _MOST_DWELL_SECONDS).astype(np.int64)
    return rows("view", shopper, visits.day[visit] + (page + 1) * MINUTE, item=item, dwell_seconds=dwell_seconds)


def _key(visit: Ints, page: Ints) -> Ints:
    return _MOST_PAGES * visit + page
