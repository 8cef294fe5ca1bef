"""A shop with two tastes: even customers buy even items, odd ones odd items, every week; hardly anybody item 99."""

from functools import cache

import numpy as np
import pyarrow as pa
import torch

from ltv_features.state import build
from ltv_features.user_items import build_items
from ltv_train.config import RecommendSettings
from ltv_train.recommend.blend import Mix
from ltv_train.recommend.catalogue import Catalogue, catalogue_of
from ltv_train.recommend.recommender import Recommender
from ltv_train.recommend.towers import towers_of
from tests.builders import DAY, Row, event, kernel_events, key_of

AS_OF_US = 20_000 * DAY
ITEMS = 12
RARE = 99
SETTINGS = RecommendSettings(dimension=8, negatives=16, batch_size=32, epochs=1)
MIX = Mix(half_life_days=90.0, order_decay=10.0, popular=0.4, similar=0.2)


def bought(user: str, days_ago: float, order: int, item: int) -> Row:
    """One purchased line of an item."""
    return event(user, "purchase", 20_000 - days_ago, order_key=order, item_no=item, event_key=100 * order + item)


def some_rows(customers: int = 8) -> list[Row]:
    """Two or three items of each customer's taste in each of six weekly orders; and `cold`, who only looked."""
    rows = [event("cold", "view", 19_999, item_no=3)]
    for who in range(customers):
        chance = np.random.default_rng(who)
        mine = np.arange(2 - who % 2, ITEMS + 1, 2)
        for order in range(6):
            chosen = chance.choice(mine, size=2 + order % 2, replace=False)
            rows += [bought(f"u{who}", 1 + 7 * order, 10 * who + order, int(item)) for item in chosen]
    return rows


def some_states(rows: list[Row]) -> tuple[pa.Table, pa.Table]:
    """(USER_STATE, USER_ITEMS) as of AS_OF_US."""
    events = kernel_events(rows)
    return build(events, as_of_us=AS_OF_US), build_items(events, as_of_us=AS_OF_US)


@cache
def some_catalogue() -> Catalogue:
    """Items 1 to 12 with falling popularity, and the rare one, which the towers do not know."""
    number = [*range(1, ITEMS + 1), RARE]
    orders = [*range(30, 30 - ITEMS, -1), 2]
    columns = {"item_no": number, "item_id": [f"i{each}" for each in number]}
    return catalogue_of(
        pa.table(columns | {"buyers": [min(each, 8) for each in orders], "orders": orders, "orders_90": orders})
    )


def some_recommender(mix: Mix = MIX) -> Recommender:
    """Towers before their first step."""
    torch.manual_seed(3)
    return Recommender(towers_of(some_catalogue(), SETTINGS), some_catalogue(), mix)


def keys_of(users: list[str]) -> np.ndarray:
    """user_key of each user."""
    return np.array([key_of(user) for user in users])
