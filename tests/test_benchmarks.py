"""The benchmarks of training at toy size: they run, assert their answers, and tell what they are to be held to.

Ratios at this size mean nothing and are not looked at. Ray's (P10) starts a cluster and is not run here:
`test_distributed` does what it does, and `test_increment` what P4 does.
"""

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.benchmarks import bare, feeding, scaling, training
from tests.benchmarks.compare import Result
from tests.conftest import quick_elsewhere

CPU = torch.device("cpu")
TOY: dict[str, Callable[[], list[Result]]] = {
    "P5": lambda: feeding.p5(examples=2_000, rounds=1),
    "P6": lambda: training.p6(examples=600, widths=(16,), rounds=1, device=CPU),
    "P7": lambda: bare.p7(examples=600, width=16, wide=16, rows=8, rounds=1, device=CPU),
    "P8": lambda: training.p8(examples=600, width=16, rounds=1, device=CPU),
    "P11": lambda: training.p11(examples=600, width=16, rounds=1, device=CPU),
}
SLOW_TOY = {
    "P6a": lambda: scaling.p6a(examples=600, width=16, rounds=1),
    "P9": lambda: scaling.p9(examples=600, widths=(16,), rounds=1),
}
IN_SPARK = (
    "state.p1(events=5_000, users=200, rounds=1), carried.p2(events=4_000, users=200, rounds=1), "
    "carried.p3(events=20_000, users=400, rounds=1), examples.p4b(events=5_000, users=100, many=4, rounds=1), "
    "examples.p4c(users=500, events=10_000, rounds=1)"
)
"""Each opens a session of its own, so they run in a process of their own."""


@pytest.fixture(autouse=True)
def losses_of_toys_are_noisy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "NOISE", 1.0)
    monkeypatch.setattr(scaling, "NOISE", 1.0)


def held(name: str, results: list[Result]) -> None:
    assert results
    for result in results:
        assert result.id == name
        assert result.not_judged or (math.isfinite(result.ratio) and result.ratio > 0)
        assert result.must <= result.aim
        assert result.what
        assert result.detail


@pytest.mark.slow
@pytest.mark.parametrize("name", TOY)
def test_a_benchmark_of_one_process_runs_and_its_answers_agree(name: str) -> None:
    held(name, TOY[name]())


@pytest.mark.slow
def test_benchmarks_of_spark_run_and_their_whole_rows_agree() -> None:
    modules = "carried, examples, state"
    code = f"from tests.benchmarks import {modules}\nfor each in ({IN_SPARK}): print(each[0].as_json())"
    root = Path(__file__).parent.parent
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, env=quick_elsewhere(), capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3_000:]
    assert done.stdout.count("'id': 'P") == 5


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_TOY)
def test_a_benchmark_of_several_processes_runs_and_its_answers_agree(name: str) -> None:
    held(name, SLOW_TOY[name]())


def test_a_ratio_that_was_not_judged_meets_nothing_and_misses_nothing() -> None:
    result = Result("P11", "bf16", math.nan, 1.5, 1.9, False, "no instructions", not_judged="no instructions")
    assert not result.meets_must
    assert not result.meets_aim
    assert result.as_json()["ratio"] is None


def test_products_of_an_lstm_are_counted_as_its_formula_says() -> None:
    """2 x 4 x D x (D + D) operations a token and layer, three times with the backward pass."""
    tokens, width = 6, 4

    class Bare(torch.nn.Module):
        loss_weights = (1.0,)

        def __init__(self) -> None:
            super().__init__()
            self.cell = torch.nn.LSTM(width, width, batch_first=True)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            said: torch.Tensor = self.cell(batch)[0]
            return said

        def loss(self, said: torch.Tensor, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return said.sum()[None], torch.tensor(1.0)

    forward = 2 * 4 * width * (width + width) * 5 * tokens
    counted = bare.flops_of(Bare(), torch.ones(5, tokens, width, requires_grad=True))
    first_state = 2 * 4 * width * width * 5
    assert forward * 3 - first_state <= counted <= forward * 3
