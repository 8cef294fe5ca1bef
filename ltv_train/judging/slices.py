"""What the slice of an origin tells about its users, without their tokens. May import: manifest, Arrow. No Spark."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ltv_features import blocks, files
from ltv_features.contract import BLOCK_EXAMPLES
from ltv_train.judging.segments import NEEDED, Known
from ltv_train.manifest import Manifest, load_manifest

Array = np.ndarray[Any, np.dtype[Any]]


def known_at(folder: str, attributes: pa.Table | None = None) -> Known:
    """What was known of the slice's users of the shard set at `folder`.

    `attributes` has a user_key and a text column an attribute; who is not in it has "" for each.
    """
    manifest = load_manifest(folder)
    files_of_slice = [file.path for bucket in manifest.splits["slice"] for file in bucket.files]
    parts = [_part(manifest, files.join(folder, path)) for path in files_of_slice]
    keys = np.concatenate([np.zeros(0, np.int64), *(part[0] for part in parts)])
    rows = np.concatenate([np.zeros((0, len(manifest.aggregates)), np.float32), *(part[1] for part in parts)])
    aggregates = {name: rows[:, manifest.aggregates.index(name)].astype(np.float64) for name in NEEDED}
    return Known(keys, aggregates, {} if attributes is None else _words(keys, attributes))


def _part(manifest: Manifest, path: str) -> tuple[Array, Array]:
    """User keys and aggregates [N, A] of the real rows of one block file."""
    table = pq.read_table(io.BytesIO(files.read_bytes(path)), columns=["n", "user_key", "aggregates"])
    real = (np.arange(BLOCK_EXAMPLES) < table["n"].to_numpy()[:, None]).ravel()
    keys = blocks.matrix(table, "user_key", 1)[real, 0]
    return keys, blocks.matrix(table, "aggregates", len(manifest.aggregates))[real]


def _words(keys: Array, attributes: pa.Table) -> Mapping[str, Sequence[str]]:
    names = [name for name in attributes.column_names if name != "user_key"]
    rows = dict(zip(attributes["user_key"].to_pylist(), range(attributes.num_rows), strict=True))
    place = [rows.get(key, -1) for key in keys.tolist()]
    told = {name: attributes[name].to_pylist() for name in names}
    return {name: [(told[name][row] or "") if row >= 0 else "" for row in place] for name in names}
