"""A network begins with the weights of an earlier one: vocabulary rows by their key, everything else by name and shape.

Every bundle numbers its vocabulary anew, so row 17 of an embedding is another item in each. A row is copied to where
its key stands now; padding and unknown keep their places; keys that are new begin at random, as in a cold start. Where
the width of any embedding changed, what reads the embeddings would be misread too, and the whole room of that embedding
begins at random. May import: Torch, the encoding. No Ray, no reader.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ltv_features.encode import FIRST_KNOWN, LEARNED_FIELDS, Encoding

_TABLES = ".tables."
STEPS_SHARE = 0.5
"""Of the steps of a cold start. A choice, not a measurement: the weights begin near where they will end."""


@dataclass(frozen=True)
class Start:
    """Weights of one network of an earlier bundle, and the raw numbers that its vocabulary rows stand for."""

    digest: str
    weights: Mapping[str, Tensor]
    numbers: Mapping[str, npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Copied:
    """What a start brought: tensors of how many, and vocabulary rows found again of how many."""

    tensors: int
    of_tensors: int
    rows: int
    of_rows: int


def begin(network: nn.Module, start: Start, encoding: Encoding) -> Copied:
    """Puts the start's weights into a network whose vocabulary is that of `encoding`."""
    mine = network.state_dict()
    fresh = _misread(mine, start.weights)
    made: dict[str, Tensor] = {}
    rows = of_rows = 0
    for name, value in mine.items():
        theirs = start.weights.get(name)
        field = _field_of(name)
        if theirs is None or any(name.startswith(prefix) for prefix in fresh):
            continue
        if field in LEARNED_FIELDS:
            made[name], found = _rows_by_key(value, theirs, encoding.numbers[field], start.numbers[field])
            rows, of_rows = rows + found, of_rows + len(encoding.numbers[field])
        elif theirs.shape == value.shape:
            made[name] = theirs.to(value.dtype)
    network.load_state_dict({**mine, **made})
    return Copied(len(made), len(mine), rows, of_rows)


def _rows_by_key(
    mine: Tensor, theirs: Tensor, ours: npt.NDArray[np.int64], known: npt.NDArray[np.int64]
) -> tuple[Tensor, int]:
    """An embedding with the rows of known keys moved to where the keys stand now, and how many were found."""
    made = mine.clone()
    made[:FIRST_KNOWN] = theirs[:FIRST_KNOWN]
    _, here, there = np.intersect1d(ours, known, assume_unique=True, return_indices=True)
    made[torch.from_numpy(here + FIRST_KNOWN)] = theirs[torch.from_numpy(there + FIRST_KNOWN)]
    return made, len(here)


def _misread(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> list[str]:
    """Prefixes of the rooms whose embeddings differ in number or width."""
    widths = [{name: value.shape[1] for name, value in each.items() if _TABLES in name} for each in (mine, theirs)]
    rooms = {name.split(_TABLES.strip("."))[0] for each in widths for name in each}
    return [room for room in rooms if _inside(widths[0], room) != _inside(widths[1], room)]


def _inside(widths: Mapping[str, int], room: str) -> dict[str, int]:
    return {name: width for name, width in widths.items() if name.startswith(room)}


def _field_of(name: str) -> str:
    """The field whose embedding a tensor is; empty for any other tensor.

    >>> _field_of("encoder.embed.tables.item_no.weight"), _field_of("head.bias")
    ('item_no', '')
    """
    return name.split(_TABLES)[1].split(".")[0] if _TABLES in name else ""


def told(copied: Copied, start: Start) -> str:
    """One sentence for the log and run.json."""
    return (
        f"warm from {start.digest}: {copied.tensors} of {copied.of_tensors} tensors, {copied.rows} of {copied.of_rows} "
        f"vocabulary rows, {STEPS_SHARE:.0%} of the steps"
    )
