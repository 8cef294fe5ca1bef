"""Memory that is kept: a large piece that was freed comes back without the kernel."""

import subprocess
import sys

import pytest

STEPS = """
import resource, sys
import torch
from ltv_train.allocator import keep_memory
kept = keep_memory() if sys.argv[1] == "kept" else False
for _ in range(20):  # the heap grows to its size first
    torch.ones(16_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(16_000_000)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> tuple[bool, int]:
    """Whether memory is kept, and the pages that the kernel had to hand out for 20 tensors of 64 MB."""
    told = subprocess.run([sys.executable, "-c", STEPS, how], capture_output=True, text=True, check=True).stdout.split()
    return told[0] == "True", int(told[1])


def test_a_process_that_keeps_its_memory_asks_the_kernel_for_nothing_new() -> None:
    kept, few = faults("kept")
    if not kept:
        pytest.skip("this C library has no mallopt")
    assert few < 1_000
    assert faults("given back")[1] > 100_000
