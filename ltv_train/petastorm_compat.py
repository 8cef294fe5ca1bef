"""Petastorm 0.12.1 on current Arrow and NumPy: everything that has to be bent stands here, and only `data` imports it.

Four things: names that Arrow and NumPy dropped come back before the import; a small stand-in takes the place of
`pyarrow.parquet` inside petastorm's modules (never in pyarrow itself); lists become arrays without a copy; and the
thread pool asks its two questions in the right order. Stock 0.12.1 asks "is everything processed?" before "has the
ventilator handed out everything?", so a ventilator that is slow between the two loses row groups without an error.
"""

import logging
import sys
import types
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from queue import Empty
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as arrow_parquet
from fsspec.implementations.local import LocalFileSystem

POLL_SECONDS = 0.05
WORKERS = 1
"""One reading thread: the order of row groups follows from the seed. With two it would not."""
READ_AHEAD = 2
"""Row groups that wait, read but not yet taken."""
OPEN_FILES = 16
"""Files of one reader that are open at a time."""


def _restore_dropped_names() -> None:
    for name in ("pyarrow.filesystem", "pyarrow.hdfs"):
        sys.modules.setdefault(name, types.ModuleType(name))
    for module, missing, stand_in in (
        ("pyarrow.filesystem", "LocalFileSystem", object),
        ("pyarrow.hdfs", "HadoopFileSystem", object),
        ("pyarrow.lib", "ArrowIOError", OSError),
        ("numpy", "unicode_", np.str_),
        ("numpy", "string_", np.bytes_),
    ):
        if not hasattr(sys.modules[module], missing):
            setattr(sys.modules[module], missing, stand_in)


_restore_dropped_names()

from petastorm import arrow_reader_worker, py_dict_reader_worker, reader  # noqa: E402
from petastorm.etl import dataset_metadata  # noqa: E402
from petastorm.workers_pool import EmptyResultError, thread_pool  # noqa: E402


class Piece:
    """One row group of one file, or a whole file when `row_group` is None."""

    partition_keys: tuple[str, ...] = ()

    def __init__(self, path: str, open_file_func: Any, row_group: int | None = None, partition_keys: Any = ()) -> None:
        self.path = path
        self.row_group = row_group
        self.open = open_file_func

    def get_metadata(self) -> Any:
        """The footer of the file."""
        with self.open(self.path) as stream:
            return arrow_parquet.read_metadata(stream)


class Dataset:
    """Parquet files by path, sorted; no partitions, no summary files. Refuses filters: the plan alone chooses."""

    partitions = None
    metadata = None
    common_metadata = None

    def __init__(self, path_or_paths: str | list[str], filesystem: Any, filters: Any = None, **_ignored: Any) -> None:
        if filters:
            raise ValueError("filters are not supported; the reading plan chooses row groups")
        self.fs = filesystem
        self.paths = path_or_paths
        listed = [path_or_paths] if isinstance(path_or_paths, str) else path_or_paths
        self.pieces = [Piece(path, _opener(filesystem)) for path in sorted(listed)]


def _opener(filesystem: Any) -> Any:
    """How a file is opened: by Arrow itself on this machine, where a Python file would be a copy and a lock a read."""
    return pa.OSFile if isinstance(filesystem, LocalFileSystem) else filesystem.open


class _Parquet:
    """What petastorm's modules see under the name `pq`."""

    ParquetDataset = Dataset
    ParquetDatasetPiece = Piece
    ParquetFile = arrow_parquet.ParquetFile
    read_metadata = staticmethod(arrow_parquet.read_metadata)


for _module in (reader, arrow_reader_worker, py_dict_reader_worker, dataset_metadata):
    _module.pq = _Parquet
for _name in ("petastorm.reader", "petastorm.etl.dataset_metadata"):
    logging.getLogger(_name).setLevel(logging.WARNING)


# Both sides of the pool's queues look up a thousand times a second whether they are to stop: with six open readers that
# was 8 % of the CPU time of training. `PatientPool.stop` wakes them instead. Handing out numbers of row groups needs no
# room, so the ventilator hands out all of them at once and ends; READ_AHEAD alone bounds what is read.
thread_pool.IO_TIMEOUT_INTERVAL_S = 1.0
reader._VENTILATE_EXTRA_ROWGROUPS = 1 << 30


class PatientPool(thread_pool.ThreadPool):  # type: ignore[misc]
    """A thread pool that ends only after the ventilator has handed out everything and everything was taken."""

    def stop(self) -> None:
        """Stops the ventilator and the workers, wherever they wait: for work, or for room for what they read."""
        super().stop()
        self._ventilator_queue.put(((None, None, None), {}))
        while not self._results_queue.empty():
            self._results_queue.get_nowait()

    def get_results(self) -> Any:
        """The next result; raises EmptyResultError at the true end, or what a worker raised."""
        while True:
            # In this order: once the ventilator is done, the count of handed-out items can no longer rise.
            done = not self._ventilator or self._ventilator.completed()
            processed = self._ventilated_items == self._ventilated_items_processed
            if done and processed and self._results_queue.empty():
                raise EmptyResultError
            try:
                result = self._results_queue.get(timeout=POLL_SECONDS)
            except Empty:  # nothing yet: look again whether the end has come
                continue
            if isinstance(result, thread_pool.VentilatedItemProcessedMessage):
                self._ventilated_items_processed += 1
                if self._ventilator:
                    self._ventilator.processed_item()
            elif isinstance(result, Exception):
                self.stop()
                self.join()
                raise result
            else:
                return result


class _Results(arrow_reader_worker.ArrowReaderWorkerResultsQueueReader):  # type: ignore[misc]
    """Row groups as they are: Arrow tables, without a conversion to lists of arrays."""

    def read_next(self, workers_pool: Any, schema: Any, ngram: Any) -> pa.Table:
        """The next row group; StopIteration at the end."""
        try:
            return workers_pool.get_results()
        except EmptyResultError:
            raise StopIteration from None


class _Worker(arrow_reader_worker.ArrowReaderWorker):  # type: ignore[misc]
    """Reads one row group with all its columns. Row groups come in any order, so the files used last stay open."""

    def __init__(self, worker_id: int, publish_func: Any, args: Any) -> None:
        super().__init__(worker_id, publish_func, args)
        self._footers: dict[str, Any] = {}
        self._open: dict[str, Any] = {}

    @staticmethod
    def new_results_queue_reader() -> _Results:
        return _Results()

    def process(self, piece_index: int | None, worker_predicate: Any, shuffle_row_drop_partition: Any) -> None:
        """Publishes the row group with this number; nothing for None, which only wakes."""
        if piece_index is None:
            return
        piece = self._split_pieces[piece_index]
        self.publish_func(self._file(piece).read_row_group(piece.row_group, use_threads=False))

    def _file(self, piece: Piece) -> Any:
        """The open file of a piece; each footer is parsed once."""
        file = self._open.pop(piece.path, None)
        if file is None:
            if len(self._open) == OPEN_FILES:
                self._open.pop(next(iter(self._open))).close(force=True)
            file = arrow_parquet.ParquetFile(piece.open(piece.path), metadata=self._footers.get(piece.path))
            self._footers[piece.path] = file.metadata
        self._open[piece.path] = file
        return file


@dataclass(frozen=True)
class Share:
    """Which row groups: those whose number i (files sorted, groups in order) has i mod `count` = `number`."""

    number: int
    count: int


def row_groups(paths: Sequence[str], *, share: Share, seed: int, pool: Any = None) -> Generator[pa.Table, None, None]:
    """The row groups of a share, each once, in an order that follows from `seed` alone (1 or more; 0 means none).

    A fresh reader each call; it is stopped when the caller leaves early. `paths` name files of one file system: a local
    folder, or an address such as s3://bucket. Raises what the reading thread raised.
    """
    if seed < 1:
        raise ValueError(f"seed must be 1 or more, got {seed}: petastorm takes 0 for no seed at all")
    filesystem, _ = fsspec.url_to_fs(paths[0])
    source = reader.Reader(
        filesystem,
        [filesystem._strip_protocol(path) for path in paths],
        worker_class=_Worker,
        reader_pool=pool or PatientPool(WORKERS, READ_AHEAD),
        seed=seed % 2**32,
        shuffle_row_groups=True,
        num_epochs=1,
        cur_shard=share.number,
        shard_count=share.count,
        is_batched_reader=True,
    )
    try:
        yield from source
    finally:
        source.stop()
        source.join()
