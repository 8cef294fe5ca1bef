"""The compatibility layer: every row group exactly once, also when the ventilator is slow between its two loops."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ltv_train import petastorm_compat
from ltv_train.petastorm_compat import PatientPool, Share, row_groups

ThreadPool = petastorm_compat.thread_pool.ThreadPool
ConcurrentVentilator = petastorm_compat.reader.ConcurrentVentilator
GROUPS_A_FILE = (4, 3)


@pytest.fixture
def urls(tmp_path: Path) -> list[str]:
    """Two files of 4 and 3 row groups; the value of a row is the number of its row group."""
    number, made = 0, []
    for name, groups in zip(("a", "b"), GROUPS_A_FILE, strict=True):
        path = tmp_path / f"{name}.parquet"
        schema = pa.schema([("group", pa.int64()), ("values", pa.list_(pa.float32()))])
        with pq.ParquetWriter(path, schema) as writer:
            for _ in range(groups):
                rows = {"group": [number, number], "values": [[1.0, 2.0], [3.0, 4.0]]}
                writer.write_table(pa.table(rows, schema=schema))
                number += 1
        made.append(path.as_uri())
    return made


def read(urls: Sequence[str], share: Share, seed: int, pool: Any = None) -> list[int]:
    tables = list(row_groups(urls, share=share, seed=seed, pool=pool))
    assert all(table.num_rows == 2 for table in tables)
    return [table.column("group")[0].as_py() for table in tables]


@pytest.fixture
def slow_ventilator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delays: 20 ms before an item is handed out, 50 ms inside the question 'are you done?' before its answer."""
    ventilate, completed = ThreadPool.ventilate, ConcurrentVentilator.completed

    def late_ventilate(self: Any, *args: Any, **kwargs: Any) -> None:
        time.sleep(0.02)
        ventilate(self, *args, **kwargs)

    def late_completed(self: Any) -> bool:
        if threading.current_thread() is not self._ventilation_thread:
            time.sleep(0.05)
        return bool(completed(self))

    monkeypatch.setattr(ThreadPool, "ventilate", late_ventilate)
    monkeypatch.setattr(ConcurrentVentilator, "completed", late_completed)


def two_shards_and_epochs(urls: Sequence[str], pool: Any, epochs: int = 3) -> list[list[int]]:
    return [
        sorted(number for shard in (0, 1) for number in read(urls, Share(shard, 2), 1 + epoch, pool()))
        for epoch in range(epochs)
    ]


def test_a_slow_ventilator_loses_and_doubles_nothing_over_two_shards_and_repeated_epochs(
    urls: list[str], slow_ventilator: None
) -> None:
    assert two_shards_and_epochs(urls, lambda: PatientPool(1, 2)) == [list(range(7))] * 3


def test_the_injected_delay_makes_the_stock_pool_lose_row_groups(urls: list[str], slow_ventilator: None) -> None:
    assert two_shards_and_epochs(urls, lambda: ThreadPool(1, 2)) != [list(range(7))] * 3


def test_shards_are_disjoint_and_follow_the_row_group_number(urls: list[str]) -> None:
    assert [sorted(read(urls, Share(shard, 3), 7)) for shard in range(3)] == [[0, 3, 6], [1, 4], [2, 5]]


def test_the_order_follows_from_the_seed(urls: list[str]) -> None:
    orders = [read(urls, Share(0, 1), seed) for seed in (1, 2, 3, 1)]
    assert orders[0] == orders[3]
    assert len({tuple(order) for order in orders}) == 3


def test_seed_zero_is_refused_because_petastorm_takes_it_for_none(urls: list[str]) -> None:
    with pytest.raises(ValueError, match="seed must be 1 or more"):
        next(row_groups(urls, share=Share(0, 1), seed=0))


def test_a_damaged_file_raises_in_the_reading_process(urls: list[str]) -> None:
    path = Path(urls[0].removeprefix("file://"))
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    with pytest.raises((OSError, pa.ArrowException)):
        read(urls, Share(0, 1), 1)


def test_a_reader_left_early_leaves_no_thread_behind(urls: list[str]) -> None:
    before = threading.active_count()
    source = row_groups(urls, share=Share(0, 1), seed=1)
    next(source)
    source.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("taken", [1, 7])
def test_a_reader_stops_at_once_though_its_threads_sleep_long(urls: list[str], taken: int) -> None:
    """Left early its thread waits for room, at the end for work: both are woken."""
    source = row_groups(urls, share=Share(0, 1), seed=1)
    for _ in range(taken):
        next(source)
    time.sleep(0.2)
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 0.5 * thread_pool_seconds()


def thread_pool_seconds() -> float:
    """How long a thread of the pool sleeps before it looks whether it is to stop."""
    return float(petastorm_compat.thread_pool.IO_TIMEOUT_INTERVAL_S)


def test_pyarrow_itself_is_untouched() -> None:
    assert pq.ParquetFile.__module__ == "pyarrow.parquet.core"
