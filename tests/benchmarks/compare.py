"""Two ways to the same answer, taken in turns: CPU seconds of this process and all below it, as a median of ratios.

CPU seconds instead of wall time, because other people's work on the machine moves them least. The first turn of each
warms up and is thrown away.
"""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import psutil

Work = Callable[[int], object]
"""One turn, told its number; what it returns is its answer."""


Clock = Callable[[], float]
"""Seconds so far."""


@dataclass(frozen=True)
class Result:
    """One line of the table. A `ratio` is ours by theirs; `must` and `aim` are bounds on it, from `at_most` above.

    `not_judged` says why the machine cannot tell, where it cannot: then neither bound is met, and none is missed.
    """

    id: str
    what: str
    ratio: float
    must: float
    aim: float
    at_most: bool
    detail: str
    not_judged: str = ""

    @property
    def meets_must(self) -> bool:
        """Whether the bound that has to hold does."""
        return self._within(self.must)

    @property
    def meets_aim(self) -> bool:
        """Whether the bound that is hoped for does."""
        return self._within(self.aim)

    def as_json(self) -> dict[str, Any]:
        """The line as it is written to a file; a ratio that was not measured is null."""
        ratio = self.ratio if math.isfinite(self.ratio) else None
        return asdict(self) | {"ratio": ratio, "meets_must": self.meets_must, "meets_aim": self.meets_aim}

    def _within(self, bound: float) -> bool:
        return not self.not_judged and (self.ratio <= bound if self.at_most else self.ratio >= bound)


@dataclass(frozen=True)
class Pairs:
    """What the turns took: CPU seconds of ours and of theirs, in the order they ran."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of ours by theirs, turn by turn."""
        return statistics.median(self._each())

    def told(self, of: str = "CPU") -> str:
        """The median seconds of both and the range of the ratio."""
        low, high = min(self._each()), max(self._each())
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        digits = 1 if min(ours, theirs) >= 10 else 2
        seconds = f"{ours:.{digits}f} s against {theirs:.{digits}f} s of {of}"
        return f"{seconds}, {len(self.ours)} turns, ratio {low:.3f} to {high:.3f}"

    def _each(self) -> list[float]:
        return [a / b for a, b in zip(self.ours, self.theirs, strict=True)]


def in_turns(
    ours: Work, theirs: Work, *, rounds: int, warm_up: int = 1, before: Work | None = None,
    agree: Callable[[], bool] | None = None, clock: Clock | None = None,
) -> Pairs:  # fmt: skip
    """Runs both `warm_up + rounds` times, in turns; `before` each turn and `agree` after it are not timed. `clock` says
    the seconds so far, of CPU where none is given.

    Raises AssertionError when their answers differ, or do not agree.
    """
    spent: tuple[list[float], list[float]] = ([], [])
    for turn in range(warm_up + rounds):
        answers = []
        if before:
            before(turn)
        for place, work in enumerate((ours, theirs)):
            seconds, answer = timed(work, turn, clock or cpu_seconds)
            answers.append(answer)
            if turn >= warm_up:
                spent[place].append(seconds)
        assert answers[0] == answers[1], f"turn {turn}: ours says {answers[0]}, theirs {answers[1]}"
        assert agree is None or agree(), f"turn {turn}: the two do not agree"
    return Pairs(tuple(spent[0]), tuple(spent[1]))


def timed(work: Work, turn: int, clock: Clock) -> tuple[float, object]:
    """Seconds of one turn by the clock, at least its wall time where that is all there is to see, and its answer."""
    before, began = clock(), time.monotonic()
    answer = work(turn)
    spent = clock() - before
    return spent if spent > 0 else time.monotonic() - began, answer


def cpu_seconds() -> float:
    """CPU seconds so far of this process, its children (the JVM, its Python workers) and those they have reaped."""
    here = psutil.Process()
    total = 0.0
    for process in (here, *here.children(recursive=True)):
        try:
            spent = process.cpu_times()
        except psutil.NoSuchProcess:  # it ended meanwhile: its parent, which is here too, has reaped its seconds
            continue
        total += spent.user + spent.system + spent.children_user + spent.children_system
    return total
