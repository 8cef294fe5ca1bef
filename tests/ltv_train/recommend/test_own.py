"""Own purchases: exact counts, how they fade, and whose they are."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltv_train.recommend.own import Fade, own_of
from tests.recommend_world import AS_OF_US, bought, keys_of, some_states

USERS = ["a", "b", "cc"]
LINES = st.lists(
    st.tuples(st.sampled_from(USERS), st.integers(1, 60), st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=40
)


def naive(lines, half_life, per_order):
    """{(user, item): score} of one user whose orders are whole at one time each, order by order."""
    ages = {order: ago for _, ago, order, _ in lines}
    scores = defaultdict(float)
    for user, item, order in {(user, item, order) for user, _, order, item in lines}:
        since = sum(other < ages[order] for other in ages.values())
        scores[user, item] += 0.5 ** (ages[order] / half_life) * np.exp(-since / per_order)
    return scores


def scores_of(lines, fade):
    _, items = some_states([bought(*line) for line in lines])
    own = own_of(items, keys_of(USERS), as_of_us=AS_OF_US)
    found = own.score(fade)
    return {(USERS[who], int(item)): found[row] for row, (who, item) in enumerate(zip(own.who, own.item, strict=True))}


@given(LINES)
def test_without_fading_the_score_is_the_number_of_orders_with_the_item(lines):
    expected = {pair: len({o for u, _, o, i in lines if (u, i) == pair}) for pair in {(u, i) for u, _, _, i in lines}}
    assert scores_of(lines, Fade()) == expected


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=12), st.sampled_from([5.0, 90.0]), st.sampled_from([2.0, np.inf])
)
def test_fading_equals_a_loop_over_orders(items, half_life, per_order):
    lines = [("a", 3 * (order // 2) + 1, order // 2, item) for order, item in enumerate(items)]
    expected = naive(lines, half_life, per_order)
    actual = scores_of(lines, Fade(half_life, per_order))
    assert actual.keys() == expected.keys()
    for pair, value in expected.items():
        assert actual[pair] == pytest.approx(value)


def test_rows_of_other_customers_are_left_out():
    _, items = some_states([bought("a", 3, 1, 1), bought("b", 3, 2, 2)])
    own = own_of(items, keys_of(["b"]), as_of_us=AS_OF_US)
    assert own.who.tolist() == [0]
    assert own.item.tolist() == [2]


def test_nobody_asked_for_means_nothing_found():
    _, items = some_states([bought("a", 3, 1, 1)])
    own = own_of(items, keys_of([]).astype(np.int64), as_of_us=AS_OF_US)
    assert len(own.who) == len(own.score(Fade())) == 0
