"""The two towers: what is masked, what is padding, and that they learn whose taste is whose."""

import numpy as np
import pytest
import torch

from ltv_train.models.two_tower import BasketBatch, TwoTower, in_own_basket
from tests.recommend_world import ITEMS, some_catalogue, some_recommender

WIDTH = 6


def some_batch(rows: int = 64, seed: int = 0) -> BasketBatch:
    """Histories and baskets of one taste each: even rows hold even items, odd rows odd ones."""
    chance = np.random.default_rng(seed)
    taste = np.arange(rows) % 2
    drawn = 2 * chance.integers(1, ITEMS // 2 + 1, (rows, WIDTH + 3)) - taste[:, None]
    items = torch.from_numpy(drawn[:, :WIDTH])
    targets = torch.from_numpy(drawn[:, WIDTH:])
    lengths = torch.full((rows,), WIDTH)
    return BasketBatch(items, torch.ones(rows, WIDTH), lengths, targets, torch.ones(rows))


def some_towers() -> TwoTower:
    torch.manual_seed(1)
    return TwoTower([float(count) for count in range(30, 30 - ITEMS, -1)], width=8, temperature=0.1, negatives=16)


def test_own_basket_equals_a_comparison_of_all_with_all():
    chance = np.random.default_rng(4)
    targets = torch.from_numpy(chance.integers(0, 9, (20, 5)))
    offered = torch.from_numpy(chance.integers(1, 9, 40))
    assert torch.equal(in_own_basket(targets, offered), (targets[:, :, None] == offered[None, None]).any(dim=1))


def test_towers_learn_whose_taste_is_whose():
    towers = some_towers()
    optimiser = torch.optim.AdamW(towers.parameters(), lr=1e-2)
    for step in range(60):
        batch = some_batch(seed=step)
        total, weight = towers.loss(towers(batch), batch)
        optimiser.zero_grad()
        (total[0] / weight).backward()
        optimiser.step()
    fresh = some_batch(seed=999)
    with torch.no_grad():
        scores = towers(fresh) @ towers.item_vectors()[1:].T / towers.temperature + towers.bias[1:]
    best = scores.topk(ITEMS // 2, dim=1).indices + 1
    right = (best % 2) == (torch.arange(64)[:, None] % 2 == 1).long()
    assert right.float().mean() > 0.95


def test_padding_behind_a_history_changes_nothing():
    towers, batch = some_towers().eval(), some_batch(4)
    longer = BasketBatch(
        torch.nn.functional.pad(batch.items, (0, 5)),
        torch.nn.functional.pad(batch.age_days, (0, 5), value=7.0),
        batch.lengths,
        batch.targets,
        batch.weight,
    )
    assert torch.allclose(towers(batch), towers(longer), atol=1e-6)


def test_rows_without_a_known_target_weigh_nothing_and_break_nothing():
    towers, batch = some_towers(), some_batch(4)
    empty = BasketBatch(batch.items, batch.age_days, batch.lengths, torch.zeros_like(batch.targets), batch.weight)
    total, weight = towers.loss(towers(empty), empty)
    total.sum().backward()
    assert float(weight) == 0
    assert float(total.detach()) == 0
    assert all(torch.isfinite(p.grad).all() for p in towers.parameters() if p.grad is not None)


@pytest.mark.parametrize(("raw", "row"), [(1, 1), (ITEMS, ITEMS), (99, 0), (0, 0), (7_777, 0)])
def test_items_that_the_towers_do_not_know_are_padding(raw, row):
    assert some_catalogue().rows(np.array([raw])).tolist() == [row]


def test_retrieval_is_the_score_of_the_towers_in_full():
    recommender, towers = some_recommender(), some_recommender().towers
    vectors = recommender.index.reconstruct_n(0, ITEMS)
    assert np.allclose(vectors[:, -1], (towers.bias * towers.temperature).detach().numpy()[1:])
    assert np.allclose(np.linalg.norm(vectors[:, :-1], axis=1), 1, atol=1e-5)
