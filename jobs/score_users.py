"""Production bundle + user state -> scores: one row for every eligible user, the night's partition replaced at once."""

import logging

from jobs._entry import Run, start
from ltv_features import contract, files, ledger
from ltv_train.score import users
from ltv_train.score.production import serving

NEEDS_SPARK = True

log = logging.getLogger("ltv.score_users")


def main(run: Run) -> None:
    """Scores the night once; the same states, model and settings again change nothing."""
    lake, settings = run.lake, run.settings
    states_digest = users.states_digest(lake, run.as_of)
    model = serving(lake, run.as_of, "value")
    digest = users.scores_digest(lake, states_digest, model, settings.score, settings.shop)
    scorer = users.scorer_of(model, settings.lake.root, run.as_of, settings.shop)
    table = contract.scores(scorer.horizons_days, scorer.named)
    users.hold_horizons(scorer, settings.shop.horizons_days)
    staged = files.join(settings.lake.root, "staging", f"scores-{run.as_of}")
    made = lake.committed(table.name, run.as_of) == digest
    if made and ledger.holds(lake, job="score_users", as_of=run.as_of, input_digest=digest):
        log.info("scores of %s are there already", run.as_of)
        files.remove_folder(staged)
        return
    states = users.eligible_states(lake, run.as_of)
    night = f"as_of = DATE'{run.as_of}'"
    if not made:
        users.score(states, scorer, table).write.mode("overwrite").parquet(staged)
        ranked = users.ranked(lake.spark.read.parquet(staged), table, settings.score, digest)
        lake.replace(ranked, table, as_of=run.as_of, input_digest=digest, where=night)
    committed = lake.read(table.name).where(night)
    sources = {row["score_source"]: row["count"] for row in committed.groupBy("score_source").count().collect()}
    hop = ledger.Hop("eligible users to scores", states.count(), sum(sources.values()), {})
    users.note_poison(lake, committed, run.as_of, digest)  # before the account, which says that all is done
    ledger.record(lake, job="score_users", as_of=run.as_of, input_digest=digest, run_id=run.run_id, hops=[hop])
    files.remove_folder(staged)
    log.info("%s users scored by %s (%s): %s", f"{hop.rows_out:,}", model["name"], model["digest"], sources)


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
