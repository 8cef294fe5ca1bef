"""Two real ranks over gloo, without Ray: what a network with batch norm keeps is the same on both."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as processes
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel as DDP

from ltv_features.aggregates import NAMES
from ltv_features.contract import NUMERIC_FIELDS
from ltv_train import checkpoint, loop, models
from ltv_train.batch import Batch, zeros
from ltv_train.loop import Ranks
from ltv_train.models import Shape
from ltv_train.optimisers import Recipe
from tests.network_world import some_inputs, some_world, training_columns

STEPS = 6
ENCODERS = ("lstm", "cnn", "cnn_lstm", "transformer", "mlp")


def train(rank: int, folder: str) -> None:
    """One rank: uneven batches, the last two steps of rank 1 on a row of weight 0."""
    store = dist.FileStore(f"{folder}/store", 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=60))

    def total(tensor: Tensor) -> Tensor:
        here = tensor.clone()
        dist.all_reduce(here)
        return here

    for encoder in ENCODERS:
        batches = [batch_of(slice(0, 8) if rank else slice(8, 64))] * (STEPS - 2)
        batches += [zeros(1, 8, aggregates=len(NAMES), periods=2) if rank else batches[0]] * 2
        learner = loop.start(network(encoder), Recipe(STEPS, precision="bfloat16"), DDP)
        loop.train_epoch(learner, batches, Ranks(rank, 2, total), torch.device("cpu"))
        checkpoint.save(f"{folder}/{encoder}/{rank}", checkpoint.state_of(learner))
    dist.destroy_process_group()


def batch_of(rows: slice) -> Batch:
    world, labels = some_world(64, signal=1.0, seed=1)
    columns = training_columns(world, labels, np.arange(64)[rows])
    return some_inputs(world).batch(columns, at_origin=False)


def network(encoder: str) -> torch.nn.Module:
    world, _ = some_world(64, signal=1.0, seed=1)
    sizes = some_inputs(world).encoding.vocabulary_sizes
    normed = encoder not in ("transformer", "mlp")
    shape = Shape(sizes, len(NUMERIC_FIELDS), len(NAMES), periods=2, width=16, layers=2, batch_norm=normed)
    return models.build(encoder, shape, residual=True, seed=1)


@pytest.mark.slow
def test_two_ranks_end_with_the_same_weights_and_statistics(tmp_path: Path) -> None:
    processes.spawn(train, (str(tmp_path),), nprocs=2)
    for encoder in ENCODERS:
        first, second = (checkpoint.load(f"{tmp_path}/{encoder}/{rank}") for rank in (0, 1))
        assert first is not None
        assert second is not None
        assert first["step"] == STEPS
        assert first["skipped"] == 0
        for part in ("model", "averaged"):
            assert all(torch.equal(values, second[part][name]) for name, values in first[part].items()), encoder
            assert all(bool(torch.isfinite(values).all()) for values in first[part].values())
