"""The reading plan over a grid of ranks, batches and manifests: no Ray, no files."""

import itertools

import pytest

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
}


def buckets(shape: dict[int, list[list[int]]]) -> list[Bucket]:
    """Buckets whose last block of every file holds 10 examples, the others 64."""
    made = []
    for length, files in shape.items():
        listed = []
        for number, groups in enumerate(files):
            examples = [64 * blocks for blocks in groups]
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
        for place, bucket in enumerate(buckets(SHAPES[shape])):
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
