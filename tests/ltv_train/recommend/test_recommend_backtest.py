"""The back-test of next baskets: measured against plain loops, mixed on other customers than it is judged on."""

import numpy as np
import pytest

from ltv_features.project import project_lines
from ltv_train.recommend import backtest, blend
from ltv_train.recommend.backtest import BLEND, MOST_POPULAR, OWN, TOWERS, Baskets
from ltv_train.recommend.blend import Mix
from ltv_train.recommend.own import own_of
from tests.recommend_world import AS_OF_US, ITEMS, some_recommender, some_rows, some_states


@pytest.fixture(scope="module")
def world():
    states, items = some_states(some_rows(customers=60))
    examples = project_lines(states, as_of_us=AS_OF_US)
    own = own_of(items, examples.user_key, as_of_us=AS_OF_US)
    recommender = some_recommender()
    return recommender, examples, own, recommender.candidates(examples, own)


def baskets_of(examples, seed=0):
    chance = np.random.default_rng(seed)
    items = [sorted(chance.choice(ITEMS, size=3, replace=False) + 1) for _ in range(len(examples))]
    items[0] = []
    sizes = np.array([len(each) + 1.0 * (len(each) > 0) for each in items])
    return Baskets(items, sizes)


def test_measures_equal_a_loop_over_customers(world):
    _, examples, own, found = world
    baskets = baskets_of(examples)
    score = blend.scores(found, own, Mix(popular=0.3))
    told = backtest.measure(found, score, baskets, np.arange(len(examples)))
    recalls = []
    for who in range(len(examples)):
        if baskets.sizes[who] == 0:
            continue
        mine = [(-score[row], found.item[row]) for row in np.flatnonzero(found.who == who)]
        best = {item for _, item in sorted(mine)[: backtest.K]}
        recalls.append(len(best & set(baskets.items[who])) / baskets.sizes[who])
    assert told.customers == len(recalls) == len(examples) - 1
    assert told.recall_at_20 == pytest.approx(np.mean(recalls))


def test_all_rivals_are_measured_on_the_same_customers(world):
    recommender, examples, own, _ = world
    _, table = backtest.backtest(recommender, examples, own, baskets_of(examples))
    assert list(table) == [OWN, MOST_POPULAR, TOWERS, BLEND]
    assert len({row.customers for row in table.values()}) == 1


def test_the_chosen_mix_is_never_worse_than_own_frequency_where_it_was_chosen(world):
    _, examples, own, found = world
    rows = np.arange(len(examples))
    for seed in range(3):
        baskets = baskets_of(examples, seed)
        mix = backtest.choose(found, own, baskets, rows)
        reached = backtest.measure(found, blend.scores(found, own, mix), baskets, rows)
        start = backtest.measure(found, blend.scores(found, own, Mix()), baskets, rows)
        gain = reached.recall_at_20 / start.recall_at_20 + reached.ndcg_at_10 / start.ndcg_at_10
        assert gain >= 2 - 1e-9


def test_nothing_of_a_customer_decides_the_mix_that_judges_the_customer(world, monkeypatch):
    recommender, examples, own, _ = world
    asked = []
    chosen = backtest.choose

    def spy(found, own, baskets, rows):
        asked.append(set(rows.tolist()))
        return chosen(found, own, baskets, rows)

    monkeypatch.setattr(backtest, "choose", spy)
    backtest.backtest(recommender, examples, own, baskets_of(examples))
    first, second, serving = asked
    assert first
    assert second
    assert not first & second
    assert serving == set(range(len(examples)))


def test_a_shop_where_nobody_came_back_is_measured_as_nothing(world):
    _, examples, own, found = world
    nobody = Baskets([[] for _ in range(len(examples))], np.zeros(len(examples)))
    told = backtest.measure(found, found.popular, nobody, np.arange(len(examples)))
    assert (told.customers, told.recall_at_20, told.ndcg_at_10) == (0, 0.0, 0.0)
    assert backtest.choose(found, own, nobody, np.arange(len(examples))) == Mix()
