"""What a shard set says about itself, and whether its files are those that were written."""

import hashlib
import io
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from ltv_features import blocks, files
from ltv_features.blocks import Layout
from ltv_features.contract import SCHEMA_VERSION
from ltv_features.errors import ShardsRefused
from ltv_train.named import Named, named_of
from ltv_train.plan import Bucket, ShardFile

log = logging.getLogger(__name__)
MANIFEST = "manifest.json"
TRAIN, VALIDATION = "train", "validation"
EVERYBODY = "train and validation"
"""Both splits as one: what a fit reads that nothing has to stop early, as its epochs are frozen."""


@dataclass(frozen=True)
class Cutoff:
    """A training cut-off of the set."""

    no: int
    date: str
    users: int


@dataclass(frozen=True)
class TableFile:
    """A Parquet file beside the splits."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """What a shard set says about itself; `folder` is where it lies."""

    folder: str
    kind: str
    as_of: str
    origin: str
    input_digest: str
    config_digest: str
    churn: str
    periods_days: tuple[tuple[int, int], ...]
    named: Named
    aggregates: tuple[str, ...]
    cutoffs: tuple[Cutoff, ...]
    table_versions: Mapping[str, int]
    never_bought: Mapping[str, Any]
    splits: Mapping[str, tuple[Bucket, ...]]
    tables: Mapping[str, TableFile]

    def buckets(self, split: str) -> tuple[Bucket, ...]:
        """The buckets of a split; of EVERYBODY those of training and validation, joined by length."""
        if split != EVERYBODY:
            return self.splits[split]
        both = [*self.splits[TRAIN], *self.splits.get(VALIDATION, ())]
        lengths = sorted({bucket.length for bucket in both})
        return tuple(Bucket(n, tuple(file for b in both if b.length == n for file in b.files)) for n in lengths)

    @property
    def named_periods(self) -> tuple[str, ...]:
        """The named periods of the calendar that the labels speak of."""
        return self.named.names

    @property
    def by_activity(self) -> bool:
        """Whether churn is defined by activity, so that models have to speak of it."""
        return self.churn == "no_activity"

    def examples(self, split: str) -> int:
        """Real examples in a split."""
        return sum(bucket.examples for bucket in self.buckets(split))

    def layout(self, length: int) -> Layout:
        """The shape of the blocks of one bucket."""
        periods, named = len(self.periods_days), len(self.named_periods)
        extras = blocks.value_extras(periods, named) if self.kind == "value" else blocks.BASKET_EXTRAS
        return Layout(length, len(self.aggregates), extras)


def load_manifest(folder: str) -> Manifest:
    """The manifest of a set. Raises InputMissing when there is none, ShardsRefused on one that is cut or of another
    schema version.
    """
    try:
        read = files.read_json(files.join(folder, MANIFEST))
    except ValueError as error:
        raise ShardsRefused(f"shards {folder}: {MANIFEST} is not JSON: {error}; next: run build_examples") from error
    if read["schema_version"] != SCHEMA_VERSION:
        raise ShardsRefused(
            f"shards {folder}: schema version {read['schema_version']}, this code reads {SCHEMA_VERSION}; next: run "
            "build_examples again"
        )
    return Manifest(
        folder=folder,
        kind=read["kind"],
        as_of=read["as_of"],
        origin=read["origin"],
        input_digest=read["input_digest"],
        config_digest=read["config_digest"],
        churn=read["churn"],
        periods_days=tuple((start, end) for start, end in read["periods_days"]),
        named=named_of(read["named_periods"], read["origin"], [cutoff["date"] for cutoff in read["cutoffs"]]),
        aggregates=tuple(read["aggregates"]),
        cutoffs=tuple(Cutoff(**cutoff) for cutoff in read["cutoffs"]),
        table_versions=read["table_versions"],
        never_bought=read["never_bought"],
        splits={name: tuple(_bucket(bucket) for bucket in split["buckets"]) for name, split in read["splits"].items()},
        tables={name: TableFile(**table) for name, table in read.get("tables", {}).items()},
    )


def _bucket(read: Mapping[str, Any]) -> Bucket:
    listed = [
        ShardFile(file["path"], file["sha256"], file["bytes"], tuple(file["row_groups"]), tuple(file["examples"]))
        for file in read["files"]
    ]
    return Bucket(read["length"], tuple(listed))


def verify(manifest: Manifest) -> None:
    """Nothing when the files are those of the manifest. Raises ShardsRefused that names every file that is not."""
    shards = {file.path: file for split in manifest.splits.values() for bucket in split for file in bucket.files}
    listed: dict[str, ShardFile | TableFile] = {**shards, **manifest.tables}
    found = files.list_files(manifest.folder)
    there = {path for path in found if path.split("/")[0] in manifest.splits or path.endswith(".parquet")}
    problems = [f"{path}: not in the manifest" for path in sorted(there - set(listed))]
    problems += [f"{path}: missing" for path in sorted(set(listed) - there)]
    for path in sorted(set(listed) & there):
        content = files.join(manifest.folder, path)
        problems += _differences(path, listed[path], _size_of(content), partial(files.sha256_of, content))
    for path in sorted(path for path, file in shards.items() if not sum(file.examples)):
        log.info("%s: %s holds no row and is skipped", manifest.folder, path)
    if problems:
        raise _refused(manifest, problems)


def read_table(manifest: Manifest, name: str) -> pa.Table:
    """A table beside the splits. Raises ShardsRefused when the manifest lists none of that name, or another one."""
    if name not in manifest.tables:
        raise _refused(manifest, [f"{name}: not in the manifest"])
    return read_listed(manifest, name, manifest.tables[name])


def read_listed(manifest: Manifest, path: str, file: ShardFile | TableFile) -> pa.Table:
    """The file below the set's folder as a table. Raises ShardsRefused when it is not the one that is listed."""
    content = files.read_bytes(files.join(manifest.folder, path))
    problems = _differences(path, file, len(content), lambda: hashlib.sha256(content).hexdigest())
    if problems:
        raise _refused(manifest, problems)
    return pq.read_table(io.BytesIO(content))


def _differences(path: str, file: ShardFile | TableFile, size: int, digest: Callable[[], str]) -> list[str]:
    """How a file differs from what is listed; its digest is worked out where its size is right."""
    if size != file.bytes:
        return [f"{path}: expected {file.bytes} bytes, actual {size}"]
    actual = digest()
    same = actual == file.sha256
    return [] if same else [f"{path}: expected SHA-256 {file.sha256[:16]}..., actual {actual[:16]}..."]


def _refused(manifest: Manifest, problems: Sequence[str]) -> ShardsRefused:
    listing = "".join(f"\n  - {problem}" for problem in problems)
    return ShardsRefused(f"shards {manifest.folder}: {len(problems)} file(s) differ{listing}\nnext: run build_examples")


def _size_of(path: str) -> int:
    fs, place = fsspec.url_to_fs(path)
    return int(fs.size(place))
