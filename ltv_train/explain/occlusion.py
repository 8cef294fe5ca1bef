"""What the sequence of events is worth: the published value with a group of events taken away, against before.

Events are taken out as if they had never been noted in the sequence; aggregates and the classical model stay as they
are. Source: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (2014). May import: NumPy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ltv_features.contract import EVENT_TYPES
from ltv_features.project import Examples
from ltv_features.ragged import offsets_of, owners
from ltv_train.predictions import Predictor

Floats = npt.NDArray[np.float64]
Hidden = npt.NDArray[np.bool_]
WINDOWS_DAYS = (7, 30, 90)
CATEGORIES = 5
_TYPES = 8


@dataclass(frozen=True)
class Effect:
    """One group of events: the share of customers that have any, and what taking them away does to the value.

    `total` is the change of the sum of all values, `moved` the mean size of the change over everybody, minor units.
    """

    group: str
    customers: float
    events: int
    total: float
    moved: float


def groups_of(examples: Examples, category_names: Mapping[int, str]) -> dict[str, Hidden]:
    """Groups of tokens by name, [N] each: the last days, each event type, and the most frequent categories."""
    age, kind, category = (examples.tokens[name] for name in ("age_days", "event_type", "category_no"))
    groups = {f"the last {days} days": age <= days for days in WINDOWS_DAYS}
    for number in _most_frequent(kind, _TYPES):
        groups[f"event type {EVENT_TYPES[number - 1]}"] = kind == number
    for number in _most_frequent(category, CATEGORIES):
        groups[f"category {category_names.get(number, number)}"] = category == number
    return groups


def without(examples: Examples, hidden: Hidden) -> Examples:
    """The examples without the hidden tokens; gaps are told from what is left."""
    kept = ~hidden
    who = owners(examples.lengths)[kept]
    tokens = {name: values[kept] for name, values in examples.tokens.items()}
    lengths = np.bincount(who, minlength=len(examples)).astype(np.int64)
    age = tokens["age_days"].astype(np.float64)
    first = np.ones(len(who), bool)
    first[1:] = who[1:] != who[:-1]
    gap = np.where(first, 0.0, -np.diff(age, prepend=age[:1]))
    tokens["gap_days"] = gap.astype(tokens["gap_days"].dtype)
    return replace(examples, offsets=offsets_of(lengths), tokens=tokens)


def effects_of(predictor: Predictor, examples: Examples, groups: Mapping[str, Hidden]) -> list[Effect]:
    """The effect of every group on the mean up to the longest horizon."""
    before = predictor.predict(examples).mean[:, -1]
    who, made = owners(examples.lengths), []
    for name, hidden in groups.items():
        rows = np.unique(who[hidden])
        after = predictor.predict(without(examples, hidden).take(rows)).mean[:, -1]
        change = after - before[rows]
        total = float(change.sum() / before.sum()) if before.sum() > 0 else 0.0
        moved = float(np.abs(change).sum() / max(len(examples), 1))
        made.append(Effect(name, len(rows) / max(len(examples), 1), int(hidden.sum()), total, moved))
    return made


def _most_frequent(numbers: npt.NDArray[np.int32], count: int) -> Sequence[int]:
    """The most frequent numbers above 0, the lower one of equals first."""
    known, times = np.unique(numbers[numbers > 0], return_counts=True)
    return [int(known[i]) for i in np.argsort(-times, kind="stable")[:count]]
