"""Two real processes that train together over gloo: what they learn is what one process learns from all rows."""

import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as spawning
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel as DDP

from ltv_features.aggregates import NAMES
from ltv_features.contract import NUMERIC_FIELDS
from ltv_train import loop, models
from ltv_train.batch import Batch
from ltv_train.loop import Ranks, Recipe
from ltv_train.models import Shape
from tests.network_world import some_inputs, some_world, training_columns

CPU = torch.device("cpu")
STEPS = ((range(8), range(8, 64)), (range(64, 96), range(96, 96)), (range(96, 127), range(127, 128)))
"""The rows of each step on rank 0 and on rank 1: 8 against 56, 32 against none, 31 against 1."""
EXAMPLES, LABELS = some_world(128, signal=1.0, seed=1)


def batch_of(rows: range) -> Batch:
    """Rows as a batch; no rows are one row of weight 0, as a rank that has none left steps."""
    columns = training_columns(EXAMPLES, LABELS, np.asarray(rows if len(rows) else [0]))
    if not len(rows):
        columns["weight"] = np.zeros((1, 1), np.float32)
    return some_inputs(EXAMPLES).batch(columns, at_origin=False)


def learned(batches: list[Batch], ranks: Ranks, wrap: Any) -> dict[str, Any]:
    """Loss, validation loss and weights after the steps; no dropout, no clipping, so that only the sums matter."""
    shape = Shape(some_inputs(EXAMPLES).encoding.vocabulary_sizes, len(NUMERIC_FIELDS), len(NAMES), 2, 16, 1, 0.0)
    network = models.build("mlp", shape, residual=True, seed=1)
    learner = loop.start(network, Recipe(10, clip_norm=1e9), wrap)
    loop.weigh(learner, batches, ranks, CPU)
    told = loop.train_epoch(learner, batches, ranks, CPU)
    gradients = {name: value.grad for name, value in learner.bare.named_parameters() if value.grad is not None}
    validated = loop.validate(learner, batches, ranks, CPU)
    return {"loss": told.loss, "validated": validated, "gradients": gradients, "weights": learner.bare.state_dict()}


def one_rank(rank: int, port: int, folder: str) -> None:
    """What a process does: a group of two, then the same code as alone."""
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2, timeout=timedelta(seconds=60))

    def total(tensor: Tensor) -> Tensor:
        everywhere = tensor.clone()
        dist.all_reduce(everywhere)
        return everywhere

    made = learned([batch_of(step[rank]) for step in STEPS], Ranks(rank, 2, total), DDP)
    torch.save(made, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_uneven_ranks_learn_what_one_rank_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    spawning.spawn(one_rank, args=(port, str(tmp_path)), nprocs=2)  # type: ignore[no-untyped-call]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    alone = learned(
        [batch_of(range(step[0].start, max(step[0].stop, step[1].stop))) for step in STEPS], Ranks(), lambda m: m
    )
    for made in (first, second):
        assert made["loss"] == pytest.approx(alone["loss"], rel=1e-5)
        assert made["validated"] == pytest.approx(alone["validated"], rel=1e-5)
        assert made["gradients"].keys() == alone["gradients"].keys()
        for kind in ("gradients", "weights"):
            for name, value in alone[kind].items():
                torch.testing.assert_close(made[kind][name], value, rtol=1e-3, atol=1e-5, msg=f"{kind} {name}")
