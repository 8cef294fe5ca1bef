"""The fits on Ray Train: one TorchTrainer runs a whole list, survives a killed worker, and returns the weights.

Rank 0 writes a checkpoint after every epoch; it holds the finished fits and the running one, so a restarted group goes
on at the right fit and epoch. With `workers = 0` the same list runs in this process, without Ray.
"""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel as DDP

from ltv_features import files
from ltv_features.errors import LtvError, TrainingFailed, said_in
from ltv_train import checkpoint, cluster, data
from ltv_train.checkpoint import FolderKeeper
from ltv_train.config import RaySettings
from ltv_train.fits import Fit, FitResult, Place, run_all
from ltv_train.loop import Ranks

log = logging.getLogger(__name__)
_CONTROLLER_FAILURES = 3


def run_fits(fits: Sequence[Fit], *, ray_settings: RaySettings, storage_path: str, run_name: str) -> list[FitResult]:
    """The results in the order of `fits`. `run_name` must name the work (a digest of everything that decides the
    result): the same name below the same absolute `storage_path` goes on where it stopped.

    Raises ShardsRefused before anything starts when shards differ from their manifest, TrainingFailed when training
    ends without a result.
    """
    if not fits:
        return []
    for folder in dict.fromkeys(fit.shards for fit in fits):
        data.verify(data.load_manifest(folder))
    if ray_settings.workers == 0:
        place = Place(loader_seconds=ray_settings.loader_timeout_seconds)
        return run_all(fits, place, FolderKeeper(files.join(storage_path, run_name)))
    return _with_ray(list(fits), ray_settings, storage_path, run_name)


def _with_ray(fits: list[Fit], settings: RaySettings, storage_path: str, run_name: str) -> list[FitResult]:
    cluster.choose_token(settings)
    import ray
    from ray.train.v2.api.exceptions import TrainingFailedError

    where = f"run {run_name} below {storage_path}"
    try:
        with cluster.joined(settings):
            result = _trainer(fits, settings, storage_path, run_name).fit()
    except (TrainingFailedError, ray.exceptions.RayError) as error:
        raise _told(where, error, settings) from error
    if result.error is not None or result.checkpoint is None:
        raise TrainingFailed(f"{where}: {result.error or 'no checkpoint was written'}; nothing was registered")
    with result.checkpoint.as_directory() as folder:
        state = checkpoint.load(str(folder))
    if state is None or len(state["done"]) != len(fits):
        raise TrainingFailed(f"{where}: the last checkpoint does not hold all {len(fits)} fits; nothing was registered")
    return [FitResult(**done) for done in state["done"]]


def _told(where: str, error: Exception, settings: RaySettings) -> LtvError:
    """What ended the training, by rank; of the kind of our own error where a worker raised one."""
    by_rank: Mapping[int, Exception] = getattr(error, "worker_failures", {})
    known = {rank: said_in(str(failure)) for rank, failure in sorted(by_rank.items())}
    told = [f"rank {rank}: {known[rank] or _last_line(by_rank[rank])}" for rank in known]
    kinds = [type(said) for said in known.values() if said is not None]
    return (kinds[0] if kinds else TrainingFailed)(
        f"{where}: {'; '.join(told) or _last_line(error)}; given up after {settings.max_failures} restart(s) "
        "(train.ray.max_failures); nothing was registered; next: mend it and run again, it goes on from the last epoch"
    )


def _last_line(error: Exception) -> str:
    """The last line of an error's text, which in a trace is the one that says what happened."""
    return str(error).strip().rsplit("\n", 1)[-1] or type(error).__name__


def _trainer(fits: list[Fit], settings: RaySettings, storage_path: str, run_name: str) -> Any:
    import ray.train as train
    from ray.train.torch import TorchConfig, TorchTrainer

    api: Any = train  # its annotations still name the classes of the older version
    return TorchTrainer(
        train_on_worker,
        train_loop_config={"fits": fits, "loader_seconds": settings.loader_timeout_seconds},
        scaling_config=api.ScalingConfig(num_workers=settings.workers, use_gpu=settings.use_gpu),
        torch_config=TorchConfig(backend="nccl" if settings.use_gpu else "gloo", timeout_s=settings.timeout_seconds),
        run_config=api.RunConfig(
            name=run_name,
            storage_path=storage_path,
            failure_config=api.FailureConfig(
                max_failures=settings.max_failures, controller_failure_limit=_CONTROLLER_FAILURES
            ),
            checkpoint_config=api.CheckpointConfig(num_to_keep=2),
            logging_config=api.LoggingConfig(log_level="WARNING"),
            worker_runtime_env={"env_vars": cluster.worker_environment()},
        ),
    )


def train_on_worker(config: dict[str, Any]) -> None:
    """What every rank runs."""
    import ray.train
    import ray.train.torch

    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    cluster.speak("ltv_train", logging.INFO if rank == 0 else logging.WARNING)
    cluster.hush_reports()
    device = ray.train.torch.get_device()

    def shared(model: nn.Module) -> nn.Module:
        return DDP(model, device_ids=[device] if device.type == "cuda" else None) if world > 1 else model

    def total(tensor: Tensor) -> Tensor:
        here = tensor.to(device)
        dist.all_reduce(here)
        return here.to(tensor.device)

    place = Place(Ranks(rank, world, total), device, shared, config["loader_seconds"])
    run_all(config["fits"], place, ReportingKeeper(rank))


class ReportingKeeper:
    """Keeps the state in Ray's storage: rank 0 brings the checkpoint, every rank reports equally often."""

    def __init__(self, rank: int) -> None:
        self._rank = rank

    def latest(self) -> dict[str, Any] | None:
        """The state of the last checkpoint that Ray has taken note of; None at the beginning."""
        import ray.train

        last = ray.train.get_checkpoint()
        if last is None:
            return None
        with last.as_directory() as folder:
            return checkpoint.load(str(folder))

    def keep(self, state: dict[str, Any], metrics: dict[str, float]) -> None:
        """Reports plain finite numbers, and the state from rank 0."""
        import ray.train

        if self._rank != 0:
            ray.train.report(metrics)
            return
        with tempfile.TemporaryDirectory() as folder:
            checkpoint.save(folder, state)
            ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))
