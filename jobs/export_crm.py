"""A published night minus everybody who asked to be left alone -> CRM table and files, manifest last."""

import logging

from jobs._entry import Run, start
from ltv_features import contract, ledger
from ltv_features.as_of import on_night
from ltv_features.digest import digest_of
from ltv_features.errors import InputMissing
from ltv_train.score import destinations, nights

NEEDS_SPARK = True

log = logging.getLogger("ltv.export_crm")


def main(run: Run) -> None:
    """Exports the night once for each list of suppressed users; the same night and list are verified, not rewritten."""
    lake, settings = run.lake, run.settings.export
    night = nights.published(lake, run.as_of)
    if night is None:
        raise InputMissing(f"night {run.as_of} is not published; next: python -m jobs publish_night")
    suppressed = destinations.read_suppression(settings)
    shop, pinned = run.settings.shop, night["table_versions"]
    table = contract.crm_export(shop.horizons_days, sorted(shop.named_periods))
    digest = digest_of("export_crm", night["input_digest"], suppressed.sha256, settings.destination, settings.top_items)
    folder = destinations.folder_of(settings, run.as_of, digest)
    there = destinations.delivered(folder)
    made = lake.committed(table.name, run.as_of) == digest
    if there and made and ledger.holds(lake, job="export_crm", as_of=run.as_of, input_digest=digest):
        log.info("export of %s is delivered already: %s", run.as_of, folder)
        return
    tonight = on_night(run.as_of)
    scores = lake.read("scores", pinned["scores"]).where(tonight)
    items = None
    if "recommendations" in pinned and night["recommender_digest"]:
        items = lake.read("recommendations", pinned["recommendations"]).where(tonight)
    rows = destinations.export_rows(
        scores, items, table, settings=settings, currency=shop.currency, suppressed=suppressed
    )
    if not made:
        lake.replace(rows, table, as_of=run.as_of, input_digest=digest, where=f"as_of = DATE'{run.as_of}'")
    kept = [row.asDict() for row in lake.read(table.name).where(tonight).orderBy("user_id").collect()]
    facts = {"as_of": str(run.as_of), "input_digest": digest, "table_versions": pinned}
    facts |= {"model_digest": night["model_digest"], "destination": settings.destination}
    destinations.deliver(folder, kept, table, facts, suppressed)
    hop = destinations.hop(scores, len(kept), suppressed)
    ledger.record(lake, job="export_crm", as_of=run.as_of, input_digest=digest, run_id=run.run_id, hops=[hop])
    log.info("%s of %s users exported: %s", f"{len(kept):,}", f"{night['eligible_users']:,}", folder)


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
