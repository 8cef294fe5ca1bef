"""P7: our loop against the shortest loop that one would write by hand, and against the machine's largest matmul."""

import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ltv_train.batch import Batch
from ltv_train.loop import Learner
from tests.benchmarks import device as devices
from tests.benchmarks.compare import Result, in_turns, timed
from tests.benchmarks.memory import batches_drawn, batches_in_memory, rows_of
from tests.benchmarks.training import alike, trainee_of, world_of

SIDE = 1024
"""Rows and columns of the matmul that stands for the peak."""
WIDE, LONG, ROWS = 256, 32, 512


def p7(
    *, examples: int = 8_192, width: int = 64, wide: int = WIDE, rows: int = ROWS, rounds: int = 5,
    device: torch.device | None = None,
) -> list[Result]:  # fmt: skip
    """Averaging, clipping, guard, schedule and counts against none of them; then the share of the peak, where matmuls
    dominate."""
    device = device or devices.chosen()
    return [_against_bare(examples, width, rounds, device), _against_peak(wide, rows, rounds, device)]


def _against_bare(examples: int, width: int, rounds: int, device: torch.device) -> Result:
    with world_of("P7", examples, width) as world:
        batches = list(batches_drawn(batches_in_memory(world), world.plan(0)))
        ours, theirs = trainee_of(world, device), trainee_of(world, device)

        def bare(turn: int) -> tuple[int, int]:
            theirs.losses.append(bare_pass(theirs.learner, batches, device))
            return len(batches), sum(len(batch) for batch in batches)

        pairs = in_turns(
            bare, lambda turn: ours.passes(batches), rounds=rounds, agree=lambda: alike(ours, theirs),
            clock=devices.clock_of(device),
        )  # fmt: skip
    what = f"our loop over an LSTM of width {width}, by the rate of a bare loop with the same optimiser"
    return Result("P7", what, pairs.ratio, 0.95, 1.0, False, f"{pairs.told()}; {devices.named(device)}")


def bare_pass(learner: Learner, batches: Iterable[Batch], device: torch.device) -> float:
    """The mean loss of one pass of forward, loss, backward and step, and nothing else."""
    network, optimiser = learner.bare.train(), learner.optimiser
    counts = torch.tensor(network.loss_weights, device=device) / learner.scales
    total, examples = torch.zeros((), device=device), 0
    for batch in batches:
        here = batch.to(device)
        optimiser.zero_grad()
        sums, weight = network.loss(network(here), here)
        loss = (sums / weight * counts).sum()
        loss.backward()
        optimiser.step()
        total, examples = total + loss.detach() * len(batch), examples + len(batch)
    return float(total) / examples


def _against_peak(width: int, rows: int, rounds: int, device: torch.device) -> Result:
    with world_of("P7", 16 * rows, width) as world:
        batches = [rows_of(batches_in_memory(world)[LONG], torch.arange(rows))] * 2
        trainee = trainee_of(world, device)
        flops = sum(flops_of(trainee.learner.bare, batch) for batch in batches)
        products = round(flops / (2 * SIDE**3))
        product = fastest_product(device)

        def peak(turn: int) -> int:
            for _ in range(products):
                product()
            return 0

        def ours(turn: int) -> int:
            trainee.passes(batches)
            return 0

        pairs = in_turns(peak, ours, rounds=rounds, clock=devices.clock_of(device))
    rate = 2 * SIDE**3 * products / min(pairs.ours) / 1e9
    what = f"our loop over an LSTM of width {width}, {rows} rows of {LONG} tokens, as a share of the peak of matmul"
    told = f"{flops / 1e9:.0f} GFLOP a turn; float32 matmul of {SIDE} x {SIDE}: {rate:.0f} GFLOP/s"
    return Result("P7", what, pairs.ratio, 0.55, 0.7, False, f"{pairs.told()}; {told}; {devices.named(device)}")


def fastest_product(device: torch.device) -> Callable[[], Tensor]:
    """One float32 product of SIDE x SIDE, by the library that is quicker at it: Torch's own choice, or on a CPU oneDNN
    (measured on an AMD EPYC: 83 against 101 GFLOP/s)."""
    left, right = (torch.randn(SIDE, SIDE, device=device) for _ in range(2))
    ways: list[Callable[[], Tensor]] = [lambda: torch.mm(left, right)]
    if device.type == "cpu" and torch.backends.mkldnn.is_available():
        packed = left.to_mkldnn(), right.to_mkldnn()
        ways.append(lambda: torch.nn.functional.linear(*packed))
    return min(
        ways, key=lambda way: min(timed(lambda _, way=way: _often(way), 0, time.process_time)[0] for _ in range(3))
    )


def _often(way: Callable[[], Tensor]) -> None:
    for _ in range(20):
        way()


def flops_of(network: Any, batch: Any) -> int:
    """Floating point operations of all matrix products in one step, forward and backward, counted by Torch: a multiply
    and an add are two. The fused LSTM hides its products from the counter, so it is counted unfused, on the CPU."""
    device = next(network.parameters()).device
    counter = FlopCounterMode(display=False)
    with warnings.catch_warnings(action="ignore"), torch.backends.mkldnn.flags(enabled=False), counter:
        sums, weight = network.cpu().loss(network(batch), batch)
        (sums / weight).sum().backward()
    network.zero_grad()
    network.to(device)
    return int(counter.get_total_flops())


ALL = {"P7": p7}
