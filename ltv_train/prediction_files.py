"""What one candidate said at one origin, as one Parquet file. May import: NumPy, Arrow."""

import io

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ltv_features import files
from ltv_features.project import Examples
from ltv_train.predictions import Predictions

Floats = npt.NDArray[np.float64]


def write_predictions(path: str, examples: Examples, said: Predictions) -> None:
    """One Parquet file: user_key and lists of everything that is said: mean, median, low, high (minor units), ..."""
    told = {name: getattr(said, name) for name in Predictions.names()}
    columns = {name: pa.array(list(values)) for name, values in told.items() if values.shape[1]}
    stream = pa.BufferOutputStream()
    pq.write_table(pa.table({"user_key": examples.user_key, **columns}), stream)
    files.write_bytes(path, stream.getvalue().to_pybytes())


def read_predictions(path: str) -> tuple[npt.NDArray[np.int64], Predictions]:
    """User keys [N] and the predictions that `train` wrote for one candidate at one origin."""
    table = pq.read_table(io.BytesIO(files.read_bytes(path)))
    columns = {name: matrix(table[name]) for name in Predictions.names() if name in table.column_names}
    return table["user_key"].to_numpy(), Predictions(**columns)


def matrix(column: pa.ChunkedArray) -> Floats:
    """[N, width] of a list column whose lists are all of one length."""
    flat = column.combine_chunks()
    return np.asarray(flat.flatten().to_numpy(zero_copy_only=False), np.float64).reshape(len(flat), -1)
