"""Which examples a shard set holds: points in time, who uses them, and the share that is kept. Pure values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from ltv_features.calendar_periods import NamedDates
from ltv_features.cutoffs import Buyers, Origin, Sampling

AT_ORIGIN = -1
"""`cutoff_no` of the slice: examples at the origin itself, without labels."""


@dataclass(frozen=True)
class Use:
    """What an origin does with a point: trains on it (labels seen until `until`) or predicts it (`slice`)."""

    origin: int
    cutoff_no: int
    until: date | None


@dataclass(frozen=True)
class Point:
    """A day at which features are made, and the origins that use them."""

    day: date
    uses: tuple[Use, ...]


@dataclass(frozen=True)
class ExamplePlan:
    """Everything that decides which examples a shard set holds; small enough to travel with every task."""

    kind: str
    origins: tuple[Origin, ...]
    points: tuple[Point, ...]
    shares: tuple[float, ...]
    per_user: int | None
    periods_days: tuple[tuple[int, int], ...]
    validation_share: float
    seed: int
    named: tuple[NamedDates, ...] = ()


def value_plan(origins: Sequence[Origin], **settings: Any) -> ExamplePlan:
    """The plan of the value set: origins share the features of a cut-off."""
    uses: dict[date, list[Use]] = {}
    for use, day in _uses(origins):
        uses.setdefault(day, []).append(use)
    points = tuple(Point(day, tuple(uses[day])) for day in sorted(uses))
    return ExamplePlan(kind="value", origins=tuple(origins), points=points, **settings)


def basket_plan(origins: Sequence[Origin], **settings: Any) -> ExamplePlan:
    """The plan of the basket set: one use a point, because a target belongs to one origin."""
    points = sorted((Point(day, (use,)) for use, day in _uses(origins)), key=lambda point: point.day)
    return ExamplePlan(kind="basket", origins=tuple(origins), points=tuple(points), **settings)


def _uses(origins: Sequence[Origin]) -> Iterator[tuple[Use, date]]:
    as_of = origins[-1].day
    for number, origin in enumerate(origins):
        for cutoff_no, day in enumerate(origin.cutoffs):
            yield Use(number, cutoff_no, origin.day), day
        yield Use(number, AT_ORIGIN, as_of if origin.day < as_of else None), origin.day


def sample_shares(origins: Sequence[Origin], buyers: Buyers, sampling_rule: Sampling) -> tuple[float, ...]:
    """Which share of an origin's examples is kept, so that about `max_examples` stay.

    A user's cut-offs are always the newest ones, so `per_user` keeps as many as the newest `per_user` cut-offs have.
    """
    shares = []
    for origin in origins:
        newest = origin.cutoffs[-sampling_rule.per_user :] if sampling_rule.per_user else origin.cutoffs
        expected = sum(buyers.before(day) for day in newest)
        shares.append(min(1.0, sampling_rule.max_examples / max(1, expected)))
    return tuple(shares)
