"""Which training of a night is the latest: a note beside the trainings. May import: files."""

from typing import Any

from ltv_features import files

LATEST = "latest.json"


def latest_run(training: str) -> tuple[str, dict[str, Any]]:
    """The folder of the latest training below `training`, and its run.json. Raises InputMissing without one."""
    folder = files.join(training, files.read_json(files.join(training, LATEST))["run"])
    return folder, files.read_json(files.join(folder, "run.json"))


def note_latest(training: str, run: str, input_digest: str) -> None:
    """Says which training below `training` is the latest; nothing is written where that is said already."""
    path, latest = files.join(training, LATEST), {"run": run, "input_digest": input_digest}
    if not files.exists(path) or files.read_json(path) != latest:
        files.write_json(path, latest)
