"""The words that every table is described in: event types, lengths, columns and tables."""

from dataclasses import dataclass

SCHEMA_VERSION = 1

EVENT_TYPES = (
    "signup",
    "login",
    "view",
    "search",
    "click",
    "add_to_cart",
    "purchase",
    "refund",
    "review",
    "promotion_received",
    "promotion_redeemed",
)
"""Append-only: a type's id is its place here plus one; 0 is padding in tokens, a profile row in the kernel's input."""

TYPE_ID = {name: number for number, name in enumerate(EVENT_TYPES, start=1)}
PROFILE_TYPE_ID = 0
DONE_TO = ("promotion_received",)
"""What a shop does to its customers; whatever else happens, they did."""
BROWSE_TYPES = tuple(name for name in EVENT_TYPES if name not in ("purchase", "refund"))

MICROS_PER_DAY = 86_400_000_000
MAX_ORDER_TOKENS = 128
MAX_LINES = 256
MAX_BROWSE = 256
LENGTH_BUCKETS = (8, 16, 32, 64, 128, 256)
MAX_TOKENS = LENGTH_BUCKETS[-1]
BLOCK_EXAMPLES = 64
"""Examples in one Parquet row of a shard; the last block of a file is filled with weight 0."""


@dataclass(frozen=True)
class Column:
    """A column: its name (unit in the name), type word, meaning; `nullable` says whether a missing value is legal."""

    name: str
    type: str
    meaning: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """A Delta table of the lake: columns in order, the key that is unique in it, and the partition columns."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(column.name for column in self.columns)
