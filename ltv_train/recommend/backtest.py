"""How good the next-basket lists are, against popularity and own frequency; and the mix that was best.

Each half of the customers, split by hash, is measured with the mix that was best for the other half.
Full ranking: every item can be hit, a target that nobody could rank is a miss, and recall is of the whole basket.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ltv_features.project import Examples
from ltv_train.judging.halves import half_of
from ltv_train.metrics.ranking import ndcg_at_k, recall_at_k
from ltv_train.recommend import blend
from ltv_train.recommend.blend import Candidates, Mix
from ltv_train.recommend.own import Own
from ltv_train.recommend.recommender import Recommender

Ints = npt.NDArray[np.int64]
K = 20
HALF_LIVES = (None, 45.0, 90.0, 180.0)
ORDER_DECAYS = (None, 20.0)
POPULAR = (0.0, 0.4, 0.8, 1.6)
SIMILAR = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)
OWN, MOST_POPULAR, TOWERS, BLEND = "own frequency", "popularity", "two towers", "blend"


@dataclass(frozen=True)
class Measured:
    """Means over customers with a next basket."""

    customers: int
    recall_at_20: float
    ndcg_at_10: float


@dataclass(frozen=True)
class Baskets:
    """The next order of each customer [B], by row: its items (MAX_BASKET at most) and how many it has in all."""

    items: Sequence[Sequence[int]]
    sizes: npt.NDArray[np.float64]


def choose(found: Candidates, own: Own, baskets: Baskets, rows: Ints) -> Mix:
    """The best mix for the customers in `rows`: fading with popularity, then similarity; starts at own frequency.

    Best by the gain over own frequency, Recall@20 and NDCG@10 counting the same.
    """
    start = measure(found, blend.scores(found, own, Mix()), baskets, rows)
    best, highest = Mix(), 0.0
    grids: list[Callable[[Mix], list[Mix]]] = [
        lambda _: [Mix(h, d, weight) for h in HALF_LIVES for d in ORDER_DECAYS for weight in POPULAR],
        lambda base: [replace(base, similar=weight) for weight in SIMILAR],
    ]
    for grid in grids:
        for mix in grid(best):
            gain = _gain(measure(found, blend.scores(found, own, mix), baskets, rows), start)
            if gain > highest + 1e-9:
                best, highest = mix, gain
    return best


def _gain(reached: Measured, start: Measured) -> float:
    pairs = ((reached.recall_at_20, start.recall_at_20), (reached.ndcg_at_10, start.ndcg_at_10))
    return sum(one / max(other, 1e-9) - 1 for one, other in pairs)


def measure(found: Candidates, score: npt.NDArray[np.float64], baskets: Baskets, rows: Ints) -> Measured:
    """The measures of a score over the customers in `rows` that have a next basket."""
    rows = rows[baskets.sizes[rows] > 0]
    if not len(rows):
        return Measured(0, 0.0, 0.0)
    asked = np.flatnonzero(np.isin(found.who, rows))
    mine = found.take(asked)
    best = blend.top_k(mine, score[asked], len(baskets.items), K)
    ranked = np.where(best >= 0, np.append(mine.item, 0)[best], 0)
    wanted = [baskets.items[row] for row in rows]
    recall = float(recall_at_k(ranked[rows], wanted, K, baskets.sizes[rows]).mean())
    return Measured(len(rows), recall, float(ndcg_at_k(ranked[rows], wanted, 10).mean()))


def backtest(
    recommender: Recommender, examples: Examples, own: Own, baskets: Baskets
) -> tuple[Mix, dict[str, Measured]]:
    """The mix chosen on all customers, and the measures of the lists; the blend's with mixes that did not see the half
    of the customers that they are judged on."""
    found = recommender.candidates(examples, own)
    half = half_of(examples.user_key)
    crossed = np.zeros(len(found.who))
    for side in (0, 1):
        mix = choose(found, own, baskets, np.flatnonzero(half != side))
        mine = half[found.who] == side
        crossed[mine] = blend.scores(found, own, mix)[mine]
    everybody = np.arange(len(examples))
    rivals = {
        OWN: blend.scores(found, own, Mix()),
        MOST_POPULAR: found.popular,
        TOWERS: found.similar,
        BLEND: crossed,
    }
    table = {name: measure(found, score, baskets, everybody) for name, score in rivals.items()}
    return choose(found, own, baskets, everybody), table
