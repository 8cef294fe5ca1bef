"""Predictions on past origins + what happened -> blend, gate, why, report, and the row in `models` that promotes."""

import logging

from jobs._entry import Run, start
from ltv_features import files, ledger
from ltv_features.digest import code_of, digest_of
from ltv_features.items import category_names
from ltv_train import explanation, procedures, promotion, tracking
from ltv_train.latest import latest_run
from ltv_train.money import Money
from ltv_train.score import people, production
from ltv_train.tracked import record_of

NEEDS_SPARK = True
JUDGES = ("ltv_train.promotion", "ltv_train.explanation")
"""The code that decides what is promoted, and what is said of it."""

log = logging.getLogger("ltv.evaluate")


def main(run: Run) -> None:
    """Judges the latest training of this night once; the same training and settings again change nothing."""
    lake, settings, shop, night = run.lake, run.settings, run.settings.shop, run.as_of.isoformat()
    root, reports, money = settings.lake.root, files.join("reports", night), Money(shop.currency, 10**shop.minor_digits)
    folder, trained = latest_run(files.join(root, "training", night))
    before = production.served_before(lake, run.as_of, "value")
    ways = (settings.gate, settings.explain, people.allowed(settings.sources))
    known = (trained["run_name"], trained["input_digest"], (before or {}).get("digest"), code_of(*JUDGES))
    digest = digest_of("evaluate", *known, *ways)
    note = files.join(root, reports, "evaluation.json")
    noted = files.read_json(note) if files.exists(note) else {}
    if noted.get("input_digest") == digest:
        log.info("training %s was judged already", trained["run_name"])
        tracking.send(root, night, settings.tracking)
        return
    shards = files.join(root, "shards", night, "value", night)
    split = people.attributes(lake, shards, trained["origins"][:-1], ways[-1])
    opened = list(dict.fromkeys([*noted.get("opened", []), digest]))  # every look at the test windows of this night
    judged = promotion.judged(
        *(folder, trained, shards),
        before=procedures.served_before(before, root, trained),
        settings=settings.gate,
        attributes=split,
        opened=len(opened),
    )
    chosen = promotion.install(folder, judged, files.join(root, "bundles"))
    why, customers = explanation.explained(
        *(folder, judged, explanation.serving_of(judged, chosen, before, root), shards),
        money=money,
        names=category_names(lake),
        settings=settings.explain,
    )
    cards = promotion.cards(judged, chosen, shards, people.log_facts(lake, shards, run.as_of))
    html = promotion.report(judged, as_of=night, money=money, why=why, **cards)
    for name, page in (("evaluation.html", html), ("customers.html", customers)):
        files.write_bytes(files.join(root, reports, name), page.encode())
    hops = [ledger.Hop(name, rows_in, rows_out, {}) for name, rows_in, rows_out in promotion.examples_read(trained)]
    ledger.record(lake, job="train", as_of=run.as_of, input_digest=digest, run_id=run.run_id, hops=hops)
    new, told = chosen.digest if chosen else None, {"input_digest": digest, "report": f"{reports}/evaluation.html"}
    production.follow(lake, judged.verdict, new, as_of=run.as_of, run_id=run.run_id, **told)
    tracking.note(root, night, record_of(judged, as_of=night, settings=settings, bundle=new, **told))
    files.write_json(note, {"promoted": judged.verdict.promoted, **told, "opened": opened})
    for reason in judged.verdict.reasons:
        log.info("%s", reason)
    log.info("report: %s", files.join(root, told["report"]))
    tracking.send(root, night, settings.tracking)


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
