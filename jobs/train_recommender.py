"""Basket shards -> the recommender bundle and its back-test.  (Ray, no Spark)"""

import logging

from jobs._entry import Run, start
from ltv_features import files
from ltv_features.digest import code_of, digest_of
from ltv_features.errors import InputMissing
from ltv_train.recommender_training import train_recommender

NEEDS_SPARK = False

log = logging.getLogger("ltv.train_recommender")


def main(run: Run) -> None:
    """Trains once for each state of shards and settings; a shop without items has nothing to recommend."""
    root, settings = run.settings.lake.root, run.settings
    shards = files.join(root, "shards", run.as_of.isoformat())
    top = files.join(shards, "manifest.json")
    if not files.exists(top):
        raise InputMissing(f"shards as of {run.as_of} are not at {shards}; next: python -m jobs build_examples")
    manifest = files.read_json(top)
    if not manifest["basket"]:
        return  # recommend_items says so
    code = code_of(train_recommender.__module__)
    digest = digest_of("train_recommender", manifest["input_digest"], settings.recommend, code)
    folder = files.join(root, "training", run.as_of.isoformat(), "recommender")
    note = files.join(folder, "recommender.json")
    if files.exists(note) and files.read_json(note)["input_digest"] == digest:
        log.info("recommender %s is there already", files.read_json(note)["bundle"])
        return
    told = train_recommender(
        shards,
        manifest["basket"],
        files.join(root, "bundles"),
        settings.recommend,
        settings.train.ray,
        storage=files.join(folder, "ray"),
        run_name=f"recommender-{digest}",
    )
    files.write_json(note, told | {"input_digest": digest})
    log.info("recommender %s: mix %s", told["bundle"], told["mix"])


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
