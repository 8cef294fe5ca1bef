"""The smallest delivery: order lines and page views alone, as in the README."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltv_features.synthetic.logs import log
from ltv_features.synthetic.shop import Shop
from ltv_features.synthetic.shoppers import Shoppers


@dataclass(frozen=True)
class World:
    """Rows as a shop would deliver them, and what is behind them.

    `orders`: customer, time, order, item, quantity, price (paid for one unit). `views`: customer, time, item.
    """

    orders: pa.Table
    views: pa.Table
    shop: Shop
    shoppers: Shoppers


def make_world(
    *, users: int, days: int, seed: int, signal: float = 1.0, items: int = 40, start: date = date(2025, 1, 1)
) -> World:
    """A shop of `users` shoppers over `days` days from `start`; half of them join within the first quarter."""
    shop = Shop(users=users, days=days, seed=seed, signal=signal, items=items, start=start, browsing=0.5)
    events = log(shop).filter(pc.field("customer").is_valid())
    orders = events.filter(pc.field("type") == "purchase")
    paid = orders["amount"].cast(pa.float64()).to_numpy()
    unit_minor = np.rint(100 * paid / orders["quantity"].to_numpy())
    orders = orders.select(["customer", "time", "order", "item", "quantity"])
    orders = orders.append_column("price", pa.array(unit_minor / 100))
    views = events.filter(pc.field("type") == "view").select(["customer", "time", "item"])
    return World(orders, views, shop, Shoppers.of(shop, shop.numbers))
