"""The items of an origin, and the number that the two towers know each of them by."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
MIN_BUYERS = 5
"""Items with fewer buyers are not learned; whoever bought them can still be offered them again."""


@dataclass(frozen=True)
class Catalogue:
    """`number` [V] ascending raw item numbers, `ids` [V], `orders` and `recent` [V] orders so far and in the last 90
    days, `row` [V] the item's row in the towers, from 1; 0 for an item that they do not know."""

    number: Ints
    ids: tuple[str, ...]
    orders: npt.NDArray[np.float64]
    recent: npt.NDArray[np.float64]
    row: Ints

    @property
    def popularity(self) -> list[float]:
        """Orders of the known items in the order of their rows."""
        known = self.row > 0
        return [float(count) for count in self.orders[known][np.argsort(self.row[known])]]

    @property
    def known_numbers(self) -> Ints:
        """Raw numbers of the known items in the order of their rows."""
        known = self.row > 0
        return self.number[known][np.argsort(self.row[known])]

    def place(self, raw: npt.NDArray[Any]) -> Ints:
        """The place of raw numbers in this catalogue, any shape; -1 for numbers it does not hold (0 among them)."""
        if not len(self.number):
            return np.full(raw.shape, -1, np.int64)
        found = np.minimum(np.searchsorted(self.number, raw), len(self.number) - 1)
        return np.where(self.number[found] == raw, found, -1).astype(np.int64)

    def rows(self, raw: npt.NDArray[Any]) -> Ints:
        """Rows in the towers for raw numbers of any shape; 0 for padding and unknown items."""
        return np.append(self.row, 0)[self.place(raw)]

    def table(self) -> pa.Table:
        """The catalogue as a table, for the bundle."""
        columns = {"item_no": self.number, "orders": self.orders, "recent": self.recent, "row": self.row}
        return pa.table({**columns, "item_id": list(self.ids)})

    @staticmethod
    def from_table(table: pa.Table) -> "Catalogue":
        """The catalogue that `table` wrote."""
        number, orders, recent, row = (table[name].to_numpy() for name in ("item_no", "orders", "recent", "row"))
        return Catalogue(number, tuple(table["item_id"].to_pylist()), orders, recent, row)


def catalogue_of(items: pa.Table, *, min_buyers: int = MIN_BUYERS) -> Catalogue:
    """The catalogue from the item statistics of an origin (item_no, item_id, buyers, orders, orders_90)."""
    table = items.take(pa.array(np.argsort(items["item_no"].to_numpy(), kind="stable")))
    known = table["buyers"].to_numpy() >= min_buyers
    recent = np.nan_to_num(table["orders_90"].to_numpy(zero_copy_only=False).astype(np.float64))
    return Catalogue(
        table["item_no"].to_numpy().astype(np.int64),
        tuple(table["item_id"].to_pylist()),
        table["orders"].to_numpy().astype(np.float64),
        recent,
        np.where(known, np.cumsum(known), 0).astype(np.int64),
    )
