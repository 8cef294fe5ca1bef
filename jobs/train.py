"""Shards -> candidate bundles on every past origin and on the night, predictions, run.json.  (Ray, no Spark)"""

import logging

from jobs._entry import Run, start
from ltv_features import files
from ltv_features.errors import InputMissing
from ltv_train.latest import note_latest
from ltv_train.promoted import noted_before
from ltv_train.starts import Starts
from ltv_train.training import run_name_of, train_all

NEEDS_SPARK = False

log = logging.getLogger("ltv.train")


def main(run: Run) -> None:
    """Trains everything once; the same shards and settings again are recognised by the run's name."""
    root, settings = run.settings.lake.root, run.settings.train
    shards = files.join(root, "shards", run.as_of.isoformat())
    top = files.join(shards, "manifest.json")
    if not files.exists(top):
        raise InputMissing(f"shards as of {run.as_of} are not at {shards}; next: python -m jobs build_examples")
    manifest = files.read_json(top)
    before = noted_before(root, run.as_of, "value") if settings.warm_start else None
    name = run_name_of(manifest["input_digest"], settings, (before or {}).get("digest"))
    folder = files.join(root, "training", run.as_of.isoformat())
    out = files.join(folder, name)
    if files.exists(files.join(out, "run.json")):
        log.info("%s is there already", name)
        note_latest(folder, name, manifest["input_digest"])
        return
    storage, starts = files.join(folder, "ray"), Starts(root, before, settings.warm_start)
    told = train_all(shards, manifest["value"], out, settings, storage=storage, run_name=name, starts=starts)
    told |= {"as_of": run.as_of.isoformat(), "input_digest": manifest["input_digest"]}
    files.write_json(files.join(out, "run.json"), told)
    note_latest(folder, name, manifest["input_digest"])
    log.info("%s: %s on %d origins", name, ", ".join(told["candidates"]), len(told["origins"]))


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
