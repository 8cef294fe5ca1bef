"""What a reading plan must add up to, by plain loops over row groups: the oracle of `ltv_train.plan`."""

from collections.abc import Sequence

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
