"""Training that is there already is pointed at, however the run before it ended."""

from datetime import date
from pathlib import Path

from jobs import train
from jobs._entry import Run
from ltv_features import files
from ltv_train.latest import latest_run
from ltv_train.training import run_name_of
from tests.score_world import settings_of

NIGHT = date(2026, 4, 1)


def test_a_run_killed_before_it_was_pointed_at_is_found_by_the_next(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    shards, training = (tmp_path / "lake" / name / str(NIGHT) for name in ("shards", "training"))
    files.write_json(str(shards / "manifest.json"), {"input_digest": "shards"})
    run = run_name_of("shards", settings.train)
    files.write_json(str(training / run / "run.json"), {"run_name": run})
    train.main(Run(settings, NIGHT, "test", None))  # type: ignore[arg-type]
    assert latest_run(str(training)) == (str(training / run), {"run_name": run})
