"""The features of one user as a list of values: family, name, unit, meaning, computation. Adding one is adding a line.

Room: one module a family. Reads: a `StateView`. Writes: nothing. May import: NumPy, Arrow, the contract and the view.
Money is in minor units and unscaled; `encode` divides it by the money scale of training. A feature that would be a
division by nothing is 0, one of which nothing is known is NaN. `python -m ltv_features.aggregates` prints the list.
"""

import numpy as np
import numpy.typing as npt

from ltv_features.aggregates import behaviour, lifecycle, purchases, taste
from ltv_features.aggregates.feature import Aggregate
from ltv_features.view import StateView

FAMILIES = {
    "purchases": purchases.AGGREGATES,
    "behaviour": behaviour.AGGREGATES,
    "lifecycle": lifecycle.AGGREGATES,
    "taste": taste.AGGREGATES,
}
AGGREGATES: tuple[Aggregate, ...] = tuple(aggregate for family in FAMILIES.values() for aggregate in family)
NAMES = tuple(aggregate.name for aggregate in AGGREGATES)
UNITS = tuple(aggregate.unit for aggregate in AGGREGATES)

__all__ = ["AGGREGATES", "FAMILIES", "NAMES", "UNITS", "Aggregate", "compute_all", "page"]


def compute_all(view: StateView) -> npt.NDArray[np.float32]:
    """[B, A] float32, columns in the order of AGGREGATES; NaN where a feature is not known."""
    columns = [aggregate.of(view) for aggregate in AGGREGATES]
    return np.stack(columns, axis=1).astype(np.float32)


def page() -> str:
    """The list as a Markdown page, a table a family."""
    parts = []
    for name, family in FAMILIES.items():
        rows = [f"| `{each.name}` | {each.unit} | {each.meaning} |" for each in family]
        parts.append("\n".join([f"## {name}", "", "| feature | unit | meaning |", "| --- | --- | --- |", *rows]))
    return "\n\n".join(parts)
