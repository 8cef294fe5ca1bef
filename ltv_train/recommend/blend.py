"""Own purchases, popularity and the two towers in one list: candidates, scores, and the best K of each customer.

With the weights of popularity and similarity at 0 and nothing fading, the list is the exact ranking by own frequency
(ties by popularity, then by the lower number), so the blend cannot lose to it on what chose it. NumPy only.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ltv_features.ragged import reduce_runs, run_starts
from ltv_train.recommend.catalogue import Catalogue
from ltv_train.recommend.own import Fade, Own

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
POPULAR = 100
BOUGHT, POPULAR_ITEM, SIMILAR = "bought_before", "popular", "similar"
_TIE = 1e-6


@dataclass(frozen=True)
class Mix:
    """How the parts are weighed: `fade` of own orders, and the weights of popularity and similarity beside them."""

    half_life_days: float | None = None
    order_decay: float | None = None
    popular: float = 0.0
    similar: float = 0.0

    @property
    def fade(self) -> Fade:
        """The fading; None means that nothing fades."""
        return Fade(self.half_life_days or np.inf, self.order_decay or np.inf)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Mix":
        """The mix that `to_dict` wrote."""
        return Mix(**values)


@dataclass(frozen=True)
class Candidates:
    """Pairs [N] of customer row and item, sorted by both, each once: `own` place in Own or -1, `popular` share of the
    most popular item, `similar` score of the two towers between 0 and 1, 0 where they did not name the item."""

    who: Ints
    item: Ints
    own: Ints
    popular: Floats
    similar: Floats

    def take(self, rows: Ints) -> "Candidates":
        """The pairs at ascending places [n]."""
        return Candidates(self.who[rows], self.item[rows], self.own[rows], self.popular[rows], self.similar[rows])


def candidates(
    own: Own, customers: int, catalogue: Catalogue, similar_items: Ints, similar_scores: Floats
) -> Candidates:
    """Own items, the 100 most popular, and what the towers named for each customer ([B, S] raw numbers, 0: none)."""
    best = np.argsort(-catalogue.recent, kind="stable")[:POPULAR]
    best = catalogue.number[best[catalogue.recent[best] > 0]]
    parts = [
        (own.who, own.item, np.arange(len(own.who)), np.zeros(len(own.who))),
        (_each(customers, len(best)), np.tile(best, customers), None, None),
        (_each(customers, similar_items.shape[1]), similar_items.reshape(-1), None, similar_scores.reshape(-1)),
    ]
    who, item = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    place = np.concatenate([np.full(len(p[0]), -1) if p[2] is None else p[2] for p in parts])
    score = np.concatenate([np.zeros(len(p[0])) if p[3] is None else p[3] for p in parts])
    real = item > 0
    who, item, place, score = who[real], item[real], place[real], score[real]
    order = np.lexsort((item, who))
    starts = run_starts(who[order], item[order])
    both = {"own": place[order], "similar": score[order]}
    merged = reduce_runs(starts, both, {"own": np.maximum, "similar": np.maximum})
    recent = np.append(catalogue.recent, 0.0)[catalogue.place(item[order][starts])]
    popular = recent / max(float(recent.max(initial=0.0)), 1.0)
    return Candidates(who[order][starts], item[order][starts], merged["own"], popular, merged["similar"])


def scores(found: Candidates, own: Own, mix: Mix) -> Floats:
    """[N] the blended score; popularity breaks ties even where it has no weight."""
    faded = np.append(own.score(mix.fade), 0.0)[found.own]
    return faded + (mix.popular + _TIE) * found.popular + mix.similar * found.similar


def top_k(found: Candidates, score: Floats, customers: int, k: int) -> Ints:
    """[B, k] places in `found` of each customer's best, best first, of equals the lower item number; -1: none left."""
    order = np.lexsort((-score, found.who))  # stable, and `found` is sorted by item within a customer
    who = found.who[order]
    starts = np.searchsorted(who, np.arange(customers))
    rank = np.arange(len(order)) - starts[who]
    best = np.full((customers, k), -1)
    kept = rank < k
    best[who[kept], rank[kept]] = order[kept]
    return best


def reasons(found: Candidates) -> npt.NDArray[np.object_]:
    """[N] why an item is offered, in the contract's words."""
    words = np.where(found.similar > found.popular, SIMILAR, POPULAR_ITEM)
    return np.where(found.own >= 0, BOUGHT, words).astype(object)


def _each(customers: int, times: int) -> Ints:
    return np.repeat(np.arange(customers), times)
