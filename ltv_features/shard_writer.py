"""Example rows in hash order in, shard files out: cut into blocks, sorted into origin, split and length bucket.

Runs inside a Spark task and writes its files itself: names follow from the partition, content from the rows, each file
appears by a rename, so a retried task writes the same bytes to the same place. Spark's own Parquet writer would take
the padded lists apart value by value, could not place several origins into this layout, and would leave the digests to
a second read. What was written is told in facts, one JSON text each; the driver makes the manifests of them.
"""

import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ltv_features import blocks, files, project, sampling
from ltv_features.blocks import Layout
from ltv_features.example_plan import AT_ORIGIN, ExamplePlan
from ltv_features.example_rows import NEVER_FIELDS, TALLY
from ltv_features.shelf import Fact, Shelf

Array = np.ndarray[Any, np.dtype[Any]]
FACT_SCHEMA = pa.schema([("fact", pa.string())])


def extras_of(plan: ExamplePlan) -> tuple[blocks.Extra, ...]:
    """The columns beside the features in the blocks of this plan."""
    if plan.kind == "basket":
        return blocks.BASKET_EXTRAS
    return blocks.value_extras(len(plan.periods_days), len(plan.named))


def write_shards(
    batches: Iterable[pa.RecordBatch], plan: ExamplePlan, root: str, task: int
) -> Iterator[pa.RecordBatch]:
    """Facts (FACT_SCHEMA) about the files written below `root`/<kind>/<origin>, from rows in their final order."""
    desk = _Desk(plan, root, f"part-{task:05d}")
    for batch in batches:
        if batch.num_rows:
            desk.add(batch)
    facts = [json.dumps(fact, sort_keys=True) for fact in desk.close()]
    yield pa.RecordBatch.from_pydict({"fact": facts}, schema=FACT_SCHEMA)


class _Desk:
    """Sorts rows onto shelves, and keeps the small tables (users of a slice, outcomes of a fold) beside them."""

    def __init__(self, plan: ExamplePlan, root: str, name: str) -> None:
        self.plan, self.root, self.name = plan, files.join(root, plan.kind), name
        self.shelves: dict[tuple[str, int], Shelf] = {}
        self.tables: dict[str, list[pa.RecordBatch]] = {}
        self.facts: list[Fact] = []
        self.counts: dict[tuple[int, int], int] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        points = batch.column("point").to_numpy()
        tally = np.diff(batch.column("tally").offsets.to_numpy()) > 0
        for row in np.flatnonzero(tally):
            self._add_tally(int(points[row]), batch.column("tally")[int(row)].as_py())
        real = batch.filter(pa.array(~tally))
        if real.num_rows:
            self._add_examples(real, points[~tally])

    def close(self) -> list[Fact]:
        for shelf in self.shelves.values():
            self.facts += shelf.close()
        for (origin, cutoff_no), examples in sorted(self.counts.items()):
            self.facts.append({"fact": "cutoff", "origin": origin, "no": cutoff_no, "users": examples})
        for path, parts in self.tables.items():
            sink = io.BytesIO()
            pq.write_table(pa.Table.from_batches(parts), sink, compression="zstd")
            files.write_bytes(files.join(self.root, f"{path}/{self.name}.parquet"), sink.getvalue())
        return self.facts

    def _add_tally(self, point: int, numbers: list[float]) -> None:
        uses = self.plan.points[point].uses
        for use, own in zip(uses, np.array(numbers).reshape(len(uses), -1), strict=True):
            if use.cutoff_no != AT_ORIGIN:
                counts = {name: int(count) for name, count in zip(TALLY, own, strict=False)}
                sums = own[len(TALLY) :].reshape(len(NEVER_FIELDS), -1).tolist()
                by_field = dict(zip(NEVER_FIELDS, sums, strict=True))
                self.facts.append({"fact": "tally", "origin": use.origin, **counts, **by_field})

    def _add_examples(self, batch: pa.RecordBatch, points: Array) -> None:
        examples = _examples_of(batch)
        held_out = sampling.held_out(examples.user_key, seed=self.plan.seed, share=self.plan.validation_share)
        weights, answers = _ragged(batch, "weights"), _ragged(batch, "labels")
        for number, origin in enumerate(self.plan.origins):
            place = np.array([_use_of(point.uses, number) for point in self.plan.points])[points]
            rows = np.flatnonzero(place >= 0)
            if not len(rows):
                continue
            weight = weights(rows, place[rows], 1)[:, 0]
            rows, weight = rows[weight > 0], weight[weight > 0]
            uses = [self.plan.points[points[row]].uses[place[row]] for row in rows]
            cutoff_no = np.array([use.cutoff_no for use in uses], dtype=np.int32)
            answer = answers(rows, place[rows], self._answer_width)
            slice_ = cutoff_no == AT_ORIGIN
            self._keep_slice(batch, rows[slice_], answer[slice_], origin.day.isoformat(), number)
            answer[slice_] = 0
            for no, users in zip(*np.unique(cutoff_no[~slice_], return_counts=True), strict=True):
                self.counts[number, int(no)] = self.counts.get((number, int(no)), 0) + int(users)
            split = np.where(slice_, "slice", np.where(held_out[rows], "validation", "train"))
            columns = {"weight": weight, "cutoff_no": cutoff_no, **self._extras(answer)}
            self._shelve(examples, rows, split, columns, origin.day.isoformat())

    def _shelve(
        self, examples: project.Examples, rows: Array, split: Array, columns: dict[str, Array], origin: str
    ) -> None:
        buckets = blocks.bucket_of(examples.lengths[rows])
        for name, length in sorted({*zip(split.tolist(), buckets.tolist(), strict=True)}):
            own = np.flatnonzero((split == name) & (buckets == length))
            folder = f"{origin}/{name}"
            if (folder, length) not in self.shelves:
                layout = Layout(length, examples.aggregates.shape[1], extras_of(self.plan))
                self.shelves[folder, length] = Shelf(self.root, folder, self.name, layout)
            self.shelves[folder, length].add(
                examples.take(rows[own]), {key: values[own] for key, values in columns.items()}
            )

    def _keep_slice(self, batch: pa.RecordBatch, rows: Array, answer: Array, origin: str, number: int) -> None:
        if not len(rows):
            return
        users = batch.select(["user_key", "user_id"]).take(pa.array(rows))
        self.tables.setdefault(f"{origin}/users.parquet", []).append(users)
        as_of = self.plan.origins[-1].day.isoformat()
        if origin != as_of:
            names = {"origin": pa.array([origin] * len(rows)), "user_key": users.column("user_key")}
            lists = {name: pa.array(list(values)) for name, values in self._extras(answer).items()}
            sizes = {"target_size": pa.array(answer[:, 0].astype(np.int32))} if self.plan.kind == "basket" else {}
            outcome = pa.RecordBatch.from_pydict({**names, **lists, **sizes})
            self.tables.setdefault(f"{as_of}/outcomes.parquet", []).append(outcome)

    @property
    def _answer_width(self) -> int:
        return sum(extra.width for extra in extras_of(self.plan))

    def _extras(self, answer: Array) -> dict[str, Array]:
        """The flat answer of each row as named columns [N, width]."""
        if self.plan.kind == "basket":
            return {"target_item_no": answer[:, 1:].astype(np.int32), "target_size": answer[:, :1].astype(np.int32)}
        extras = extras_of(self.plan)
        ends = np.cumsum([extra.width for extra in extras])
        parts = np.split(answer, ends[:-1], axis=1)
        return {extra.name: part.astype(extra.type) for extra, part in zip(extras, parts, strict=True)}


def _use_of(uses: tuple[Any, ...], origin: int) -> int:
    """The place of the origin among the uses of a point; -1 where it does not use the point."""
    return next((place for place, use in enumerate(uses) if use.origin == origin), -1)


def _ragged(batch: pa.RecordBatch, name: str) -> Any:
    """A function (rows, places, width) -> [rows, width]: entry number `place` of width `width` in each row's list."""
    lists = batch.column(name)
    values, offsets = lists.values.to_numpy(zero_copy_only=False), lists.offsets.to_numpy()

    def pick(rows: Array, places: Array, width: int) -> Array:
        start = offsets[rows] + places * width
        return np.asarray(values[start[:, None] + np.arange(width)])

    return pick


def _examples_of(batch: pa.RecordBatch) -> project.Examples:
    count = batch.num_rows
    first = batch.column("event_type")
    offsets = (first.offsets.to_numpy() - first.offsets[0].as_py()).astype(np.int64)
    return project.Examples(
        user_key=batch.column("user_key").to_numpy(),
        user_id=batch.column("user_id"),
        aggregates=batch.column("aggregates").flatten().to_numpy().reshape(count, -1),
        anchor=batch.column("anchor").flatten().to_numpy().reshape(count, -1),
        offsets=offsets,
        tokens={name: batch.column(name).flatten().to_numpy() for name in blocks.TOKEN_TYPES},
        cutoff_no=np.zeros(count, dtype=np.int32),
    )
