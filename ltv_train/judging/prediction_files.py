"""What one candidate said at one origin, as one Parquet file that holds the digest of its numbers.

May import: NumPy, Arrow.
"""

import hashlib
import io

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ltv_features import files
from ltv_features.errors import ContractBroken
from ltv_features.project import Examples
from ltv_train.predictions import Predictions

Floats = npt.NDArray[np.float64]
_DIGEST = b"sha256"


def write_predictions(path: str, examples: Examples, said: Predictions) -> None:
    """One Parquet file: user_key and lists of everything that is said: mean, median, low, high (minor units), ..."""
    told = {name: getattr(said, name) for name in Predictions.names()}
    columns = {name: pa.array(list(values)) for name, values in told.items() if values.shape[1]}
    table = pa.table({"user_key": examples.user_key, **columns})
    stream = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({_DIGEST: _digest(table)}), stream)
    files.write_bytes(path, stream.getvalue().to_pybytes())


def read_predictions(path: str) -> tuple[npt.NDArray[np.int64], Predictions]:
    """User keys [N] and the predictions that `train` wrote for one candidate at one origin.

    Raises ContractBroken where the file is not the one that was written; those of former versions hold no digest.
    """
    try:
        table = pq.read_table(io.BytesIO(files.read_bytes(path)))
    except (pa.ArrowException, OSError) as error:
        raise ContractBroken(f"{path}: no predictions can be read: {error}; next: remove it and rerun train") from error
    expected, actual = (table.schema.metadata or {}).get(_DIGEST), _digest(table)
    if expected not in (None, actual):
        raise ContractBroken(f"{path}: expected the digest {expected!r}, actual {actual!r}; next: rerun train")
    columns = {name: matrix(table[name]) for name in Predictions.names() if name in table.column_names}
    return table["user_key"].to_numpy(), Predictions(**columns)


def _digest(table: pa.Table) -> bytes:
    """Of every column's name and numbers."""
    whole = hashlib.sha256()
    for name in table.column_names:
        column = table[name]
        values = matrix(column) if pa.types.is_list(column.type) else column.to_numpy()
        whole.update(f"{name} {values.shape}".encode())
        whole.update(np.ascontiguousarray(values).tobytes())
    return whole.hexdigest().encode()


def matrix(column: pa.ChunkedArray) -> Floats:
    """[N, width] of a list column whose lists are all of one length."""
    flat = column.combine_chunks()
    return np.asarray(flat.flatten().to_numpy(zero_copy_only=False), np.float64).reshape(len(flat), -1)
