"""What a reading plan must add up to, by plain loops over row groups: the oracle of `ltv_train.plan`."""

from collections.abc import Mapping, Sequence

from ltv_train.plan import Plan

BLOCK = 64


def groups_by_rank(groups: Sequence[int], world: int, shift: int) -> list[list[int]]:
    """Numbers of the row groups that each rank reads: dealt one by one, the first to share 0."""
    by_share: list[list[int]] = [[] for _ in range(world)]
    share = 0
    for number in range(len(groups)):
        by_share[share].append(number)
        share = share + 1 if share + 1 < world else 0
    return [by_share[(rank + shift) % world] for rank in range(world)]


def steps_of_bucket(groups: Sequence[int], world: int, batch_size: int) -> int:
    """Steps of a bucket: each rank counts its blocks and cuts them into batches; the slowest rank decides."""
    most = 0
    for numbers in groups_by_rank(groups, world, 0):
        blocks = 0
        for number in numbers:
            blocks += groups[number]
        steps = 0
        if batch_size < BLOCK:
            steps = blocks * (BLOCK // batch_size)
        else:
            while blocks > 0:
                blocks -= batch_size // BLOCK
                steps += 1
        most = max(most, steps)
    return most


def all_blocks(groups: Mapping[int, Sequence[int]]) -> list[tuple[int, int]]:
    """(length, number of the block in its bucket) of every block."""
    return [(length, number) for length, sizes in groups.items() for number in range(sum(sizes))]


def walk(plan: Plan, groups: Mapping[int, Sequence[int]]) -> list[list[tuple[int, int]]]:
    """The blocks of each step of one rank, as a reader that obeys the plan would meet them, in stored order."""
    waiting: dict[int, list[list[tuple[int, int]]]] = {}
    for read in plan.reads:
        own: list[tuple[int, int]] = []
        first = 0
        for number, size in enumerate(groups[read.length]):
            if number % read.shares == read.share:
                own += [(read.length, block) for block in range(first, first + size)]
            first += size
        steps: list[list[tuple[int, int]]] = []
        for count in read.blocks:
            taken, own = own[:count], own[count:]
            assert len(taken) == count, "the plan asks for a block that is not there"
            steps += [taken] * read.parts
        assert not own, "the plan leaves a block behind"
        waiting[read.length] = steps
    walked = [waiting[length].pop(0) for length in plan.steps]
    assert not any(waiting.values())
    return walked
