"""Measures of a ranked list of items against the next basket. U users, K places; items are numbers above 0."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ranked = npt.NDArray[np.int64]


def hits(ranked: Ranked, baskets: Sequence[Sequence[int]]) -> npt.NDArray[np.bool_]:
    """[U, K]: whether the item at each place is in the user's basket; 0 marks an empty place and never hits."""
    owner = np.repeat(np.arange(len(baskets)), [len(basket) for basket in baskets])
    wanted = np.fromiter((item for basket in baskets for item in basket), np.int64, len(owner))
    span = max(int(ranked.max(initial=0)), int(wanted.max(initial=0))) + 1
    keys = ranked + span * np.arange(len(ranked))[:, None]
    return np.asarray(np.isin(keys, wanted + span * owner) & (ranked > 0))


def recall_at_k(ranked: Ranked, baskets: Sequence[Sequence[int]], k: int, sizes: Floats | None = None) -> Floats:
    """[U] share of the full basket among the first k places; an item nobody could rank is a miss.

    `sizes` [U] are given where a basket was larger than the list that is left of it.

    >>> recall_at_k(np.array([[5, 9, 7]]), [[7, 5, 1, 2]], k=2)
    array([0.25])
    """
    whole = np.array([len(basket) for basket in baskets], np.float64) if sizes is None else sizes
    return np.asarray(hits(ranked[:, :k], baskets).sum(axis=1) / np.maximum(whole, 1))


def ndcg_at_k(ranked: Ranked, baskets: Sequence[Sequence[int]], k: int) -> Floats:
    """[U] discounted gain of the hits over that of the best list, which has min(k, basket size) hits in front.

    >>> ndcg_at_k(np.array([[5, 9]]), [[9]], k=2).round(4)
    array([0.6309])
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    gained = (hits(ranked[:, :k], baskets) * discount[: ranked.shape[1]]).sum(axis=1)
    best = np.concatenate(([0.0], np.cumsum(discount)))[[min(k, len(basket)) for basket in baskets]]
    return np.asarray(np.divide(gained, best, out=np.zeros(len(best)), where=best > 0))
