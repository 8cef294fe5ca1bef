"""Mean spend by RFM cell: recency, frequency and monetary value cut into fifths, small cells drawn to larger ones.

Source: Hughes, "Strategic Database Marketing" (1994), for the fifths; the drawing is the usual shrinkage of a group's
mean towards that of the group around it, as if `PRIOR` customers of it had been seen. May import: NumPy.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
FIFTHS = 5
PRIOR = 50.0


def fit_edges(rfm: Floats) -> list[list[float]]:
    """Where each column of `rfm` [N, 3] is cut into fifths; equal values are never torn apart."""
    return [[float(edge) for edge in np.quantile(column, np.arange(1, FIFTHS) / FIFTHS)] for column in rfm.T]


def fit_means(rfm: Floats, spend: Floats, edges: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Mean spend by cell, drawn to that of its frequency and monetary fifths, and those to the mean of all.

    >>> cells = fit_means(np.ones((4, 3)), np.array([2.0, 4.0, 0.0, 2.0]), [[1.0]] * 3)
    >>> lookup(cells, np.ones((1, 3)))
    array([2.])
    """
    place = places(rfm, edges)
    overall = float(spend.mean()) if len(spend) else 0.0
    pairs = _drawn(place % FIFTHS**2, spend, np.full(FIFTHS**2, overall))
    cells = _drawn(place, spend, np.tile(pairs, FIFTHS))
    return {"edges": [list(cuts) for cuts in edges], "cells": cells.tolist()}


def lookup(fitted: Mapping[str, Any], rfm: Floats) -> Floats:
    """[N] the mean of each customer's cell."""
    return np.asarray(fitted["cells"], np.float64)[places(rfm, fitted["edges"])]


def places(rfm: Floats, edges: Sequence[Sequence[float]]) -> npt.NDArray[np.int64]:
    """[N] the number of each customer's cell: recency x 25 + frequency x 5 + monetary value."""
    fifth = [np.searchsorted(cuts, column, side="left") for cuts, column in zip(edges, rfm.T, strict=True)]
    return np.asarray((fifth[0] * FIFTHS + fifth[1]) * FIFTHS + fifth[2], np.int64)


def _drawn(place: npt.NDArray[np.int64], spend: Floats, towards: Floats) -> Floats:
    count = np.bincount(place, minlength=len(towards))
    total = np.bincount(place, spend, minlength=len(towards))
    return np.asarray((total + PRIOR * towards) / (count + PRIOR))
