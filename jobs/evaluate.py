"""Predictions on past origins + what happened there -> blend, gate, report, and the row in `models` that promotes."""

import logging

from jobs._entry import Run, start
from ltv_features import files, ledger
from ltv_features.digest import digest_of
from ltv_train import backtest, promotion
from ltv_train.score import people, production

NEEDS_SPARK = True

log = logging.getLogger("ltv.evaluate")


def main(run: Run) -> None:
    """Judges the latest training of this night once; the same training and settings again change nothing."""
    lake, settings, night = run.lake, run.settings, run.as_of.isoformat()
    root = settings.lake.root
    folder, trained = backtest.latest_run(files.join(root, "training", night))
    before = production.served_before(lake, run.as_of, "value")
    split_by = people.allowed(settings.sources)
    digest = digest_of(
        "evaluate", trained["run_name"], trained["input_digest"], settings.gate, (before or {}).get("digest"), split_by
    )
    note = files.join(root, "reports", night, "evaluation.json")
    if files.exists(note) and files.read_json(note)["input_digest"] == digest:
        log.info("training %s was judged already", trained["run_name"])
        return
    shards = files.join(root, "shards", night, "value", night)
    judged = promotion.judged(
        folder,
        trained,
        shards,
        before=(before or {}).get("name"),
        settings=settings.gate,
        attributes=people.attributes(lake, shards, trained["origins"][:-1], split_by),
    )
    chosen = promotion.install(folder, judged, files.join(root, "bundles"))
    report = files.join("reports", night, "evaluation.html")
    shop = settings.shop
    cards = promotion.cards(judged, chosen, shards, people.log_facts(lake, shards, run.as_of))
    html = promotion.report(judged, as_of=night, currency=shop.currency, minor_per_unit=10**shop.minor_digits, **cards)
    files.write_bytes(files.join(root, report), html.encode())
    hops = [ledger.Hop(name, rows_in, rows_out, {}) for name, rows_in, rows_out in promotion.examples_read(trained)]
    ledger.record(lake, job="train", as_of=run.as_of, input_digest=digest, run_id=run.run_id, hops=hops)
    promoted = chosen.digest if chosen else None
    production.follow(
        lake, judged.verdict, promoted, as_of=run.as_of, input_digest=digest, run_id=run.run_id, report=report
    )
    files.write_json(note, {"input_digest": digest, "promoted": judged.verdict.promoted, "report": report})
    for reason in judged.verdict.reasons:
        log.info("%s", reason)
    log.info("report: %s", files.join(root, report))


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
