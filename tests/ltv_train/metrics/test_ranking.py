"""Measures of ranked lists agree with loops over users and places."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltv_train.metrics.ranking import hits, ndcg_at_k, recall_at_k

PLACES = 4
LISTS = st.lists(st.integers(1, 7), max_size=PLACES, unique=True).map(lambda items: items + [0] * (PLACES - len(items)))
BASKETS = st.lists(st.integers(1, 9), max_size=6, unique=True)
USERS = st.lists(st.tuples(LISTS, BASKETS), min_size=1, max_size=6)
K = st.integers(1, PLACES + 2)


def columns(users):
    return np.array([ranked for ranked, _ in users], np.int64), [basket for _, basket in users]


def naive_recall(ranked, basket, k, size=None):
    found = len({item for item in ranked[:k] if item and item in basket})
    return found / max(len(basket) if size is None else size, 1)


def naive_ndcg(ranked, basket, k):
    gained = sum(1 / math.log2(place + 2) for place, item in enumerate(ranked[:k]) if item and item in basket)
    best = sum(1 / math.log2(place + 2) for place in range(min(k, len(basket))))
    return gained / best if best else 0.0


@given(USERS)
def test_hits_equal_a_loop_over_users_and_places(users):
    expected = [[item != 0 and item in basket for item in ranked] for ranked, basket in users]
    assert hits(*columns(users)).tolist() == expected


@given(USERS, K)
def test_recall_equals_a_loop(users, k):
    expected = [naive_recall(ranked, basket, k) for ranked, basket in users]
    np.testing.assert_allclose(recall_at_k(*columns(users), k), expected)


@given(USERS, K, st.integers(0, 5))
def test_recall_divides_by_the_sizes_it_is_told(users, k, lost):
    sizes = np.array([len(basket) + lost for _, basket in users], np.float64)
    expected = [naive_recall(ranked, basket, k, len(basket) + lost) for ranked, basket in users]
    np.testing.assert_allclose(recall_at_k(*columns(users), k, sizes), expected)


@given(USERS, K)
def test_ndcg_equals_a_loop(users, k):
    expected = [naive_ndcg(ranked, basket, k) for ranked, basket in users]
    np.testing.assert_allclose(ndcg_at_k(*columns(users), k), expected)


def test_recall_by_hand():
    ranked, baskets = np.array([[5, 9, 7], [1, 2, 3]]), [[7, 5, 1, 2], [3]]
    assert recall_at_k(ranked, baskets, 2).tolist() == [1 / 4, 0]
    assert recall_at_k(ranked, baskets, 3).tolist() == [2 / 4, 1]
    assert recall_at_k(ranked, baskets, 3, np.array([8.0, 2.0])).tolist() == [2 / 8, 1 / 2]


def test_ndcg_by_hand():
    ranked, baskets = np.array([[5, 9, 7]]), [[7, 5]]
    assert ndcg_at_k(ranked, baskets, 3)[0] == pytest.approx((1 + 1 / 2) / (1 + 1 / math.log2(3)))
    assert ndcg_at_k(ranked, baskets, 1)[0] == 1.0


def test_a_basket_larger_than_the_list_can_be_ranked_perfectly():
    ranked, baskets = np.array([[3, 1]]), [[1, 2, 3, 4, 5]]
    assert ndcg_at_k(ranked, baskets, 2)[0] == 1.0
    assert recall_at_k(ranked, baskets, 2)[0] == 2 / 5


def test_an_item_of_another_users_basket_is_no_hit():
    assert hits(np.array([[4, 5], [4, 5]]), [[4], [5]]).tolist() == [[True, False], [False, True]]


def test_an_empty_place_never_hits():
    assert hits(np.array([[0, 3, 0]]), [[0, 3]]).tolist() == [[False, True, False]]


def test_an_empty_basket_scores_zero():
    ranked = np.array([[1, 2]])
    assert recall_at_k(ranked, [[]], 2).tolist() == ndcg_at_k(ranked, [[]], 2).tolist() == [0.0]


def test_an_empty_list_scores_zero():
    for ranked in (np.zeros((2, 3), np.int64), np.zeros((2, 0), np.int64)):
        assert recall_at_k(ranked, [[1], [2, 3]], 3).tolist() == [0.0, 0.0]
        assert ndcg_at_k(ranked, [[1], [2, 3]], 3).tolist() == [0.0, 0.0]


def test_no_users_give_no_values():
    ranked = np.zeros((0, 3), np.int64)
    assert hits(ranked, []).shape == (0, 3)
    assert len(recall_at_k(ranked, [], 2)) == len(ndcg_at_k(ranked, [], 2)) == 0
