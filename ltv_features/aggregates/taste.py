"""What somebody likes: breadth, loyalty, price band, discounts; mostly of the purchase lines that are still held."""

from collections.abc import Callable

import numpy as np

from ltv_features.aggregates.feature import Aggregate, Compute, share, total
from ltv_features.ragged import Array, order_by, run_starts
from ltv_features.view import Floats, StateView


def _runs(view: StateView, field: str) -> tuple[Array, Array]:
    """Owner and length of each run of lines with one known number of `field`."""
    order = order_by(view.lines["who"], view.lines[field])
    who, number = view.lines["who"][order], view.lines[field][order]
    starts = run_starts(who, number)
    lengths = np.diff(np.append(starts, len(order)))
    known = number[starts] > 0
    return who[starts][known], lengths[known].astype(np.float64)


def _different(field: str) -> Compute:
    return lambda view: view.total(_runs(view, field)[0])


def _of_lines(chosen: Callable[[StateView], Array]) -> Compute:
    return lambda view: view.total(view.lines["who"], chosen(view).astype(np.float64))


def _favourite(field: str) -> Compute:
    """Lines of the one that was bought most often."""

    def compute(view: StateView) -> Floats:
        who, lengths = _runs(view, field)
        most, starts = np.zeros(view.users), run_starts(who)
        if len(starts):
            most[who[starts]] = np.maximum.reduceat(lengths, starts)
        return most

    return compute


def _known_lines(field: str) -> Compute:
    return _of_lines(lambda view: view.lines[field] > 0)


def _repeated(view: StateView) -> Floats:
    """Lines of an item beyond the first of it."""
    who, lengths = _runs(view, "item_no")
    return view.total(who, lengths - 1)


AGGREGATES = (
    Aggregate("items", "count", "items among the purchase lines still held", _different("item_no")),
    Aggregate("categories", "count", "categories among them", _different("category_no")),
    Aggregate("brands", "count", "brands among them", _different("brand_no")),
    Aggregate("item_repeat_share", "ratio", "of them, repeats of an item", share(_repeated, _known_lines("item_no"))),
    Aggregate(
        "category_loyalty",
        "ratio",
        "share of the category bought most often",
        share(_favourite("category_no"), _known_lines("category_no")),
    ),
    Aggregate(
        "brand_loyalty",
        "ratio",
        "share of the brand bought most often",
        share(_favourite("brand_no"), _known_lines("brand_no")),
    ),
    Aggregate(
        "unit_price_mean",
        "minor",
        "price band: paid / units of those lines",
        share(_of_lines(lambda v: v.lines["amount_minor"]), _of_lines(lambda v: v.lines["quantity"])),
    ),
    Aggregate(
        "discounted_line_share",
        "ratio",
        "price sensitivity: share of those lines bought at a discount",
        share(_of_lines(lambda v: v.lines["discount_minor"] > 0), lambda v: v.total(v.lines["who"])),
    ),
    Aggregate(
        "discount_share",
        "ratio",
        "discount / gross before discount, of all purchases",
        share(total("discount_minor"), lambda v: v.in_days("discount_minor") + v.in_days("gross_minor")),
    ),
)
