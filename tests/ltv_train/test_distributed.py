"""The fits on Ray Train: two ranks, one that is killed, one that hangs; and ranks without Ray, by their sums alone."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from ltv_features.errors import ShardsRefused, TrainingFailed
from ltv_train import checkpoint, distributed
from ltv_train.config import NetworkSettings, RaySettings
from ltv_train.value_fit import NetworkFit
from tests.network_world import some_anchors, some_encoding, write_world


def some_fits(root: Path, count: int) -> list[NetworkFit]:
    folder, rows = write_world(root / "shards", users=320)
    settings = NetworkSettings(hidden=16, batch_size=128, steps=9)
    return [
        NetworkFit(f"fit {seed}", folder, settings, some_encoding(rows), some_anchors(), seed, 3)
        for seed in range(1, count + 1)
    ]


def test_without_workers_the_fits_run_in_this_process_and_resume_by_name(tmp_path: Path) -> None:
    fits = some_fits(tmp_path, 2)
    none = RaySettings(workers=0)
    first = distributed.run_fits(fits, ray_settings=none, storage_path=str(tmp_path / "runs"), run_name="a")
    again = distributed.run_fits(fits, ray_settings=none, storage_path=str(tmp_path / "runs"), run_name="a")
    assert [fit.name for fit in first] == ["fit 1", "fit 2"]
    assert all(torch.equal(one.weights[name], two.weights[name]) for one, two in zip(first, again, strict=True)
               for name in one.weights)  # fmt: skip


def test_damaged_shards_are_refused_before_anything_starts(tmp_path: Path) -> None:
    fits = some_fits(tmp_path, 1)
    file = next(Path(fits[0].shards).rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ShardsRefused, match="bytes"):
        distributed.run_fits(fits, ray_settings=RaySettings(), storage_path=str(tmp_path / "runs"), run_name="a")
    assert not (tmp_path / "runs").exists()


def test_a_cluster_that_does_not_start_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def times_out(**given: Any) -> None:
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr("ray.init", times_out)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(TrainingFailed, match="Ray at 'local' did not start: The current node timed out"):
        distributed.run_fits(some_fits(tmp_path, 1), ray_settings=RaySettings(), storage_path="x", run_name="a")


DEATHS = 2


def dies(config: dict[str, Any]) -> None:
    """The worker's own function, but rank 1 kills itself after its second epoch, in each of its first DEATHS lives."""
    import ray.train

    reports: list[int] = []
    keep = distributed.ReportingKeeper.keep

    def keep_then_die(self: distributed.ReportingKeeper, state: dict[str, Any], metrics: dict[str, float]) -> None:
        keep(self, state, metrics)
        reports.append(1)
        with Path(config["marker"]).open("a") as deaths:
            if ray.train.get_context().get_world_rank() == 1 and len(reports) == 2 and deaths.tell() < DEATHS:
                deaths.write("x")
                deaths.flush()
                time.sleep(6)  # a checkpoint counts only after the controller has polled it
                os.kill(os.getpid(), signal.SIGKILL)

    distributed.ReportingKeeper.keep = keep_then_die  # type: ignore[method-assign]
    distributed.train_on_worker(config)


@pytest.mark.ray
def test_a_killed_worker_costs_no_step_and_where_restarts_are_spent_a_rerun_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two fits of three epochs. Rank 1 dies in the first and is restarted, and dies in the second, which ends the run;
    the run of the same name ends as one that nobody disturbed."""
    fits = some_fits(tmp_path, 2)
    marker = tmp_path / "deaths"
    made = distributed._trainer

    def trainer_that_loses_a_worker(*given: Any) -> Any:
        trainer = made(*given)
        trainer.train_loop_per_worker = dies
        trainer.train_loop_config = trainer.train_loop_config | {"marker": str(marker)}
        return trainer

    monkeypatch.setattr(distributed, "_trainer", trainer_that_loses_a_worker)
    settings = RaySettings(workers=2, max_failures=1, timeout_seconds=60)
    run = {"ray_settings": settings, "storage_path": str(tmp_path / "runs"), "run_name": "kill"}
    with pytest.raises(TrainingFailed, match=r"rank 1: .*given up after 1 restart\(s\)"):
        distributed.run_fits(fits, **run)
    assert marker.stat().st_size == DEATHS
    kept = sorted((tmp_path / "runs" / "kill").rglob(checkpoint.STATE_FILE))
    state = checkpoint.load(str(kept[-1].parent))
    assert state is not None
    assert [done["name"] for done in state["done"]] == ["fit 1"], "the restart had gone on behind the first death"
    got = distributed.run_fits(fits, **run)
    assert [result.steps for result in got] == [9, 9]
    assert [[row["step"] for row in result.curve] for result in got] == [[3.0, 6.0, 9.0]] * 2
    assert all(sum(ranks) == 256 and len(ranks) == 2 for result in got for ranks in result.examples_read)
    alone = distributed.run_fits(fits, **run | {"ray_settings": RaySettings(workers=0), "run_name": "alone"})
    losses = [[row["validation_loss"] for result in results for row in result.curve] for results in (got, alone)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def hangs(config: dict[str, Any]) -> None:
    """The worker's own function, but rank 1 sleeps for ever after its second epoch: alive, and of no use."""
    import ray.train

    reports: list[int] = []
    keep = distributed.ReportingKeeper.keep

    def keep_then_sleep(self: distributed.ReportingKeeper, state: dict[str, Any], metrics: dict[str, float]) -> None:
        keep(self, state, metrics)
        reports.append(1)
        if ray.train.get_context().get_world_rank() == 1 and len(reports) == 2:
            Path(config["marker"]).write_text(str(time.time()))
            time.sleep(3600)

    distributed.ReportingKeeper.keep = keep_then_sleep  # type: ignore[method-assign]
    distributed.train_on_worker(config)


@pytest.mark.ray
def test_a_rank_that_hangs_ends_the_run_in_bounded_time_by_name_and_a_rerun_may_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = some_fits(tmp_path, 1)
    made = distributed._trainer

    def trainer_that_hangs(*given: Any) -> Any:
        trainer = made(*given)
        trainer.train_loop_per_worker = hangs
        trainer.train_loop_config = trainer.train_loop_config | {"marker": str(tmp_path / "hangs")}
        return trainer

    monkeypatch.setattr(distributed, "_trainer", trainer_that_hangs)
    settings = RaySettings(workers=2, max_failures=0, timeout_seconds=15)
    with pytest.raises(TrainingFailed) as ended:
        distributed.run_fits(fits, ray_settings=settings, storage_path=str(tmp_path / "runs"), run_name="hang")
    assert time.time() - float((tmp_path / "hangs").read_text()) < 15 + 90, "the time-out, and Ray's own way out"
    said = str(ended.value)
    assert "rank 0: fit 1, epoch 3, rank 0 of 2: " in said
    assert "given up after 0 restart(s) (train.ray.max_failures); nothing was registered" in said
    kept = sorted((tmp_path / "runs" / "hang").rglob(checkpoint.STATE_FILE))
    state = checkpoint.load(str(kept[-1].parent))
    assert state is not None
    assert (state["done"], state["current"]["progress"]["epoch"]) == ([], 2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_one_gpu_worker_learns_what_this_process_learns(tmp_path: Path) -> None:
    """nccl with one worker against the same fit without Ray on the CPU: the same steps, losses alike to 2 %."""
    fits = some_fits(tmp_path, 1)
    on_gpu = RaySettings(workers=1, use_gpu=True)
    runs = [
        distributed.run_fits(fits, ray_settings=settings, storage_path=str(tmp_path / name), run_name="a")[0]
        for name, settings in (("gpu", on_gpu), ("cpu", RaySettings(workers=0)))
    ]
    assert runs[0].steps == runs[1].steps == 9
    losses = [[row["train_loss"] for row in run.curve] for run in runs]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
