"""Self-audit, ledger and guards -> the one `nights` row that makes a night visible."""

import logging

from jobs._entry import Run, start
from ltv_features import contract
from ltv_features.digest import digest_of
from ltv_features.errors import InputMissing
from ltv_features.schemas import spark_schema
from ltv_train.score import nights, production

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
    expected = production.recommendations_expected(lake, run.as_of)
    nights.hold(nights.problems_of(lake, run.as_of, with_recommendations=expected), run.as_of)
    row = nights.night_row(
        lake,
        run.as_of,
        model_digest=production.serving(lake, run.as_of, "value")["digest"],
        recommender_digest=production.serving(lake, run.as_of, "recommender")["digest"] if recommendations else "",
        input_digest=digest,
        run_id=run.run_id,
    )
    lake.upsert(lake.spark.createDataFrame([row], spark_schema(contract.NIGHTS)), contract.NIGHTS)
    log.info("night %s is published: %s users", run.as_of, f"{row['eligible_users']:,}")


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
