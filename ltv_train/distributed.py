"""The loop on Ray Train: one TorchTrainer runs a whole list of fits, survives a killed worker, and returns the weights.

A checkpoint is written after every epoch and holds the running fit and the results of the finished ones, so a restarted
group goes on at the right fit and epoch. `workers = 0` runs the same fits in this process, without Ray.
"""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel as DDP

from ltv_features.errors import TrainingFailed
from ltv_train import checkpoint, data
from ltv_train.config import RaySettings
from ltv_train.fits import FitResult, NetworkFit, run_fit
from ltv_train.loop import Learner, Progress
from ltv_train.models.network import NetworkShape

log = logging.getLogger("ltv.train")
_OBJECT_STORE_BYTES = 200 << 20


def run_fits(fits: Sequence[NetworkFit], *, ray_settings: RaySettings, storage: str, run_name: str) -> list[FitResult]:
    """The results in the order of `fits`. `storage` is an absolute path; `run_name` names the logical run: the same
    name resumes it.

    Raises ShardsRefused before anything starts when a shard is not what its manifest says, TrainingFailed when Ray
    gives up, with the reason.
    """
    torch.set_num_threads(1)
    for folder in dict.fromkeys(fit.shards for fit in fits):
        data.verify(data.load_manifest(folder))
    if not ray_settings.workers:
        return [run_fit(fit) for fit in fits]
    return _with_ray(list(fits), ray_settings, storage, run_name)


def _with_ray(fits: list[NetworkFit], settings: RaySettings, storage: str, run_name: str) -> list[FitResult]:
    import ray
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    ours = not ray.is_initialized()
    if ours:
        _open_ray(settings)
    try:
        trainer = TorchTrainer(
            _on_worker,
            train_loop_config={"fits": fits},
            scaling_config=ScalingConfig(num_workers=settings.workers, use_gpu=settings.use_gpu),
            torch_config=TorchConfig(
                backend="nccl" if settings.use_gpu else "gloo", timeout_s=settings.timeout_seconds
            ),
            run_config=RunConfig(
                name=run_name,
                storage_path=storage,
                failure_config=FailureConfig(max_failures=settings.max_failures, controller_failure_limit=3),
                checkpoint_config=CheckpointConfig(num_to_keep=2),
            ),
        )
        result = trainer.fit()
    except ray.exceptions.RayError as error:
        raise TrainingFailed(
            f"run {run_name}: {error}; nothing was registered; next: see {storage}/{run_name}"
        ) from error
    finally:
        if ours:
            ray.shutdown()
    if result.error is not None or result.checkpoint is None:
        raise TrainingFailed(f"run {run_name}: {result.error}; nothing was registered; next: see {storage}/{run_name}")
    with result.checkpoint.as_directory() as folder:
        return [_result(finished) for finished in checkpoint.restore(folder)["finished"]]


def _open_ray(settings: RaySettings) -> None:
    import ray

    if settings.address == "local":
        ray.init(
            address="local",
            num_cpus=max(settings.workers, 1),
            object_store_memory=_OBJECT_STORE_BYTES,
            logging_level=logging.WARNING,
        )
    else:
        ray.init(address=settings.address, logging_level=logging.WARNING)


def _on_worker(config: dict[str, Any]) -> None:
    """Every rank: go on where the last checkpoint stopped, fit after fit."""
    import ray.train

    logging.basicConfig(format="%(message)s", level=logging.INFO if _rank() == 0 else logging.WARNING)
    torch.set_num_threads(1)
    stored: dict[str, Any] = {"finished": [], "running": None}
    last = ray.train.get_checkpoint()
    if last is not None:
        with last.as_directory() as folder:
            stored = checkpoint.restore(folder)
    for number in range(len(stored["finished"]), len(config["fits"])):
        fit = config["fits"][number]

        def after_epoch(learner: Learner, progress: Progress) -> None:
            stored["running"] = {"learner": learner.state(), "progress": progress.to_dict()}
            _report(stored, progress)

        result = run_fit(
            fit,
            rank=_rank(),
            world=ray.train.get_context().get_world_size(),
            reduce=_add_over_ranks,
            wrap=lambda model: DDP(model),
            device=str(ray.train.torch.get_device()),
            resume=stored["running"],
            after_epoch=after_epoch,
        )
        stored["finished"].append(_stored(result, _all_ranks(result.progress)))
        stored["running"] = None
        _report(stored, result.progress)


def _rank() -> int:
    import ray.train

    return int(ray.train.get_context().get_world_rank())


def _report(stored: dict[str, Any], progress: Progress) -> None:
    """Plain finite numbers and, from rank 0, the checkpoint; every rank reports equally often."""
    import ray.train

    metrics = {"epoch": progress.epoch, "step": progress.step, "fits_done": len(stored["finished"])}
    if _rank() != 0:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(folder, stored)
        ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))


def _add_over_ranks(tensor: torch.Tensor) -> torch.Tensor:
    dist.all_reduce(tensor)
    return tensor


def _all_ranks(progress: Progress) -> list[list[int]]:
    """Examples read, [ranks][epochs]."""
    mine = torch.tensor(progress.examples, dtype=torch.int64)
    every = [torch.zeros_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(every, mine)
    return [counts.tolist() for counts in every]


def _stored(result: FitResult, examples_read: list[list[int]]) -> dict[str, Any]:
    return {
        "name": result.name,
        "shape": asdict(result.shape),
        "weights": result.weights,
        "progress": result.progress.to_dict(),
        "examples_read": examples_read,
    }


def _result(stored: dict[str, Any]) -> FitResult:
    return FitResult(
        stored["name"],
        NetworkShape(**stored["shape"]),
        stored["weights"],
        Progress.from_dict(stored["progress"]),
        stored["examples_read"],
    )
