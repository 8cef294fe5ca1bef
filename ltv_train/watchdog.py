"""A source that may block is read by a thread of its own, so that waiting for it ends in an error and never in a hang.

Whatever blocks (opening a reader, a footer on a slow store, a reading thread that died without a word) blocks that
thread alone. It is a daemon: one that never comes back keeps no process alive. May import: errors, nothing else.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

from ltv_features.errors import LoaderStuck

T = TypeVar("T")
FAREWELL_SECONDS = 5.0
"""How long a source that is left early may take to put its files away."""


@dataclass(frozen=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


def watched(source: Callable[[], Generator[T, None, None]], *, seconds: float, what: str) -> Generator[T, None, None]:
    """What `source()` yields, in its order. Raises what the source raised, or LoaderStuck after `seconds` of waiting.

    Only the time that the caller waits counts: an hour of work between two items is no fault of the source. At most two
    items are read ahead. `source` is opened, read and closed in the one thread, so it need not be safe for several.
    """
    ready: Queue[_Item[T] | _End] = Queue(maxsize=1)
    left, patience = Event(), FAREWELL_SECONDS
    reading = Thread(target=_read, args=(source, ready, left), name=f"loader of {what}", daemon=True)
    reading.start()
    try:
        while isinstance(got := ready.get(timeout=seconds), _Item):
            yield got.value
        if got.error is not None:
            raise got.error
    except Empty:
        patience = 0.0
        raise LoaderStuck(
            f"{what}: expected a row group within {seconds:g} s (train.ray.loader_timeout_seconds), actual none; next: "
            "see whether the store of the shards answers, then run again: it goes on from the last finished epoch"
        ) from None
    finally:
        left.set()
        while not ready.empty():  # makes room for what the thread may be about to hand over
            ready.get_nowait()
        reading.join(patience)


def _read(source: Callable[[], Generator[T, None, None]], ready: "Queue[_Item[T] | _End]", left: Event) -> None:
    end = _End()
    try:
        items = source()
        try:
            for item in items:
                ready.put(_Item(item))
                if left.is_set():
                    break
        finally:
            items.close()
    except BaseException as error:  # raised again in the thread that waits
        end = _End(error)
    if not left.is_set():
        ready.put(end)
