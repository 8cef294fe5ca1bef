"""Who is new, loyal, one-time or of high value at an origin, and which groups are too small to show."""

import numpy as np
import pytest

from ltv_features.errors import ContractBroken
from ltv_train.judging.segments import Known, segments_of


def known(**columns: list[float]) -> Known:
    """Customers numbered from 1 on; what is not said is the same for all."""
    users = len(next(iter(columns.values())))
    usual = {"first_order_age_days": 200.0, "orders": 3.0, "spend": 0.0, "idle_days": 10.0}
    values = {name: np.array(columns.get(name, [value] * users)) for name, value in usual.items()}
    return Known(np.arange(1, users + 1), values)


def named(told: Known, **more: int) -> dict[str, list[int]]:
    """The customers of each group."""
    made = segments_of(told, told.user_key, **more)
    return {group.name: told.user_key[group.users].tolist() for group in made.groups}


def test_new_one_time_and_loyal_part_everybody_at_90_days_and_two_orders() -> None:
    told = named(known(first_order_age_days=[0.5, 90.0, 90.1, 200.0, 200.0], orders=[5.0, 1.0, 1.0, 1.0, 2.0]))
    assert told["new"] == [1, 2]
    assert told["one-time"] == [3, 4]
    assert told["loyal"] == [5]


def test_high_value_is_the_fifth_that_spent_most_and_spent_something() -> None:
    assert named(known(spend=[*range(10)]))["high value"] == [9, 10]
    assert named(known(spend=[5.0, 5.0, 1.0, 1.0, 5.0]))["high value"] == [1, 2, 5]
    assert named(known(spend=[0.0] * 10))["high value"] == []


def test_active_lately_is_an_event_of_any_type_in_90_days() -> None:
    told = known(idle_days=[0.0, 90.0, 90.5])
    assert segments_of(told, told.user_key).active.tolist() == [True, True, False]


def test_groups_of_an_attribute_are_shown_from_the_least_size_on_and_the_rest_is_counted() -> None:
    told = known(orders=[1.0] * 7)
    told = Known(told.user_key, told.aggregates, {"town": ["Ulm", "Ulm", "Bonn", "", "", "Ulm", "Bonn"]})
    made = segments_of(told, told.user_key, min_users=3)
    shown = {group.name: told.user_key[group.users].tolist() for group in made.groups if group.by == "town"}
    assert shown == {"Ulm": [1, 2, 6]}
    assert made.left_out == {"town": (2, 4)}
    assert named(told, min_users=2) | {"not known": [4, 5], "Bonn": [3, 7]} == named(told, min_users=2)


def test_rows_come_in_the_order_that_is_asked_for_and_a_stranger_is_refused() -> None:
    told = known(orders=[1.0, 2.0, 1.0])
    shuffled = Known(told.user_key[[2, 0, 1]], {name: values[[2, 0, 1]] for name, values in told.aggregates.items()})
    one_time = next(g for g in segments_of(shuffled, np.array([2, 3])).groups if g.name == "one-time")
    assert one_time.users.tolist() == [False, True]
    with pytest.raises(ContractBroken, match="1 of 2 users are not in the slice"):
        segments_of(told, np.array([2, 9]))
    with pytest.raises(ContractBroken, match="2 of 2 users"):
        segments_of(known(orders=[]), np.array([2, 9]))
