"""What the shop sells: items with category, brand and price, how popular they are, and who chooses which."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ltv_features.synthetic.draws import Floats, Ints, lognormal
from ltv_features.synthetic.names import names
from ltv_features.synthetic.shop import Shop

_MEAN_PRICE = 10.0
_PRICE_SPREAD = 0.5
_BRAND_SPREAD = 0.3
_NOUNS = ("tea", "wine", "soap", "lamp", "sock", "book", "cup", "game", "seed", "rope", "oil", "pen")


@dataclass(frozen=True)
class Catalogue:
    """I items: category, brand, list price in units of the currency [I]. Item 0 is the most popular."""

    category: Ints
    brand: Ints
    price: Floats

    @staticmethod
    def of(shop: Shop) -> "Catalogue":
        """The items of the shop: a brand has a price level, an item its own around it."""
        item = np.arange(shop.items, dtype=np.int64)
        brand = shop.draws.whole("item/brand", item, 0, shop.brands)
        level = lognormal(_BRAND_SPREAD, shop.draws.normal("brand/price", brand))
        price = _MEAN_PRICE * level * lognormal(_PRICE_SPREAD, shop.draws.normal("item/price", item))
        return Catalogue(item % shop.categories, brand, np.maximum(np.round(price, 2), 0.5))

    @property
    def popularity(self) -> Floats:
        """The chance [I] that somebody without taste takes an item: a square law, see `chosen`."""
        edges = np.sqrt(np.arange(len(self.price) + 1) / len(self.price))
        return np.diff(edges)

    def chosen(self, shop: Shop, what: str, favourites: Ints, who: Ints, which: Ints) -> Ints:
        """Items [N]: of `favourites` [N, F] one as often as the shop's shoppers are faithful, else by popularity."""
        popular = (len(self.price) * shop.draws.uniform(f"{what}/popular", who, which) ** 2).astype(np.int64)
        place = shop.draws.whole(f"{what}/place", who, which, favourites.shape[1])
        favourite = favourites[np.arange(len(who)), place]
        return np.where(shop.draws.uniform(f"{what}/faithful", who, which) < faithful(shop), favourite, popular)

    def item_chances(self, shop: Shop, favourites: Ints) -> Floats:
        """The true chance [N, I] of each item on a shopper's next line; a row sums to 1."""
        chances = np.tile((1 - faithful(shop)) * self.popularity, (len(favourites), 1))
        share = faithful(shop) / favourites.shape[1]
        np.add.at(chances, (np.arange(len(favourites))[:, None], favourites), share)
        return chances

    def mean_price(self, shop: Shop, favourites: Ints) -> Floats:
        """The mean list price [N] of what shoppers with these favourites [N, F] take."""
        by_taste = self.price[favourites].mean(axis=1)
        mean: Floats = faithful(shop) * by_taste + (1 - faithful(shop)) * float(self.popularity @ self.price)
        return mean

    def table(self) -> pa.Table:
        """One row an item: item, category, brand, price, title."""
        nouns = [_NOUNS[number % len(_NOUNS)] for number in self.category.tolist()]
        return pa.table(
            {
                "item": names("i", np.arange(len(self.price))),
                "category": names("category ", self.category, digits=2),
                "brand": names("brand ", self.brand, digits=2),
                "price": pa.array(self.price),
                "title": pa.array([f"{noun} {number}" for number, noun in enumerate(nouns)], pa.string()),
            }
        )


def faithful(shop: Shop) -> float:
    """How often a shopper takes a favourite: seven times of ten at full signal, never without one."""
    return 0.7 * min(shop.signal, 1.0)
