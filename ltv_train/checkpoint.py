"""What a learner needs to go on as if it had never stopped: saved together, restored together.

Plain tensors, numbers and strings only, so that a checkpoint is read without running anything (`weights_only`). Noise
(dropout) follows from seed, epoch and rank at the start of every epoch (`seed_epoch`), so a checkpoint at the end of an
epoch carries the whole random state of every rank by carrying seed and epoch.
"""

import io
import pickle
from random import Random
from typing import Any

import torch

from ltv_features import files
from ltv_features.errors import TrainingFailed
from ltv_train.loop import Learner

STATE_FILE = "state.pt"


def state_of(learner: Learner) -> dict[str, Any]:
    """Everything in the learner that changes."""
    return {
        "model": learner.bare.state_dict(),
        "averaged": learner.averaged.state_dict(),
        "optimiser": learner.optimiser.state_dict(),
        "schedule": learner.schedule.state_dict(),
        "step": learner.step,
        "skipped": learner.skipped,
        "skipped_in_a_row": learner.skipped_in_a_row,
        "scales": learner.scales,
    }


def restore(learner: Learner, state: dict[str, Any]) -> None:
    """Puts `state_of` back into a learner built from the same fit."""
    learner.bare.load_state_dict(state["model"])
    learner.averaged.load_state_dict(state["averaged"])
    learner.optimiser.load_state_dict(state["optimiser"])
    learner.schedule.load_state_dict(state["schedule"])
    learner.step, learner.skipped = state["step"], state["skipped"]
    learner.skipped_in_a_row, scales = state["skipped_in_a_row"], state["scales"]
    learner.scales = None if scales is None else scales.to(next(learner.bare.parameters()).device)


def seed_epoch(seed: int, epoch: int, rank: int) -> None:
    """Sets the noise of one rank and epoch."""
    torch.manual_seed(Random(f"{seed}/{epoch}/{rank}").randrange(2**31))


def save(folder: str, state: dict[str, Any]) -> None:
    """Writes the state under `folder`, a path or an address, all of it or nothing."""
    written = io.BytesIO()
    torch.save(state, written)
    files.write_bytes(files.join(folder, STATE_FILE), written.getvalue())


def load(folder: str) -> dict[str, Any] | None:
    """The state under `folder`, on the CPU; None when there is none. Raises TrainingFailed when it cannot be read."""
    file = files.join(folder, STATE_FILE)
    if not files.exists(file):
        return None
    try:
        read = io.BytesIO(files.read_bytes(file))
        state: dict[str, Any] = torch.load(read, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise TrainingFailed(
            f"checkpoint {file}: not readable ({type(error).__name__}); next: remove the run's folder"
        ) from error
    return state


class FolderKeeper:
    """Keeps the latest state of a run in a folder or below an address: the keeper of a run without Ray."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def latest(self) -> dict[str, Any] | None:
        """The state to go on from."""
        return load(self._folder)

    def keep(self, state: dict[str, Any], metrics: dict[str, float]) -> None:
        """Replaces the latest state."""
        save(self._folder, state)
