"""Events to user_state and user_items as of a date: all of them, or what is new on top of an earlier night."""

import logging
from dataclasses import dataclass, field
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltv_features.contract import PROFILE_TYPE_ID
from ltv_features.cutoffs import midnight_us
from ltv_features.increment import Base, Inputs, Work, base_of, inputs_noted, work_since
from ltv_features.kept import ITEMS_BOUGHT, KEPT_TABLES, STATES, Kept
from ltv_features.kernel_input import kernel_events_as_of
from ltv_features.ledger import Hop
from ltv_features.session import session_settings
from ltv_features.sums import Sums
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
    _wholes: dict[tuple[tuple[str, int], ...], DataFrame] = field(default_factory=dict)
    _versions: dict[tuple[str, int | None], DataFrame] = field(default_factory=dict)

    def bring(self, kept: Kept, inputs: Inputs, digest: str) -> None:
        """Commits the table as of the night, made from `inputs`, on top of the latest night that they continue."""
        lake, table = self.lake, kept.table
        base, version = base_of(lake, table.name, self.as_of, inputs)
        facts = {"inputs": inputs.noted(), "base": base.noted() | {"version": version} if base else None}
        if base is None:
            with session_settings(lake.spark, FOLDING):
                rows = kept.built(self._everything(inputs), self.as_of)
                lake.replace(rows, table, as_of=self.as_of, input_digest=digest, facts=facts)
            return
        work, old = self._work(base, inputs), self._version(table.name, version)
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
        sums, titles = Sums(), dict[str, str]()
        for kept in KEPT_TABLES:
            name = kept.table.name
            inputs, noted = inputs_noted(self.lake, name, self.as_of)
            base = Base.of_note(noted) if noted else None
            events = self._work(base, inputs).events if base else self._everything(inputs)
            titles[name] = f"{kept.counts} in {name}" + (f", on top of {base.as_of}" if base else "")
            sums.add(events, ("in", name), F.when(kept.wanted(), kept.given()))
            sums.add(self.lake.at_night(name, self.as_of), ("out", name), kept.held())
            if base and noted:
                before = self._work(base, inputs).without_anew(self._version(name, noted["version"]))
                sums.add(before, ("before", name), kept.held())
                sums.add(events, ("late", base), _is_of_before(base).cast("long"))
        told = sums.collect()
        for base in self._works:
            if restated := told.get(("late", base)):
                log.info("%s events of before %s arrived since, or are read anew", f"{restated:,}", base.as_of)
        return [
            Hop(title, told["in", name] + told.get(("before", name), 0), told["out", name])
            for name, title in titles.items()
        ]

    def done(self) -> None:
        """Lets go of what was kept in memory."""
        for work in self._works.values():
            work.events.unpersist()
        self._works.clear()
        self._wholes.clear()
        self._versions.clear()

    def _version(self, name: str, version: int | None) -> DataFrame:
        """Looked up once: what files a version has that is no longer the latest is worked out by a job."""
        if (name, version) not in self._versions:
            self._versions[name, version] = self.lake.read(name, version)
        return self._versions[name, version]

    def _everything(self, inputs: Inputs) -> DataFrame:
        versions = tuple(sorted(inputs.versions.items()))
        if versions not in self._wholes:
            self._wholes[versions] = kernel_events_as_of(self.lake, self.as_of, inputs.versions)
        return self._wholes[versions]

    def _work(self, base: Base, inputs: Inputs) -> Work:
        if base not in self._works:
            work = work_since(self.lake, base, self.as_of, inputs)
            self._works[base] = Work(work.events.persist(), work.anew, work.said)
        return self._works[base]


def _is_of_before(base: Base) -> Column:
    """Of kernel events, whether the earlier night would have had it; profiles are none."""
    is_event = F.col("type") != F.lit(PROFILE_TYPE_ID)
    return is_event & (F.col("ts_us") < F.lit(midnight_us(base.as_of)))
