"""The reading plan over a grid of ranks, batches and manifests: no Ray, no files."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltv_features.errors import ShardsRefused
from ltv_train.plan import Bucket, Plan, ShardFile, reading_plan
from tests import naive_plan

BATCHES = (16, 64, 128, 512)
WORLDS = range(1, 9)
SHAPES = {
    "even": {8: [[16, 16], [16, 16]]},
    "odd groups in two files": {8: [[16, 16, 3], [16, 1]], 64: [[16, 16, 16]]},
    "fewer groups than ranks": {8: [[1]], 16: [[16, 2]], 256: [[16] * 5 + [7]]},
    "one block": {32: [[1]]},
    "a group and a file without a row": {8: [[16, 2], []], 16: [[]], 32: [[3]]},
}


def buckets(shape: dict[int, list[list[int]]]) -> list[Bucket]:
    """Buckets whose last block of every file holds 10 examples, the others 64."""
    made = []
    for length, files in shape.items():
        listed = []
        for number, groups in enumerate(files):
            examples = [64 * blocks for blocks in groups]
            if groups:
                examples[-1] -= 54
            listed.append(
                ShardFile(f"train/T={length}/part-{number}.parquet", "0" * 64, 1, tuple(groups), tuple(examples))
            )
        made.append(Bucket(length, tuple(reversed(listed))))
    return made


def plans(shape: str, world: int, batch_size: int, seed: int = 1, epoch: int = 0) -> list[Plan]:
    return [
        reading_plan(buckets(SHAPES[shape]), rank=rank, world=world, batch_size=batch_size, seed=seed, epoch=epoch)
        for rank in range(world)
    ]


@pytest.mark.parametrize(("shape", "world", "batch_size"), list(itertools.product(SHAPES, WORLDS, BATCHES)))
def test_all_ranks_step_alike_and_together_read_every_example_once(shape: str, world: int, batch_size: int) -> None:
    for epoch in (0, 1, 5):
        ranks = plans(shape, world, batch_size, epoch=epoch)
        assert len({plan.steps for plan in ranks}) == 1, "every step the same bucket, and as many steps, on all ranks"
        assert {plan.remainder for plan in ranks} == {0}
        filled = [bucket for bucket in buckets(SHAPES[shape]) if bucket.examples]
        for place, bucket in enumerate(filled):
            groups = bucket.groups
            expected = naive_plan.groups_by_rank([blocks for blocks, _ in groups], world, epoch + place)
            for plan, numbers in zip(ranks, expected, strict=True):
                read = plan.reads[place]
                assert read.examples == sum(groups[number][1] for number in numbers)
                assert sum(read.blocks) == sum(groups[number][0] for number in numbers)
                assert max(read.blocks) * 64 <= max(64, batch_size)
                assert [n for n in range(len(groups)) if n % read.shares == read.share] == numbers or not numbers
            steps = naive_plan.steps_of_bucket([blocks for blocks, _ in groups], world, batch_size)
            assert ranks[0].steps.count(bucket.length) == steps
        assert sum(plan.examples for plan in ranks) == sum(bucket.examples for bucket in buckets(SHAPES[shape]))


GROUP = st.integers(0, 3)
"""Blocks of a row group; 0: a group without a row."""
FILES = st.lists(st.lists(GROUP, max_size=5), min_size=1, max_size=3)


@given(
    shape=st.dictionaries(st.sampled_from((8, 16, 32, 64, 128, 256)), FILES, min_size=1, max_size=4),
    world=st.integers(1, 8),
    batch_size=st.sampled_from((1, 2, 8, 32, 64, 128, 192, 1024)),
    seed=st.integers(1, 5),
    epoch=st.integers(0, 9),
)
def test_any_shards_are_walked_as_the_plain_loops_walk_them(
    shape: dict[int, list[list[int]]], world: int, batch_size: int, seed: int, epoch: int
) -> None:
    """Every block of every rank is followed by hand, step by step: each once, and never two buckets in one step."""
    made = whole_buckets(shape)
    ranks = [
        reading_plan(made, rank=rank, world=world, batch_size=batch_size, seed=seed, epoch=epoch)
        for rank in range(world)
    ]
    assert len({plan.steps for plan in ranks}) == 1
    read: Counter[tuple[int, int]] = Counter()
    for plan in ranks:
        walked = naive_plan.walk(plan, {bucket.length: [blocks for blocks, _ in bucket.groups] for bucket in made})
        assert len(walked) == len(plan.steps)
        assert all(len(blocks) * 64 <= max(64, batch_size) for blocks in walked)
        read.update(block for blocks in walked for block in blocks)
    every = naive_plan.all_blocks({bucket.length: [blocks for blocks, _ in bucket.groups] for bucket in made})
    parts = max(1, 64 // batch_size)
    assert read == Counter(dict.fromkeys(every, parts))
    assert {plan.remainder for plan in ranks} == {0}
    assert sum(plan.examples for plan in ranks) == 64 * len(every) == ranks[0].total


def whole_buckets(shape: dict[int, list[list[int]]]) -> list[Bucket]:
    """Buckets whose blocks are all full."""
    return [
        Bucket(length, tuple(
            ShardFile(f"train/T={length}/part-{n}.parquet", "0" * 64, 1, tuple(groups), tuple(64 * b for b in groups))
            for n, groups in enumerate(files)
        ))
        for length, files in shape.items()
    ]  # fmt: skip


def test_the_plan_depends_on_nothing_but_what_it_is_given() -> None:
    for epoch in range(3):
        again = [plans("odd groups in two files", 3, 64, seed=4, epoch=epoch) for _ in range(2)]
        assert again[0] == again[1]
    moved = list(reversed(buckets(SHAPES["odd groups in two files"])))
    assert reading_plan(moved, rank=0, world=3, batch_size=64, seed=4, epoch=2) == again[0][0]


def test_every_epoch_has_an_order_of_its_own_over_steps_and_row_groups() -> None:
    made = [plans("odd groups in two files", 2, 64, epoch=epoch)[0] for epoch in range(50)]
    assert len({plan.steps for plan in made}) > 45
    assert len({read.seed for plan in made for read in plan.reads}) == 100, "no two readers shuffle alike"


def test_a_rank_without_a_row_group_reads_none_and_steps_on_weight_zero() -> None:
    ranks = plans("one block", 2, 64)
    assert [plan.reads[0].blocks for plan in ranks] == [(1,), (0,)]
    assert [plan.examples for plan in ranks] == [10, 0]


def test_the_order_is_fresh_each_epoch_and_the_same_on_a_rerun() -> None:
    orders = [plans("odd groups in two files", 2, 64, epoch=epoch)[0].steps for epoch in range(4)]
    assert len(set(orders)) == 4
    assert orders == [plans("odd groups in two files", 2, 64, epoch=epoch)[0].steps for epoch in range(4)]
    assert plans("odd groups in two files", 2, 64, seed=2)[0].steps != orders[0]


def test_the_odd_row_group_moves_round_the_ranks() -> None:
    shape = {8: [[16, 16, 16]]}
    first = [
        reading_plan(buckets(shape), rank=0, world=2, batch_size=64, seed=1, epoch=epoch).examples for epoch in range(4)
    ]
    assert first == [2048 - 54, 1024, 2048 - 54, 1024]


def test_steps_of_several_buckets_are_interleaved() -> None:
    steps = plans("fewer groups than ranks", 1, 64)[0].steps
    assert list(steps) != sorted(steps)


@pytest.mark.parametrize("batch_size", [0, 48, 100])
def test_a_batch_that_does_not_fit_blocks_is_refused(batch_size: int) -> None:
    with pytest.raises(ShardsRefused, match="multiple or a divisor of 64"):
        plans("even", 1, batch_size)


def test_a_rank_outside_the_world_is_refused() -> None:
    with pytest.raises(ValueError, match="rank 2 of 2"):
        reading_plan(buckets(SHAPES["even"]), rank=2, world=2, batch_size=64, seed=1, epoch=0)
