"""Checkpoints on disk: everything that a resumed run needs, saved and restored together; no pickle of code."""

from pathlib import Path
from typing import Any

import torch

_FILE = "checkpoint.pt"


def save(folder: str | Path, content: dict[str, Any]) -> None:
    """Writes tensors and plain values into `folder`, which must exist."""
    torch.save(content, Path(folder) / _FILE)


def restore(folder: str | Path) -> dict[str, Any]:
    """What `save` wrote. Loaded with weights_only, so nothing in the file is run."""
    return dict(torch.load(Path(folder) / _FILE, weights_only=True))
