"""Waiting for a loader ends: with an item, with its error, or with an error of our own."""

import threading
import time
from collections.abc import Generator
from functools import partial

import pytest

from ltv_features.errors import LoaderStuck, LtvError
from ltv_train.watchdog import watched


def counting(up_to: int, closed: list[str] | None = None) -> Generator[int, None, None]:
    try:
        yield from range(up_to)
    finally:
        if closed is not None:
            closed.append(threading.current_thread().name)


def blocking(after: int, forever: threading.Event) -> Generator[int, None, None]:
    """A loader whose reading thread died without a word: it waits for what will never come."""
    yield from range(after)
    forever.wait()


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("loader of here")]


def test_items_come_in_order_and_the_source_is_closed_where_it_was_read() -> None:
    closed: list[str] = []
    assert list(watched(partial(counting, 50, closed), seconds=5, what="here")) == list(range(50))
    assert closed == ["loader of here"]
    assert readers() == []


@pytest.mark.parametrize("after", [0, 3])
def test_a_source_that_blocks_ends_in_an_error_that_says_where_and_for_how_long(after: int) -> None:
    forever = threading.Event()
    source = watched(partial(blocking, after, forever), seconds=0.3, what="here")
    assert [next(source) for _ in range(after)] == list(range(after))
    began = time.monotonic()
    with pytest.raises(LoaderStuck, match=r"here: expected a row group within 0\.3 s"):
        next(source)
    assert time.monotonic() - began < 3
    assert LoaderStuck.exit_code == 7
    forever.set()


def test_a_source_that_blocks_while_it_is_opened_is_found_too() -> None:
    forever = threading.Event()

    def opened() -> Generator[int, None, None]:
        forever.wait()
        return counting(3)

    with pytest.raises(LoaderStuck, match="here"):
        next(watched(opened, seconds=0.2, what="here"))
    forever.set()


def test_what_the_source_raises_arrives_after_what_it_gave() -> None:
    def failing() -> Generator[int, None, None]:
        yield 1
        raise OSError("the disk is gone")

    source = watched(failing, seconds=5, what="here")
    assert next(source) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(source)


@pytest.mark.parametrize("taken", [0, 1, 2, 7])
def test_a_source_left_early_leaves_no_thread_behind(taken: int) -> None:
    for _ in range(20):  # the thread may be anywhere: reading, handing over, waiting for room
        closed: list[str] = []
        source = watched(partial(counting, 1000, closed), seconds=5, what="here")
        for _ in range(taken):
            next(source)
        source.close()
        assert readers() == []
        assert len(closed) == (1 if taken else 0), "a source that was never asked is never opened"


def test_a_slow_caller_is_no_fault_of_the_source() -> None:
    source = watched(partial(counting, 3), seconds=0.2, what="here")
    assert next(source) == 0
    time.sleep(0.5)
    assert list(source) == [1, 2]


def test_many_sources_side_by_side_do_not_mix() -> None:
    sources = [watched(partial(counting, 200), seconds=5, what=f"here {number}") for number in range(8)]
    assert all(given == (number,) * 8 for number, given in enumerate(zip(*sources, strict=True)))


def test_it_is_an_error_that_a_user_can_act_on() -> None:
    assert issubclass(LoaderStuck, LtvError)
