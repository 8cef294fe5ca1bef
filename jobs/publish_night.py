"""Self-audit, ledger and guards -> the one `nights` row that makes a night visible."""

import logging

from jobs._entry import Run, start
from ltv_features import contract, ledger
from ltv_features.digest import digest_of
from ltv_features.errors import InputMissing
from ltv_features.schemas import spark_schema
from ltv_train.score import guards, nights, production, recommend, users

NEEDS_SPARK = True

log = logging.getLogger("ltv.publish_night")


def main(run: Run) -> None:
    """Publishes the night, or holds it with every reason; the same tables again change nothing."""
    lake = run.lake
    scores = lake.committed("scores", run.as_of)
    if scores is None:
        raise InputMissing(f"scores of {run.as_of} are not there; next: python -m jobs score_users")
    recommendations = lake.committed("recommendations", run.as_of) or ""
    digest = digest_of("publish_night", scores, recommendations)
    known = nights.published(lake, run.as_of)
    if known is not None and known["input_digest"] == digest:
        log.info("night %s is published already", run.as_of)
        return
    guards.hold(guards.problems_of(lake, run.as_of, expected(run)), run.as_of)
    row = nights.night_row(lake, run.as_of, input_digest=digest, run_id=run.run_id)
    eligible = users.eligible_states(lake, run.as_of).count()
    hop = ledger.Hop("eligible users to published scores", eligible, row["eligible_users"])
    ledger.record(lake, job="publish_night", as_of=run.as_of, input_digest=digest, run_id=run.run_id, hops=[hop])
    lake.upsert(lake.spark.createDataFrame([row], spark_schema(contract.NIGHTS)), contract.NIGHTS)
    log.info("night %s is published: %s users", run.as_of, f"{row['eligible_users']:,}")


def expected(run: Run) -> dict[str, str]:
    """The digest of what each table of this night must have been made from."""
    lake, settings = run.lake, run.settings
    states, model = users.states_digest(lake, run.as_of), production.serving(lake, run.as_of, "value")
    digests = {"scores": users.scores_digest(lake, states, model, settings.score, settings.shop)}
    if production.recommendations_expected(lake, run.as_of):
        recommender, top_k = production.serving(lake, run.as_of, "recommender"), settings.recommend.top_k
        digests["recommendations"] = recommend.recommendations_digest(lake, run.as_of, recommender, top_k)
    return digests


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
