"""Where a benchmark of training runs: the device with its name, its clock, and whether it multiplies bf16 itself."""

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch

from tests.benchmarks.compare import cpu_seconds

_CPUINFO = Path("/proc/cpuinfo")
_BF16_FLAGS = ("amx_bf16", "avx512_bf16", "bf16")


def chosen() -> torch.device:
    """The first CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def bf16_instructions(device: torch.device) -> str:
    """What multiplies bf16 on the device; empty where nothing does, and bf16 is only emulated."""
    if device.type == "cuda":
        major, _minor = torch.cuda.get_device_capability(device)
        return "tensor cores" if major >= 8 else ""
    told = _cpuinfo("flags") or _cpuinfo("Features")
    return ", ".join(flag for flag in _BF16_FLAGS if flag in told.split())


def named(device: torch.device) -> str:
    """The device in words, as it stands in a row of the table."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _cpuinfo("model name") or "unknown CPU"
    return f"{name.strip()}, bf16: {bf16_instructions(device) or 'no instructions'}"


def clock_of(device: torch.device) -> Callable[[], float]:
    """Seconds so far: of CPU where the CPU computes, of the wall once everything queued is done on a GPU."""
    if device.type != "cuda":
        return cpu_seconds

    def waited() -> float:
        torch.cuda.synchronize(device)
        return time.monotonic()

    return waited


@cache
def _cpuinfo(field: str) -> str:
    """The first line of this name in the kernel's description of the CPUs; empty where there is none."""
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.split(":")[0].strip() == field), "")
