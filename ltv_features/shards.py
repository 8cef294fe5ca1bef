"""A shard set made whole: small buckets merged upward, part tables joined, manifests written last.

The folder layout, below <lake>/shards/<as_of>: <kind>/<origin>/<split>/T=<length>/part-*.parquet, beside the splits
`users.parquet` (the slice's users) and `manifest.json`, which lists the digest of every other file;
`outcomes.parquet` in the as_of set alone.
"""

import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ltv_features import blocks, files
from ltv_features.blocks import Layout
from ltv_features.calendar_periods import NamedDates
from ltv_features.contract import LENGTH_BUCKETS, SCHEMA_VERSION
from ltv_features.example_plan import ExamplePlan
from ltv_features.example_rows import NEVER_FIELDS, TALLY
from ltv_features.shard_writer import extras_of
from ltv_features.shelf import Fact, Shelf

MIN_BUCKET_EXAMPLES = 8 * 512
"""A bucket with fewer training examples (8 batches of 512) is merged into the next longer one."""
SPLITS = ("train", "validation", "slice")
TABLES = ("users.parquet", "outcomes.parquet", "user_items.parquet", "items.parquet")
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class SetFacts:
    """What a manifest says beside its files."""

    as_of: date
    input_digest: str
    config_digest: str
    table_versions: Mapping[str, int]
    aggregates: Sequence[str]
    churn: str = "no_purchase"


def finish(root: str, plan: ExamplePlan, told: Iterable[str], facts: SetFacts) -> dict[str, Any]:
    """Merges small buckets, joins part tables and writes each origin's manifest; returns the manifests by origin."""
    known = [json.loads(text) for text in told]
    manifests = {}
    for number, origin in enumerate(plan.origins):
        day = origin.day.isoformat()
        folder = files.join(root, plan.kind, day)
        written = [fact for fact in known if fact["fact"] == "file" and fact["folder"].split("/")[0] == day]
        written = _merged_upward(files.join(root, plan.kind), written, plan, len(facts.aggregates))
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "kind": plan.kind,
            "as_of": facts.as_of.isoformat(),
            "origin": day,
            "input_digest": facts.input_digest,
            "config_digest": facts.config_digest,
            "churn": facts.churn,
            "periods_days": [list(period) for period in plan.periods_days],
            "named_periods": [_named(period, origin.day, origin.cutoffs) for period in plan.named],
            "aggregates": list(facts.aggregates),
            "cutoffs": _cutoffs(known, plan, number),
            "table_versions": dict(facts.table_versions),
            **_tally(known, plan, number),
            "splits": {split: _split(written, f"{day}/{split}") for split in SPLITS},
            "tables": {name: made for name in TABLES if (made := _join_parts(folder, name))},
        }
        files.write_json(files.join(folder, MANIFEST), manifest)
        manifests[day] = manifest
    return manifests


def write_top(root: str, facts: SetFacts, made: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes the manifest of all sets, the last file of the build: without it the folder is not there for readers."""
    origins = {kind: sorted(made.get(kind, {})) for kind in ("value", "basket")}
    top = {"as_of": facts.as_of.isoformat(), "input_digest": facts.input_digest, **origins}
    files.write_json(files.join(root, MANIFEST), top)


def made_from(root: str) -> str | None:
    """The input digest of the finished sets below `root`; None when they were not finished."""
    path = files.join(root, MANIFEST)
    return str(files.read_json(path)["input_digest"]) if files.exists(path) else None


def merged_lengths(examples: Mapping[int, int], present: Iterable[int]) -> dict[int, int]:
    """To which length each bucket goes: upward until MIN_BUCKET_EXAMPLES training examples are together.

    `examples`: training examples by length; `present`: the lengths in use. What is left at the top joins the longest.

    >>> merged_lengths({8: 100, 16: 5000, 32: 9000, 64: 7}, [8, 16, 32, 64])
    {8: 16, 16: 16, 32: 32, 64: 64}
    >>> merged_lengths({8: 100, 16: 50}, [8, 16])
    {8: 16, 16: 16}
    """
    target: dict[int, int] = {}
    waiting: list[int] = []
    together = 0
    for length in sorted(set(present)):
        waiting.append(length)
        together += examples.get(length, 0)
        if together >= MIN_BUCKET_EXAMPLES:
            target |= dict.fromkeys(waiting, length)
            waiting, together = [], 0
    return target | dict.fromkeys(waiting, waiting[-1] if waiting else LENGTH_BUCKETS[-1])


def _merged_upward(root: str, written: list[Fact], plan: ExamplePlan, aggregates: int) -> list[Fact]:
    """The facts after the files of small buckets of train and validation were rewritten into longer ones."""
    fed = [fact for fact in written if not fact["folder"].endswith("/slice")]
    counts: dict[int, int] = defaultdict(int)
    for fact in fed:
        if fact["folder"].endswith("/train"):
            counts[fact["length"]] += sum(fact["examples"])
    target = merged_lengths(counts, [fact["length"] for fact in fed])
    moved = [fact for fact in fed if target[fact["length"]] != fact["length"]]
    shelves: dict[tuple[str, int], Shelf] = {}
    for fact in sorted(moved, key=lambda fact: fact["path"]):
        place = (fact["folder"], target[fact["length"]])
        if place not in shelves:
            shelves[place] = Shelf(root, place[0], "part-merged", Layout(place[1], aggregates, extras_of(plan)))
        path = files.join(root, fact["path"])
        table = pq.read_table(io.BytesIO(files.read_bytes(path)))
        shelves[place].add(*blocks.from_blocks(table, Layout(fact["length"], aggregates, extras_of(plan))))
        files.remove_folder(path)
    gone = {fact["path"] for fact in moved}
    return [fact for fact in written if fact["path"] not in gone] + [
        f for shelf in shelves.values() for f in shelf.close()
    ]


def _join_parts(folder: str, table: str) -> dict[str, Any] | None:
    """Makes one file of the parts that tasks left in a folder of the table's name; its digest and size, None without
    parts."""
    parts = [name for name in files.list_files(folder) if name.startswith(f"{table}/") and name.endswith(".parquet")]
    if not parts:
        return None
    sink = io.BytesIO()
    writer: pq.ParquetWriter | None = None
    for name in parts:
        part = pq.read_table(io.BytesIO(files.read_bytes(files.join(folder, name))))
        writer = writer or pq.ParquetWriter(sink, part.schema, compression="zstd")
        writer.write_table(part)
    if writer is not None:
        writer.close()
    files.remove_folder(files.join(folder, table))
    content = sink.getvalue()
    files.write_bytes(files.join(folder, table), content)
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _split(written: list[Fact], folder: str) -> dict[str, Any]:
    own = sorted((fact for fact in written if fact["folder"] == folder), key=lambda fact: fact["path"])
    buckets = []
    for length in sorted({fact["length"] for fact in own}):
        listed = [fact for fact in own if fact["length"] == length]
        buckets.append(
            {
                "length": length,
                "blocks": sum(sum(fact["row_groups"]) for fact in listed),
                "examples": sum(sum(fact["examples"]) for fact in listed),
                "files": [
                    {key: fact[key] for key in ("sha256", "bytes", "row_groups", "examples")}
                    | {"path": fact["path"].split("/", 1)[1]}
                    for fact in listed
                ],
            }
        )
    return {
        "examples": sum(bucket["examples"] for bucket in buckets),
        "weight": sum(fact["weight"] for fact in own),
        "buckets": buckets,
    }


def _cutoffs(known: list[Fact], plan: ExamplePlan, number: int) -> list[dict[str, Any]]:
    users: dict[int, int] = defaultdict(int)
    for fact in known:
        if fact["fact"] == "cutoff" and fact["origin"] == number:
            users[fact["no"]] += fact["users"]
    days = plan.origins[number].cutoffs
    return [{"no": no, "date": day.isoformat(), "users": users[no]} for no, day in enumerate(days)]


def _named(period: NamedDates, origin: date, cutoffs: Sequence[date]) -> dict[str, Any]:
    """A named period, its occurrence that a prediction at the origin is about, and that of each cut-off, or null."""
    starts, ends = period.after(origin) or ("", "")
    pairs = [period.after(day) for day in cutoffs]
    by_cutoff = [None if pair is None else [str(day) for day in pair] for pair in pairs]
    return {"name": period.name, "starts": str(starts), "ends": str(ends), "by_cutoff": by_cutoff}


def _tally(known: list[Fact], plan: ExamplePlan, number: int) -> dict[str, Any]:
    """Counts over the training cut-offs, and sums over users that were known but had not bought before the cut-off."""
    periods = len(plan.periods_days) if plan.kind == "value" else 0
    counts = dict.fromkeys(TALLY, 0)
    sums = {name: np.zeros(periods) for name in NEVER_FIELDS}
    for fact in known:
        if fact["fact"] == "tally" and fact["origin"] == number:
            for name in TALLY:
                counts[name] += fact[name]
            for name in NEVER_FIELDS:
                sums[name] = sums[name] + np.array(fact[name])
    never = {"users": counts.pop("never_bought"), **{name: sums[name].round(6).tolist() for name in NEVER_FIELDS}}
    return {"never_bought": never, "left_out": counts}
