"""Published nights that have matured + what happened -> outcomes and their page. Chooses and changes nothing."""

import logging

from jobs._entry import Run, start
from ltv_features import files, ledger
from ltv_features.as_of import on_night
from ltv_features.contract import OUTCOMES
from ltv_train.judging import grades
from ltv_train.pages.outcome import outcome_page
from ltv_train.score import outcomes

NEEDS_SPARK = True

log = logging.getLogger("ltv.monitor")


def main(run: Run) -> None:
    """Writes what happened to every published night, once for each horizon that has passed since."""
    lake, shop, root = run.lake, run.settings.shop, run.settings.lake.root
    minor = 10**shop.minor_digits
    for night, days in outcomes.matured(lake, run.as_of, shop.horizons_days).items():
        digest = outcomes.made_from(lake, night, days)
        if lake.committed(OUTCOMES.name, night) != digest:
            said = outcomes.candidates_said(lake, night, shop.horizons_days, minor)
            rows = outcomes.outcomes(lake, night, days, said, minor)
            lake.replace(rows, OUTCOMES, as_of=night, input_digest=digest, where=f"as_of = DATE'{night}'")
        hops = outcomes.hops(lake, night, days)
        ledger.record(lake, job="monitor", as_of=night, input_digest=digest, run_id=run.run_id, hops=hops)
        written = [row.asDict() for row in lake.read(OUTCOMES.name).where(on_night(night)).collect()]
        measured = outcomes.measured(written)
        told = {"night": str(night), "currency": shop.currency, "published": outcomes.PUBLISHED}
        folds = outcomes.folds(written, outcomes.intervals(lake, night, days))
        html = outcome_page(measured, folds, **told)
        page = files.join(root, "reports", str(night), "outcome.html")
        files.write_bytes(page, html.encode())
        for horizon, (grade, naive) in grades.afterwards(folds, outcomes.PUBLISHED).items():
            say = log.warning if grade == grades.WORSE else log.info
            say("%s, %d days: grade %s against %s", night, horizon, grade, naive)
        for row in measured:
            log.info(
                "%s, %d days: %-14s Gini %.4f  Spearman %.4f  MAE %.2f  bias %+.2f  top decile %.1f %%  AUC %.4f",
                *(night, row.horizon_days, row.candidate, row.gini, row.spearman, row.mae, row.bias),
                *(100 * row.top_decile_capture, row.auc_purchase),
            )
        log.info("outcome report: %s", page)


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
