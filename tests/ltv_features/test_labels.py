"""Labels after a cut-off, against plain loops, and at every edge of a period."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltv_features.contract import LABEL_FIELDS, NEXT_LABELS, PERIOD_LABELS
from ltv_features.labels import further_labels, labels, named_labels
from tests import naive
from tests.builders import DAY, Row, event, kernel_events, key_of, some_rows

PERIODS = ((0, 7), (7, 20))


def labels_of(
    rows: list[Row], users: str = "a", *, cutoff: float = 10, until: float = 30
) -> dict[str, list[list[float]]]:
    keys = np.array([key_of(user) for user in users], np.int64)
    made = labels(
        kernel_events(rows),
        user_keys=keys,
        cutoff_us=round(cutoff * DAY),
        periods_days=PERIODS,
        observed_until_us=round(until * DAY),
    )
    return {name: values.tolist() for name, values in made.items()}


@settings(max_examples=100)
@given(
    some_rows(),
    st.permutations(["a", "b", "cc", "nobody"]),
    st.integers(0, 39),
    st.integers(0, 45),
    st.lists(st.integers(1, 40), min_size=1, max_size=4, unique=True).map(sorted),
)
def test_labels_say_what_plain_loops_say(
    rows: list[Row], users: list[str], cutoff: int, until: int, ends: list[int]
) -> None:
    periods = tuple(zip([0, *ends[:-1]], ends, strict=True))
    rows = [row for row in rows if row["user_id"] != "A"]  # shares its key with `a`
    keys = np.array([key_of(user) for user in users], np.int64)
    times = {"cutoff_us": cutoff * DAY, "observed_until_us": until * DAY}
    made = labels(kernel_events(rows), user_keys=keys, periods_days=periods, **times)
    further = further_labels(kernel_events(rows), user_keys=keys, periods_days=periods, **times)
    assert (tuple(made), tuple(further)) == (LABEL_FIELDS, PERIOD_LABELS + NEXT_LABELS)
    for place, user in enumerate(users):
        own = [row for row in rows if row["user_id"] == user]
        expected = naive.label(own, periods_days=periods, **times)
        expected |= naive.next_label(own, periods_days=periods, **times)
        for name, values in (made | further).items():
            assert values[place].tolist() == pytest.approx(expected[name], rel=1e-6), name


def test_periods_are_closed_at_the_start_and_open_at_the_end() -> None:
    almost = 1 / DAY  # a microsecond
    at = [10 - almost, 10, 17 - almost, 17, 30 - almost, 30]
    rows = [event("a", "purchase", day, order_key=n, amount_minor=10**n) for n, day in enumerate(at)]
    assert labels_of(rows)["spend_minor"] == [[110, 11_000]]


def test_a_refund_counts_in_its_own_period_and_may_make_it_negative() -> None:
    rows = [event("a", "purchase", 11, order_key=1, amount_minor=100), event("a", "refund", 20, order_key=1)]
    made = labels_of(rows)
    assert made["spend_minor"] == [[100, -100]]
    assert made["purchased"] == [[1, 0]]
    assert made["active"] == [[1, 1]]


def test_a_promotion_that_a_shop_sends_makes_nobody_active() -> None:
    rows = [event("a", "promotion_received", 11), event("a", "promotion_redeemed", 18)]
    assert labels_of(rows)["active"] == [[0, 1]]


def test_an_order_counts_once_in_the_period_of_its_first_line() -> None:
    rows = [event("a", "purchase", day, order_key=1, event_key=round(day)) for day in (12, 13, 18)]
    made = labels_of(rows)
    assert made["orders"] == [[1, 0]]
    assert made["purchased"] == [[1, 1]]


def test_mask_and_exposure_tell_how_much_of_a_period_was_observed() -> None:
    late = event("a", "purchase", 24, order_key=1)
    assert labels_of([late], until=23.5)["exposure"] == [[1.0, 0.5]]
    assert labels_of([late], until=23.5)["spend_minor"] == [[0, 0]]
    assert labels_of([late], until=17)["mask"] == [[1, 0]]
    assert labels_of([late], until=5)["exposure"] == [[0, 0]]


def test_what_lies_before_the_cutoff_or_belongs_to_others_changes_nothing() -> None:
    rows = [event("a", "purchase", 11, order_key=1)]
    noise = [event("a", "purchase", 9, order_key=2), event("z", "purchase", 12, order_key=3), event("a", "profile", 12)]
    noise += [event("a", "purchase", 30, order_key=4), event("a", "view", 99)]
    assert labels_of(rows + noise) == labels_of(rows)


def test_a_new_profile_is_no_activity() -> None:
    assert labels_of([event("a", "profile", 12, profile="{}")])["active"] == [[0, 0]]


def test_users_without_events_get_zeros_in_their_own_place() -> None:
    made = labels_of([event("b", "view", 11)], "cab")
    assert made["active"] == [[0, 0], [0, 0], [1, 0]]
    assert labels_of([], "ab")["mask"] == [[1, 1], [1, 1]]


def test_the_next_purchase_is_censored_where_observation_ends() -> None:
    rows = [
        event("a", "purchase", 12.5, order_key=1, amount_minor=100),
        event("a", "purchase", 13, order_key=1, amount_minor=50),
        event("a", "refund", 14, order_key=1, amount_minor=20), event("a", "purchase", 15, order_key=2, amount_minor=7),
        event("b", "purchase", 31, order_key=3), event("cc", "purchase", 40, order_key=4),
    ]  # fmt: skip
    keys = np.array([key_of(user) for user in ("a", "b", "cc")], np.int64)
    known = {"user_keys": keys, "cutoff_us": 10 * DAY, "periods_days": PERIODS}
    made = further_labels(kernel_events(rows), observed_until_us=25 * DAY, **known)
    assert made["next_purchase_days"].ravel().tolist() == [2.5, 15, 15]
    assert made["next_purchase_seen"].ravel().tolist() == [1, 0, 0]
    assert made["next_order_minor"].ravel().tolist() == [150, 0, 0]
    late = further_labels(kernel_events(rows), observed_until_us=60 * DAY, **known)
    assert late["next_purchase_days"].ravel().tolist() == [2.5, 20, 20]


def test_a_named_period_is_labelled_as_a_whole_or_not_at_all() -> None:
    rows = [
        event("a", "purchase", 20, order_key=1, amount_minor=100),
        event("a", "refund", 22, order_key=1, amount_minor=30),
        event("a", "purchase", 23, order_key=2, amount_minor=9), event("b", "view", 21),
    ]  # fmt: skip
    keys = np.array([key_of(user) for user in ("b", "a")], np.int64)
    windows = [(20 * DAY, 23 * DAY), (22 * DAY, 26 * DAY), None]
    made = named_labels(kernel_events(rows), user_keys=keys, windows_us=windows, observed_until_us=25 * DAY)
    assert made["named_mask"].tolist() == [[1, 0, 0], [1, 0, 0]]
    assert made["named_spend_minor"].tolist() == [[0, 0, 0], [70, 0, 0]]
    assert made["named_purchased"].tolist() == [[0, 0, 0], [1, 0, 0]]
