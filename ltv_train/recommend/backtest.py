"""How good the next-basket lists are, against popularity and own frequency; and the mix that was best.

The mix is chosen on one half of the customers by hash and measured on the other, so the printed numbers chose nothing.
Full ranking: every item can be hit, a target that nobody could rank is a miss, and recall is of the whole basket.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ltv_features.project import Examples
from ltv_train.blend import half_of
from ltv_train.metrics.ranking import ndcg_at_k, recall_at_k
from ltv_train.recommend import blend
from ltv_train.recommend.blend import Candidates, Mix
from ltv_train.recommend.own import Own
from ltv_train.recommend.recommender import Recommender

Ints = npt.NDArray[np.int64]
K = 20
HALF_LIVES = (None, 45.0, 90.0, 180.0)
ORDER_DECAYS = (None, 10.0, 20.0)
POPULAR = (0.0, 0.05, 0.1, 0.2, 0.4)
SIMILAR = (0.0, 0.05, 0.1, 0.2, 0.4)
OWN, MOST_POPULAR, TOWERS, BLEND = "own frequency", "popularity", "two towers", "blend"


@dataclass(frozen=True)
class Measured:
    """Means over customers with a next basket."""

    customers: int
    recall_at_20: float
    ndcg_at_20: float
    ndcg_at_10: float


@dataclass(frozen=True)
class Baskets:
    """The next order of each customer [B], by row: its items (at most MAX_BASKET of them) and how many it has in all."""

    items: Sequence[Sequence[int]]
    sizes: npt.NDArray[np.float64]


def choose(found: Candidates, own: Own, baskets: Baskets, rows: Ints) -> Mix:
    """The mix with the best NDCG@10 for the customers in `rows`, part by part; own frequency itself is in the grid."""
    best, highest = Mix(), -1.0
    grids: list[Callable[[Mix], list[Mix]]] = [
        lambda base: [replace(base, half_life_days=h, order_decay=d) for h in HALF_LIVES for d in ORDER_DECAYS],
        lambda base: [replace(base, popular=weight) for weight in POPULAR],
        lambda base: [replace(base, similar=weight) for weight in SIMILAR],
    ]
    for grid in grids:
        for mix in grid(best):
            reached = measure(found, blend.scores(found, own, mix), baskets, rows).ndcg_at_10
            if reached > highest + 1e-9:
                best, highest = mix, reached
    return best


def measure(found: Candidates, score: npt.NDArray[np.float64], baskets: Baskets, rows: Ints) -> Measured:
    """The measures of a score over the customers in `rows` that have a next basket."""
    best = blend.top_k(found, score, len(baskets.items), K)
    ranked = np.where(best >= 0, np.append(found.item, 0)[best], 0)
    rows = rows[baskets.sizes[rows] > 0]
    if not len(rows):
        return Measured(0, 0.0, 0.0, 0.0)
    wanted = [baskets.items[row] for row in rows]
    recall = float(recall_at_k(ranked[rows], wanted, K, baskets.sizes[rows]).mean())
    gains = [float(ndcg_at_k(ranked[rows], wanted, k).mean()) for k in (K, 10)]
    return Measured(len(rows), recall, gains[0], gains[1])


def backtest(
    recommender: Recommender, examples: Examples, own: Own, baskets: Baskets
) -> tuple[Mix, dict[str, Measured]]:
    """The mix chosen on all customers, and what a mix chosen on one half reached on the other, with its rivals there."""
    found = recommender.candidates(examples, own)
    half = half_of(examples.user_key)
    chosen = choose(found, own, baskets, np.flatnonzero(half == 0))
    judged = np.flatnonzero(half == 1)
    rivals = {
        OWN: blend.scores(found, own, Mix()),
        MOST_POPULAR: found.popular,
        TOWERS: found.similar,
        BLEND: blend.scores(found, own, chosen),
    }
    table = {name: measure(found, score, baskets, judged) for name, score in rivals.items()}
    return choose(found, own, baskets, np.arange(len(examples))), table
