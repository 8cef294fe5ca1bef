"""Events to user_state and user_items as of a date: all of them, or what is new on top of an earlier night."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features.as_of import midnight
from ltv_features.contract import PROFILE_TYPE_ID
from ltv_features.increment import Base, Inputs, Work, base_of, inputs_noted, work_since
from ltv_features.kept import ITEMS_BOUGHT, KEPT_TABLES, STATES, Kept
from ltv_features.kernel_input import kernel_events_as_of
from ltv_features.ledger import Hop
from ltv_features.session import session_settings
from ltv_features.tables import Lake

log = logging.getLogger("ltv.build_features")

MERGE_UP_TO = 0.2
"""Share of rows concerned up to which they are merged in; beyond it the table is written as a whole."""

FOLDING = {
    "spark.sql.adaptive.coalescePartitions.initialPartitionNum": "1000",
    "spark.sql.optimizer.canChangeCachedPlanOutputPartitioning": "true",
}
"""While the kernel folds, its exchange by user is cut this fine; Spark puts parts together, up to 64 MB a task."""


def user_states(events: DataFrame, as_of: date) -> DataFrame:
    """USER_STATE from kernel events before as_of."""
    return STATES.built(events, as_of)


def user_items(events: DataFrame, as_of: date) -> DataFrame:
    """USER_ITEMS from kernel events before as_of: every user and item bought, exact and uncapped."""
    return ITEMS_BOUGHT.built(events, as_of)


@dataclass(frozen=True)
class Night:
    """One night's making of the kernel's tables; what is new is looked for once and serves both and their accounts."""

    lake: Lake
    as_of: date
    _works: dict[Base, Work] = field(default_factory=dict)

    def bring(self, kept: Kept, inputs: Inputs, digest: str) -> None:
        """Commits the table as of the night, made from `inputs`, on top of the latest night that they continue."""
        lake, table = self.lake, kept.table
        base, version = base_of(lake, table.name, self.as_of, inputs)
        facts = {"inputs": inputs.noted(), "base": base.noted() | {"version": version} if base else None}
        if base is None:
            with session_settings(lake.spark, FOLDING):
                rows = kept.built(kernel_events_as_of(lake, self.as_of, inputs.versions), self.as_of)
                lake.replace(rows, table, as_of=self.as_of, input_digest=digest, facts=facts)
            return
        work, old = self._work(base, inputs), lake.read(table.name, version)
        with session_settings(lake.spark, FOLDING):
            merged = kept.merged(work.usable(old, kept), work.events, self.as_of).persist()
            concerned = merged.count()
        try:
            goes_on = version == lake.version(table.name) and work.anew is None
            if goes_on and concerned <= MERGE_UP_TO * old.count():
                lake.merge(merged, table, by=kept.row_of, as_of=self.as_of, input_digest=digest, facts=facts)
            else:
                whole = work.untouched(old, kept).unionByName(merged)
                lake.replace(whole, table, as_of=self.as_of, input_digest=digest, facts=facts)
        finally:
            merged.unpersist()

    def accounts(self) -> list[Hop]:
        """Of what the night's commits say they were made from, counted again in committed tables.

        On top of a base the rows that go on counting and what came since go in; the whole table comes out.
        """
        named = [self._account(kept) for kept in KEPT_TABLES]
        late = [self._late(base, work) for base, work in self._works.items()]
        totals = iter(_totals([*(frame for _, frames in named for frame in frames), *late]))
        hops = [Hop(name, next(totals) + next(totals), next(totals)) for name, _ in named]
        for base, restated in zip(self._works, totals, strict=True):
            if restated:
                log.info("%s events of before %s arrived since, or are read anew", f"{restated:,}", base.as_of)
        return hops

    def _late(self, base: Base, work: Work) -> DataFrame:
        """One number for each event, profiles aside, that an earlier night would have had: 1."""
        is_event = F.col("type") != F.lit(PROFILE_TYPE_ID)
        happened = F.col("ts_us") < F.lit(round(midnight(base.as_of).timestamp()) * 1_000_000)
        return work.events.where(is_event & happened).select(F.lit(1).alias("n"))

    def _account(self, kept: Kept) -> tuple[str, tuple[DataFrame, DataFrame, DataFrame]]:
        """The hop's name, and frames of what came, what was held before, and what is held now."""
        lake, name = self.lake, kept.table.name
        inputs, noted = inputs_noted(lake, name, self.as_of)
        made, title = lake.at_night(name, self.as_of), f"{kept.counts} in {name}"
        if noted is None:
            given = kept.given_by(kernel_events_as_of(lake, self.as_of, inputs.versions))
            return title, (given, given.limit(0), kept.held_by(made))
        base = Base.of_note(noted)
        work = self._work(base, inputs)
        before = work.without_anew(lake.read(name, noted["version"]))
        frames = kept.given_by(work.events), kept.held_by(before), kept.held_by(made)
        return f"{title}, on top of {base.as_of}", frames

    def done(self) -> None:
        """Lets go of what was kept in memory."""
        for work in self._works.values():
            work.events.unpersist()
        self._works.clear()

    def _work(self, base: Base, inputs: Inputs) -> Work:
        if base not in self._works:
            work = work_since(self.lake, base, self.as_of, inputs)
            self._works[base] = Work(work.events.persist(), work.anew, work.said)
        return self._works[base]


def _totals(counts: Sequence[DataFrame]) -> list[int]:
    """The sums of frames of one column of numbers, in one job."""
    labelled = [frame.toDF("n").withColumn("place", F.lit(place)) for place, frame in enumerate(counts)]
    whole = reduce(DataFrame.unionByName, labelled)
    told = {row["place"]: int(row["n"]) for row in whole.groupBy("place").agg(F.sum("n").alias("n")).collect()}
    return [told.get(place, 0) for place in range(len(counts))]
