"""The explanation of one night: how the published model came to its values, on arrays alone.

Rank quality is taken apart at the latest past origin, where outcomes are known; everything else is about the customers
of the night. What cannot be explained is said with its reason. May import: the rest of the room, blend, predictors.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ltv_features.aggregates import NAMES
from ltv_features.project import Examples
from ltv_train.adjusting.adjusted import unadjusted
from ltv_train.blend import Blend
from ltv_train.classical.trees import Boosting
from ltv_train.config import ExplainSettings
from ltv_train.explain.contributions import Contributions, combined, contributions
from ltv_train.explain.importance import Importance, Part, importance, parts_of_examples
from ltv_train.explain.occlusion import Effect, effects_of, groups_of, without
from ltv_train.explain.reasons import Reasons, reasons_of
from ltv_train.metrics.value import spearman
from ltv_train.money import Money
from ltv_train.network import NetworkPredictor
from ltv_train.predictions import Predictions, Predictor

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
LEAST_AGREEMENT = 0.8
"""Below this rank correlation with the published score the boosting model's reasons are not told as its reasons."""
FEATURES = 20
"""Features told one by one: those that move the boosting models most."""
RECENT_DAYS = 30
_ACCOUNTS = 20_000
"""Customers whose contributions are computed, beside the top ones."""
_SEED = 1


@dataclass(frozen=True)
class Past:
    """The procedure at a past origin, the customers it spoke of there, and what they spent [N]."""

    origin: str
    predictor: Predictor
    examples: Examples
    spend: Floats


@dataclass(frozen=True)
class Published:
    """What speaks for the night: a model by name, the customers `ahead`, and boosters that may explain in its place."""

    name: str
    predictor: Predictor
    ahead: Examples
    boosters: Mapping[str, Boosting]


@dataclass(frozen=True)
class Boosted:
    """The boosting models' own account of some customers, and how far they agree with the published score.

    `rows` [M] of the night, ascending, that `parts` is about: a sample and the top customers. `inside`: whether the
    models are members of the published one, whose weights `members` holds. `agreement` is a rank correlation.
    """

    members: Mapping[str, float]
    inside: bool
    rows: Ints
    parts: Contributions
    agreement: float

    @property
    def trusted(self) -> bool:
        """Whether their reasons may stand for the published score's."""
        return self.agreement >= LEAST_AGREEMENT

    @property
    def strongest(self) -> Ints:
        """The numbers of at most FEATURES features that are used, the one that moves the value most first."""
        strength = self.parts.strength
        return np.argsort(-strength, kind="stable")[: min(int((strength > 0).sum()), FEATURES)]

    def of(self, rows: Ints) -> Contributions:
        """The account of `rows` of the night."""
        return self.parts.take(np.searchsorted(self.rows, rows))


@dataclass(frozen=True)
class Customers:
    """The customers with the highest published value: `rows` of the night, what is said of them, and why.

    `without_recent` [N]: the value without the events of the last RECENT_DAYS days in the sequence; NaN without a
    network.
    """

    rows: Ints
    said: Predictions
    reasons: Reasons | None
    without_recent: Floats


@dataclass(frozen=True)
class Explanation:
    """Everything that the report says about why; None with a line in `missing` where it cannot be said.

    `importance` is of whole parts, `alone` of single features: those of the boosting models that are aggregates.
    """

    name: str
    horizons_days: tuple[int, ...]
    importance: Importance | None
    alone: Importance | None
    origin: str
    boosted: Boosted | None
    effects: tuple[Effect, ...]
    customers: Customers
    missing: tuple[str, ...]


def explain(
    published: Published,
    past: Past | None,
    *,
    horizons_days: tuple[int, ...],
    money: Money,
    category_names: Mapping[int, str],
    settings: ExplainSettings,
) -> Explanation:
    """The explanation of what is published for the night; `past` is None where no past origin can be asked."""
    said, ahead, missing = published.predictor.predict(published.ahead), published.ahead, []
    top = np.argsort(-said.mean[:, -1], kind="stable")[: settings.top_customers].astype(np.int64)
    boosted = _boosted(published, said, np.union1d(top, sample(len(ahead), _ACCOUNTS)), horizons_days)
    reads = reads_sequence(published.predictor)
    if past is None:
        missing.append("Rank quality could not be taken apart: no past origin of this procedure has matured.")
    if boosted is None:
        missing.append("No boosting model of this training speaks about the night, so no feature's share is known.")
    if not reads:
        missing.append(f"{published.name} reads no sequence of events: it knows them through the features alone.")
    effects: list[Effect] = []
    if reads:
        some = ahead.take(sample(len(ahead), settings.customers))
        effects = effects_of(published.predictor, some, groups_of(some, category_names))
    return Explanation(
        name=published.name,
        horizons_days=horizons_days,
        importance=_importance(past, parts_of_examples(), settings) if past else None,
        alone=_importance(past, _single(boosted), settings) if past and boosted else None,
        origin=past.origin if past else "",
        boosted=boosted,
        effects=tuple(effects),
        customers=_customers(published, said, top, boosted, money, reads),
        missing=tuple(missing),
    )


def sample(users: int, most: int) -> Ints:
    """At most `most` of `users` rows, ascending: the same ones every time."""
    return np.sort(np.random.default_rng(_SEED).permutation(users)[:most]).astype(np.int64)


def members_of(name: str, predictor: Predictor) -> dict[str, tuple[Predictor, float]]:
    """The models that speak in a predictor, with the weight of each in the mean."""
    inner = unadjusted(predictor)
    if isinstance(inner, Blend):
        return {
            member: (inner.members[member], weight)
            for member, weight in zip(inner.weights.names, inner.weights.mean, strict=True)
        }
    return {name: (inner, 1.0)}


def reads_sequence(predictor: Predictor) -> bool:
    """Whether a network with a say is among those that speak."""
    return any(isinstance(one, NetworkPredictor) and weight > 0 for one, weight in members_of("", predictor).values())


def _boosted(published: Published, said: Predictions, rows: Ints, horizons_days: tuple[int, ...]) -> Boosted | None:
    """What boosters inside the published model say of `rows`; those of the same training where it has none."""
    speaking = members_of(published.name, published.predictor)
    inside = {name: one for name, (one, weight) in speaking.items() if isinstance(one, Boosting) and weight > 0}
    chosen = inside or published.boosters
    if not chosen or not len(rows):
        return None
    weights = {name: speaking[name][1] if inside else 1.0 for name in chosen}
    some = published.ahead.take(rows)
    parts = combined({name: contributions(one, some) for name, one in chosen.items()}, weights)
    horizon = horizons_days.index(parts.horizon_days)
    return Boosted(weights, bool(inside), rows, parts, spearman(parts.log_mean, said.mean[rows, horizon]))


def _single(boosted: Boosted) -> dict[str, Part]:
    """The strongest features as parts of their own; what is made of the classical model's inputs cannot be one."""
    names = [boosted.parts.names[i] for i in boosted.strongest]
    return {name: Part(columns=(NAMES.index(name),)) for name in names if name in NAMES}


def _importance(past: Past, parts: Mapping[str, Part], settings: ExplainSettings) -> Importance:
    rows = sample(len(past.examples), settings.customers)
    return importance(
        past.predictor,
        past.examples.take(rows),
        past.spend[rows],
        parts,
        repeats=settings.shuffles,
        seed=_SEED,
    )


def _customers(
    published: Published, said: Predictions, rows: Ints, boosted: Boosted | None, money: Money, reads: bool
) -> Customers:
    top, reasons = published.ahead.take(rows), None
    if boosted is not None and boosted.trusted:
        own = boosted.of(rows)
        usual, days = boosted.parts.usual, own.horizon_days
        reasons = reasons_of(own.added, own.values, usual, own.names, money=money, horizon_days=days)
    recent: Floats = np.full(len(rows), np.nan)
    if reads:
        recent = published.predictor.predict(without(top, top.tokens["age_days"] <= RECENT_DAYS)).mean[:, -1]
    return Customers(rows, said.take(rows), reasons, recent)
