"""The mix of own purchases, popularity and similarity: who is offered what, in which order, and why."""

import numpy as np

from ltv_train.recommend import blend
from ltv_train.recommend.blend import Mix
from ltv_train.recommend.own import own_of
from tests.recommend_world import AS_OF_US, ITEMS, RARE, bought, keys_of, some_catalogue, some_states

ROWS = [
    bought("a", 20, 1, 5),
    bought("a", 10, 2, 5),
    bought("a", 10, 2, 4),
    bought("a", 10, 2, 7),
    bought("b", 3, 3, RARE),
    bought("b", 3, 3, 9),
]


def found_of(similar=None, users=("a", "b", "new")):
    _, items = some_states(ROWS)
    own = own_of(items, keys_of(list(users)), as_of_us=AS_OF_US)
    named = np.zeros((len(users), 0)) if similar is None else np.asarray(similar, float)
    found = blend.candidates(own, len(users), some_catalogue(), named.astype(np.int64), np.ones(named.shape))
    return found, own


def ranked(found, score, k):
    best = blend.top_k(found, score, 3, k)
    return [[int(found.item[place]) for place in row if place >= 0] for row in best]


def test_without_weights_the_list_is_own_frequency_then_popularity_then_the_lower_number():
    found, own = found_of()
    lists = ranked(found, blend.scores(found, own, Mix()), 5)
    assert lists == [[5, 4, 7, 1, 2], [9, RARE, 1, 2, 3], [1, 2, 3, 4, 5]]


def test_an_item_stands_once_however_many_ways_led_to_it():
    found, _ = found_of(similar=[[5, 1], [0, 0], [2, 2]])
    pairs = list(zip(found.who.tolist(), found.item.tolist(), strict=True))
    assert len(pairs) == len(set(pairs))
    assert pairs == sorted(pairs)
    assert {item for who, item in pairs if who == 2} == {*range(1, ITEMS + 1), RARE}


def test_a_similar_item_climbs_with_its_weight():
    found, own = found_of(similar=[[12], [0], [12]])
    assert ranked(found, blend.scores(found, own, Mix()), 1)[2] == [1]
    assert ranked(found, blend.scores(found, own, Mix(similar=2.0)), 1)[2] == [12]


def test_reasons_say_which_way_led_to_an_item():
    found, _ = found_of(similar=[[12], [0], [12]])
    told = dict(zip(zip(found.who.tolist(), found.item.tolist(), strict=True), blend.reasons(found), strict=True))
    assert told[0, 5] == "bought_before"
    assert told[0, 12] == "similar"
    assert told[2, 1] == "popular"


def test_top_k_leaves_places_empty_when_there_is_nothing_left():
    found, own = found_of()
    best = blend.top_k(found, blend.scores(found, own, Mix()), 4, ITEMS + 3)
    assert (best[3] == -1).all()
    assert (best[0] >= 0).sum() == ITEMS + 1


def test_a_mix_survives_being_written_as_json():
    mix = Mix(half_life_days=45.0, order_decay=None, popular=0.1, similar=1.6)
    assert Mix.from_dict(mix.to_dict()) == mix
