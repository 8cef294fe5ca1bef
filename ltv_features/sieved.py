"""What became of a delivery: its rows by outcome, its account for the ledger, what the quality table says of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features.arrivals import Delivery
from ltv_features.contract import QUARANTINE
from ltv_features.counting import ANONYMOUS, DUPLICATE, KEPT, QUARANTINED, UNRELATED, Found
from ltv_features.ledger import Hop
from ltv_features.quality import Delivered

Kind = Literal["events", "users", "items", "links"]
KINDS: tuple[Kind, ...] = ("events", "users", "items", "links")
ERASED = "erased"
"""Rows that came and that a person took out of the raw table before they were ingested."""


@dataclass(frozen=True)
class Sieved:
    """The rows of one delivery of a source, read as one kind of thing, with `_outcome`, `_rules` and `_raw`.

    `there`: how many rows it has, beside the `erased` ones that came and were taken out of the raw table again. Nothing
    is cached: going over the rows again (pinned versions, so the same rows) costs a third of keeping them.
    """

    kind: Kind
    delivery: Delivery
    there: int
    erased: int
    rows: DataFrame
    found: Found

    @property
    def source(self) -> str:
        """The name of the source."""
        return self.delivery.source

    @property
    def name(self) -> str:
        """The source, and what was read in it where that is not events."""
        return self.source if self.kind == "events" else f"{self.source}: {self.kind}"

    @property
    def rows_in(self) -> int:
        """How many rows came."""
        return self.there + self.erased

    @property
    def counts(self) -> Mapping[str, int]:
        """How many rows ended where."""
        return self.found.counts

    def of(self, outcome: str) -> DataFrame:
        """The rows that ended there."""
        return self.rows.where(F.col("_outcome") == outcome)

    @property
    def judged(self) -> int:
        """Rows that say something of a customer, or of whatever is read in them."""
        return self.there - self.counts.get(ANONYMOUS, 0) - self.counts.get(UNRELATED, 0)

    @property
    def bad_share(self) -> float:
        """Of the judged rows those refused for an error."""
        return (self.counts.get(QUARANTINED, 0) - self.found.wished) / self.judged if self.judged else 0.0

    def delivered(self) -> Delivered:
        """What the quality table says of it."""
        found = self.found
        by_outcome = {name: found.counts.get(name, 0) for name in (KEPT, DUPLICATE, QUARANTINED, ANONYMOUS)}
        return Delivered(
            self.source, self.delivery.version, self.rows_in, **by_outcome, kind=self.kind, after=self.delivery.after,
            refused=found.refused, noted=found.noted, bad_share=self.bad_share, judged=self.judged,
            completeness=found.completeness, oldest_us=found.oldest_us, newest_us=found.newest_us,
        )  # fmt: skip

    def hop(self, rows_out: int, older: int = 0) -> Hop:
        """The ledger's account; `older` kept rows of a key that has a newer one are duplicates."""
        accounted = {outcome: self.counts.get(outcome, 0) for outcome in (ANONYMOUS, DUPLICATE, QUARANTINED)}
        accounted |= {DUPLICATE: accounted[DUPLICATE] + older}
        rare = {UNRELATED: self.counts.get(UNRELATED, 0), ERASED: self.erased}
        return Hop(self.name, self.rows_in, rows_out, accounted | {name: rows for name, rows in rare.items() if rows})

    def keyed_hop(self, key: Sequence[str], committed: DataFrame) -> Hop:
        """The account of rows that are merged by `key`, counted again in the table that holds them now."""
        keys = self.of(KEPT).groupBy(*key).agg((F.count("*") - 1).alias("_older"))
        there = keys.join(committed.select(*key, F.lit(1).alias("_there")), on=list(key), how="left")
        older, rows_out = there.agg(F.coalesce(F.sum("_older"), F.lit(0)), F.count("_there")).collect()[0]
        return self.hop(int(rows_out), int(older))

    def quarantine(self) -> DataFrame:
        """The refused rows in the columns of `quarantine`."""
        columns = {
            "source": F.lit(self.source),
            "kind": F.lit(self.kind),
            "raw_version": F.lit(self.delivery.version).cast("bigint"),
            "file_sha256": F.col("_file_sha256"),
            "row_number": F.col("_row_number"),
            "reason": F.try_element_at("_rules", F.lit(1)),
            "rules": F.col("_rules"),
            "raw": F.col("_raw"),
        }
        return self.of(QUARANTINED).select(*[columns[name].alias(name) for name in QUARANTINE.column_names])
