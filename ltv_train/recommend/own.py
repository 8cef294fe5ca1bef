"""What customers bought before, exactly: every order with every item, and how it fades. NumPy and Arrow only."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ltv_features.contract import MICROS_PER_DAY
from ltv_features.ragged import owners, run_starts, unpack

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fade:
    """How much an old order still counts: halved every `half_life_days`, and again by order: exp(-orders since /
    `orders`). Infinity switches one off; with both off the score is the exact number of orders with the item."""

    half_life_days: float = np.inf
    orders: float = np.inf


@dataclass(frozen=True)
class Own:
    """Pairs of customer and item: `who` [N] the customer's row, `item` [N] raw number; orders of a pair are flat [M]:
    `pair` [M], `age_days` [M], `orders_since` [M] how many orders the customer made afterwards."""

    who: Ints
    item: Ints
    pair: Ints
    age_days: Floats
    orders_since: Floats

    def score(self, fade: Fade) -> Floats:
        """[N] faded number of orders with the item."""
        weight = np.exp2(-self.age_days / fade.half_life_days) * np.exp(-self.orders_since / fade.orders)
        return np.bincount(self.pair, weight, minlength=len(self.who)).astype(np.float64)


def own_of(user_items: pa.Table, user_keys: Ints, *, as_of_us: int) -> Own:
    """The pairs of the customers in `user_keys` [B] from USER_ITEMS rows; rows of other customers are left out."""
    order = np.argsort(user_keys, kind="stable")
    keys = user_items["user_key"].to_numpy()
    place = np.minimum(np.searchsorted(user_keys[order], keys), max(len(user_keys) - 1, 0))
    known = user_keys[order][place] == keys if len(user_keys) else np.zeros(len(keys), bool)
    rows = user_items.filter(pa.array(known))
    offsets, orders = unpack(rows["orders"])
    pair = owners(np.diff(offsets))
    who = order[place[known]].astype(np.int64)
    age = (as_of_us - orders["first_us"]) / MICROS_PER_DAY
    since = _orders_since(who[pair], orders["order_key"], orders["first_us"])
    return Own(who, rows["item_no"].to_numpy().astype(np.int64), pair, age.astype(np.float64), since)


def _orders_since(who: Ints, order_key: Ints, first_us: Ints) -> Floats:
    """[M] how many orders of the same customer began after this one."""
    rank = np.lexsort((order_key, who))
    starts = run_starts(who[rank], order_key[rank])
    group = np.zeros(len(who), np.int64)
    group[rank] = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(who))))
    began = np.full(len(starts), np.iinfo(np.int64).max)
    np.minimum.at(began, group, first_us)
    customer = who[rank][starts]
    latest_first = np.lexsort((-began, customer))
    firsts = run_starts(customer[latest_first])
    run = np.repeat(firsts, np.diff(np.append(firsts, len(latest_first))))
    since = np.zeros(len(starts))
    since[latest_first] = np.arange(len(latest_first)) - run
    return since[group]
