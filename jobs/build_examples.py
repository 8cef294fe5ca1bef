"""Events -> shard sets with their manifests: features at past cut-offs, what happened after them, slices to predict."""

import logging
from datetime import date

from jobs._entry import Run, start
from ltv_features import aggregates, basket_tables, examples, files, ledger, shards
from ltv_features.digest import code_of, digest_of
from ltv_features.increment import Inputs, inputs_of
from ltv_features.kernel_input import kernel_events_as_of

NEEDS_SPARK = True

log = logging.getLogger("ltv.build_examples")


def main(run: Run) -> None:
    """Writes the value set of every origin and the basket sets; nothing when the same inputs made them already."""
    lake, settings = run.lake, run.settings
    inputs = inputs_of(lake)
    versions, config = inputs.versions, digest_of(settings.examples, settings.shop)
    digest = made_from(inputs, run.as_of, config)
    root = files.join(settings.lake.root, "shards", run.as_of.isoformat())
    if shards.made_from(root) == digest:
        log.info("shards as of %s are there already", run.as_of)
        return
    files.remove_folder(root)
    events = examples.without_objectors(kernel_events_as_of(lake, run.as_of, versions), lake).persist()
    known = examples.log_facts(events, run.as_of)
    facts = shards.SetFacts(run.as_of, digest, config, versions, aggregates.NAMES, settings.shop.churn)
    made, hops = {}, []
    for plan in examples.plans(known, run.as_of, settings.examples, settings.shop):
        log.info("%s examples of %s origins, %s cut-offs and slices", plan.kind, len(plan.origins), len(plan.points))
        told = examples.write_set(events, plan, known, root)
        if plan.kind == "basket":
            basket_tables.write(events, lake, plan, root, versions)
        made[plan.kind] = shards.finish(root, plan, told, facts)
        hops += examples.hops(plan, known, made[plan.kind])
    events.unpersist()
    ledger.record(lake, job="build_examples", as_of=run.as_of, input_digest=digest, run_id=run.run_id, hops=hops)
    shards.write_top(root, facts, made)
    for hop in hops:
        log.info("%s: %s rows in, %s out, %s", hop.name, f"{hop.rows_in:,}", f"{hop.rows_out:,}", dict(hop.accounted))


def made_from(inputs: Inputs, as_of: date, config: str) -> str:
    """The digest of everything that decides what the shards hold."""
    return digest_of("build_examples", inputs.tables, as_of, config, code_of(*examples.MODULES))


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
