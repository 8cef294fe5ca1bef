"""Recommender bundle + user state -> the top items of every eligible user, the night's partition replaced at once."""

import logging

from jobs._entry import Run, start
from ltv_features import contract, ledger
from ltv_train.score import production, recommend

NEEDS_SPARK = True

log = logging.getLogger("ltv.recommend_items")


def main(run: Run) -> None:
    """Recommends once for the same states, recommender and settings; a shop without items gets none, said once."""
    lake, settings, table = run.lake, run.settings, contract.RECOMMENDATIONS
    production.promote_recommender(lake, run.as_of, run_id=run.run_id)
    if not production.recommendations_expected(lake, run.as_of):
        log.info("no recommendations: no source has items, or none were sold long enough before %s", run.as_of)
        return
    model = production.serving(lake, run.as_of, "recommender")
    digest = recommend.recommendations_digest(lake, run.as_of, model, settings.recommend.top_k)
    made = lake.committed(table.name, run.as_of) == digest
    if made and ledger.holds(lake, job="recommend_items", as_of=run.as_of, input_digest=digest):
        log.info("recommendations of %s are there already", run.as_of)
        return
    states = recommend.states_with_items(lake, run.as_of)
    night = f"as_of = DATE'{run.as_of}'"
    if not made:
        offers = recommend.offers_of(model, settings.lake.root, run.as_of, settings.recommend.top_k)
        lake.replace(recommend.recommend(states, offers), table, as_of=run.as_of, input_digest=digest, where=night)
    written = lake.read(table.name).where(night).count()
    hop = ledger.Hop("eligible users to recommendations", states.count(), written, {})
    ledger.record(lake, job="recommend_items", as_of=run.as_of, input_digest=digest, run_id=run.run_id, hops=[hop])
    log.info("%s users have recommendations by %s", f"{written:,}", model["digest"])


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
