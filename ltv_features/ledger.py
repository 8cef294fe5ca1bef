"""Rows in = rows out + rows that ended elsewhere, for every arrow of every job, kept in the `ledger` table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from pyspark.sql import functions as F

from ltv_features.contract import LEDGER
from ltv_features.errors import RowsUnexplained
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake


@dataclass(frozen=True)
class Hop:
    """One arrow of a job: what went in, what came out, and by which name the rest is accounted for."""

    name: str
    rows_in: int
    rows_out: int
    accounted: Mapping[str, int] = field(default_factory=dict)

    @property
    def unexplained(self) -> int:
        """Rows lost (above 0) or invented (below 0) by the hop.

        >>> Hop("orders", 10, 7, {"quarantined": 2, "anonymous": 1}).unexplained
        0
        """
        return self.rows_in - self.rows_out - sum(self.accounted.values())


def check(job: str, hop: Hop) -> None:
    """Nothing when the hop adds up. Raises RowsUnexplained with all its numbers when it does not."""
    counts = {"in": hop.rows_in, "out": hop.rows_out, **hop.accounted}
    negative = sorted(name for name, rows in counts.items() if rows < 0)
    if hop.unexplained or negative:
        parts = " + ".join([f"{hop.rows_out} out", *(f"{rows} {name}" for name, rows in sorted(hop.accounted.items()))])
        raise RowsUnexplained(
            f"{job}, {hop.name}: expected {hop.rows_in} rows in = {parts}; {hop.unexplained} unexplained"
            f"{f', negative counts: {negative}' if negative else ''}; next: run again, and report it if it stays"
        )


def record(lake: Lake, *, job: str, as_of: date, input_digest: str, run_id: str, hops: Sequence[Hop]) -> None:
    """Checks every hop and merges their rows into `ledger`; a repeat that only the run id tells apart commits nothing.

    Raises RowsUnexplained before anything is written.
    """
    record_each(lake, job=job, as_of=as_of, run_id=run_id, hops={input_digest: hops})


def record_each(lake: Lake, *, job: str, as_of: date, run_id: str, hops: Mapping[str, Sequence[Hop]]) -> None:
    """What `record` does, for the hops of several inputs (by digest) in one commit."""
    told = [(digest, hop) for digest, some in hops.items() for hop in some]
    for _, hop in told:
        check(job, hop)
    if not told:
        return
    known = _recorded(lake, job, as_of, list(hops))
    rows = [
        (job, as_of, digest, hop.name, hop.rows_in, hop.rows_out, dict(sorted(hop.accounted.items())), run_id)
        for digest, hop in told
        if (digest, hop) not in known
    ]
    if rows:
        there = {(digest, hop.name) for digest, hop in known}
        new = there.isdisjoint((row[2], row[3]) for row in rows)
        lake.upsert(lake.spark.createDataFrame(rows, spark_schema(LEDGER)), LEDGER, new=new)


def forget(lake: Lake, *, job: str, hops: Iterable[tuple[str, date, str]]) -> None:
    """Removes the account of hops (name, night, input digest) of runs that were never finished."""
    for hop, as_of, digest in sorted(hops):
        run = (F.col("job") == job) & (F.col("as_of") == F.lit(as_of)) & (F.col("input_digest") == digest)
        lake.remove(LEDGER.name, run & (F.col("hop") == hop))


def holds(lake: Lake, *, job: str, as_of: date, input_digest: str) -> bool:
    """Whether the account of a job is there: without it, committed rows have not been checked yet."""
    return bool(_recorded(lake, job, as_of, [input_digest]))


def digests(lake: Lake, *, job: str) -> set[str]:
    """The inputs of which the account of a job is there, whatever the night."""
    if not lake.exists(LEDGER.name):
        return set()
    rows = lake.read(LEDGER.name).where(F.col("job") == job).select("input_digest").collect()
    return {row["input_digest"] for row in rows}


def knows(lake: Lake, *, job: str, input_digest: str) -> bool:
    """Whether the account of a job's input is there, whatever the night."""
    if not lake.exists(LEDGER.name):
        return False
    return not lake.read(LEDGER.name).where((F.col("job") == job) & (F.col("input_digest") == input_digest)).isEmpty()


def _recorded(lake: Lake, job: str, as_of: date, digests: Sequence[str]) -> list[tuple[str, Hop]]:
    if not lake.exists(LEDGER.name):
        return []
    same = (F.col("job") == job) & (F.col("as_of") == F.lit(as_of)) & F.col("input_digest").isin(*digests)
    columns = ("input_digest", "hop", "rows_in", "rows_out", "accounted")
    rows = lake.read(LEDGER.name).where(same).select(*columns).collect()
    return [(row["input_digest"], Hop(*[row[name] for name in columns[1:]])) for row in rows]
