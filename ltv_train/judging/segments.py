"""Who is who at a past origin: the segments that results are told by, from what was known as of that origin.

Every definition stands here and nowhere else. N users. Money is in minor units. May import: NumPy. No Spark, no model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ltv_features.errors import ContractBroken

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.int64]

RECENT_DAYS = 90
HIGH_SHARE = 0.2
MIN_USERS = 100
NEEDED = ("first_order_age_days", "orders", "spend", "idle_days")
DEFINITIONS = {
    "new": f"first order in the {RECENT_DAYS} days before the origin",
    "one-time": f"one order, longer ago than {RECENT_DAYS} days",
    "loyal": f"two or more orders, the first longer ago than {RECENT_DAYS} days",
    "high value": f"of the {HIGH_SHARE:.0%} with the largest net spend up to the origin; across the three above",
}
ACTIVE_LATELY = f"with an event of any type (an order is one) in the {RECENT_DAYS} days before the origin"


@dataclass(frozen=True)
class Known:
    """What was known of the users of an origin: `aggregates` by name [N] (those in NEEDED), and words by attribute [N].

    `attributes` holds sensitive ones, where the shop allows them; an unknown value is "".
    """

    user_key: Keys
    aggregates: Mapping[str, Floats]
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Some users of an origin [N]: what splits them (`segment`, or an attribute's name) and what they are called."""

    by: str
    name: str
    users: Flags


@dataclass(frozen=True)
class Segments:
    """The groups of an origin; `left_out` counts groups and users too few to report, by what splits them."""

    active: Flags
    groups: tuple[Group, ...]
    left_out: Mapping[str, tuple[int, int]]


def segments_of(known: Known, user_key: Keys, *, min_users: int = MIN_USERS) -> Segments:
    """The groups of the users `user_key` [N], in their order; an attribute's groups under `min_users` are left out.

    Raises ContractBroken when one of the users is not known.
    """
    rows = _rows_of(known, user_key)
    value = {name: known.aggregates[name][rows] for name in NEEDED}
    groups = [Group("segment", name, users) for name, users in _by_history(value).items()]
    left_out = {}
    for attribute, words in known.attributes.items():
        kept, left_out[attribute] = _by_word(attribute, np.asarray(words, object)[rows], min_users)
        groups += kept
    return Segments(value["idle_days"] <= RECENT_DAYS, tuple(groups), left_out)


def _by_history(value: Mapping[str, Floats]) -> dict[str, Flags]:
    recent = value["first_order_age_days"] <= RECENT_DAYS
    spend = value["spend"]
    enough = np.quantile(spend, 1 - HIGH_SHARE, method="higher") if len(spend) else 0.0
    return {
        "new": recent,
        "one-time": ~recent & (value["orders"] <= 1),
        "loyal": ~recent & (value["orders"] > 1),
        "high value": (spend >= enough) & (spend > 0),
    }


def _by_word(attribute: str, words: npt.NDArray[np.object_], min_users: int) -> tuple[list[Group], tuple[int, int]]:
    groups = [Group(attribute, word or "not known", words == word) for word in sorted(set(words))]
    kept = [group for group in groups if group.users.sum() >= min_users]
    return kept, (len(groups) - len(kept), len(words) - int(sum(group.users.sum() for group in kept)))


def _rows_of(known: Known, user_key: Keys) -> npt.NDArray[np.int64]:
    order = np.argsort(known.user_key, kind="stable")
    place = np.searchsorted(known.user_key, user_key, sorter=order)
    rows = order[np.minimum(place, max(len(order) - 1, 0))] if len(order) else np.zeros(len(user_key), np.int64)
    strangers = len(user_key) if not len(order) else int((known.user_key[rows] != user_key).sum())
    if strangers:
        raise ContractBroken(
            f"segments: {strangers} of {len(user_key)} users are not in the slice; next: build_examples, then train"
        )
    return np.asarray(rows, np.int64)
