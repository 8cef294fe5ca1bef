"""Which rank reads which row groups in which order: a pure function of the manifest, the ranks, seed and epoch.

At every step all ranks draw from the same bucket, and all take the same number of steps, so no rank waits for another.
Row group i of a bucket (files sorted by path, groups in order) belongs to share i mod n, and the shares move round the
ranks with epoch and bucket, so the odd group does not always fall to rank 0. A rank whose share is used up takes a step
on a zero-weight row. Every example is read exactly once an epoch; the remainder is 0 by construction, and is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from ltv_features.contract import BLOCK_EXAMPLES
from ltv_features.errors import ShardsRefused


@dataclass(frozen=True)
class ShardFile:
    """One Parquet file: path below the set's folder, digest, and per row group its blocks and real examples."""

    path: str
    sha256: str
    bytes: int
    row_groups: tuple[int, ...]
    examples: tuple[int, ...]


@dataclass(frozen=True)
class Bucket:
    """All blocks of one split whose token lists are padded to `length`."""

    length: int
    files: tuple[ShardFile, ...]

    @property
    def examples(self) -> int:
        """Real examples in the bucket."""
        return sum(sum(file.examples) for file in self.files)

    @property
    def filled(self) -> list[ShardFile]:
        """The files that hold a row, by path; a reader opens no other, so that nobody counts groups without a row."""
        return sorted((file for file in self.files if sum(file.examples)), key=lambda file: file.path)

    @property
    def groups(self) -> list[tuple[int, int]]:
        """Blocks and real examples of every row group, in the order in which shares are dealt."""
        return [pair for file in self.filled for pair in zip(file.row_groups, file.examples, strict=True)]


@dataclass(frozen=True)
class Read:
    """One bucket as one rank reads it: which share of the row groups, and how many blocks in each of its steps.

    `blocks` has one entry a step; 0 is a step on a zero-weight row. For batches smaller than a block, `parts` says into
    how many batches a block is cut, and each entry of `blocks` is 1 or 0 and stands for `parts` steps.
    """

    length: int
    share: int
    shares: int
    seed: int
    blocks: tuple[int, ...]
    parts: int
    examples: int

    @property
    def steps(self) -> int:
        """Steps on this bucket, the same on every rank."""
        return len(self.blocks) * self.parts


@dataclass(frozen=True)
class Plan:
    """One epoch of one rank: the bucket length of each step, how each bucket is read, and the counts to hold it to."""

    rank: int
    world: int
    steps: tuple[int, ...]
    reads: tuple[Read, ...]
    examples: int
    total: int
    remainder: int


def reading_plan(buckets: Sequence[Bucket], *, rank: int, world: int, batch_size: int, seed: int, epoch: int) -> Plan:
    """The plan of one rank for one epoch; `batch_size` examples a rank and step, a multiple or divisor of a block.

    Raises ShardsRefused for a batch size that does not fit blocks, ValueError for a rank outside the world.
    """
    if not 0 <= rank < world or epoch < 0:
        raise ValueError(f"rank {rank} of {world}, epoch {epoch}: expected 0 <= rank < world and epoch >= 0")
    if batch_size < 1 or (batch_size % BLOCK_EXAMPLES and BLOCK_EXAMPLES % batch_size):
        raise ShardsRefused(
            f"batch size {batch_size}: shards hold blocks of {BLOCK_EXAMPLES} examples; next: choose a multiple or a "
            f"divisor of {BLOCK_EXAMPLES}"
        )
    filled = sorted((bucket for bucket in buckets if bucket.examples), key=lambda bucket: bucket.length)
    mixed = _mixed(seed, epoch)
    reads = [
        [_read(bucket, (of + epoch + place) % world, world, batch_size, mixed + place) for of in range(world)]
        for place, bucket in enumerate(filled)
    ]
    steps = [ranks[rank].length for ranks in reads for _ in range(ranks[rank].steps)]
    Random(mixed).shuffle(steps)
    total = sum(bucket.examples for bucket in filled)
    own = tuple(ranks[rank] for ranks in reads)
    return Plan(
        rank=rank,
        world=world,
        steps=tuple(steps),
        reads=own,
        examples=sum(read.examples for read in own),
        total=total,
        remainder=total - sum(read.examples for ranks in reads for read in ranks),
    )


def _read(bucket: Bucket, share: int, world: int, batch_size: int, seed: int) -> Read:
    groups = bucket.groups
    shares = [groups[number::world] for number in range(world)]
    per_step = max(1, batch_size // BLOCK_EXAMPLES)
    steps = max(-(-sum(blocks for blocks, _ in own) // per_step) for own in shares)
    own_blocks = sum(blocks for blocks, _ in shares[share])
    return Read(
        length=bucket.length,
        share=share,
        shares=min(world, len(groups)),
        seed=seed,
        blocks=_spread(own_blocks, steps),
        parts=max(1, BLOCK_EXAMPLES // batch_size),
        examples=sum(examples for _, examples in shares[share]),
    )


def _spread(blocks: int, steps: int) -> tuple[int, ...]:
    """Blocks dealt evenly over steps, the larger steps first.

    >>> _spread(20, 3), _spread(1, 2)
    ((7, 7, 6), (1, 0))
    """
    return tuple(blocks // steps + (step < blocks % steps) for step in range(steps))


def _mixed(seed: int, epoch: int) -> int:
    """A seed for this epoch: at least 1, far from those of neighbouring epochs and seeds.

    >>> _mixed(1, 0) != _mixed(0, 1) and _mixed(1, 0) == _mixed(1, 0)
    True
    """
    return Random(f"{seed}/{epoch}").randrange(1, 2**31)
