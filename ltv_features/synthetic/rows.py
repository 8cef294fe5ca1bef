"""Rows before they are written: one NumPy array a fact, with a stated value for what an event type does not have."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from ltv_features.contract import TYPE_ID
from ltv_features.synthetic.draws import Flags, Floats, Ints


@dataclass(frozen=True)
class Rows:
    """R events of one block: the shopper's place in the block, days since the start, type id, and facts.

    -1 stands for no order, item, campaign, visit or quantity; amounts and discounts in minor units; 0 for no rating or
    dwell time.
    """

    shopper: Ints
    day: Floats
    type: Ints
    order: Ints
    item: Ints
    quantity: Ints
    amount_minor: Ints
    discount_minor: Ints
    rating: Ints
    dwell_seconds: Ints
    campaign: Ints

    def __len__(self) -> int:
        return len(self.shopper)

    def take(self, wanted: Ints | Flags) -> "Rows":
        """These rows, by place or by flag."""
        return Rows(**{field.name: getattr(self, field.name)[wanted] for field in fields(self)})


_ABSENT = {"order": -1, "item": -1, "quantity": -1, "campaign": -1}


def rows(event_type: str, shopper: Ints, day: Floats, **facts: Ints) -> Rows:
    """Events of one type; facts that are not given are absent."""
    size = len(shopper)
    given = {"type": np.full(size, TYPE_ID[event_type], np.int64), **facts}
    names = [field.name for field in fields(Rows) if field.name not in ("shopper", "day")]
    rest = {name: given.get(name, np.full(size, _ABSENT.get(name, 0), np.int64)) for name in names}
    return Rows(shopper=shopper, day=day, **rest)


def stacked(parts: Sequence[Rows]) -> Rows:
    """One after the other."""
    return Rows(**{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Rows)})
