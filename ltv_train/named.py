"""Named periods of the calendar: where the next occurrence lies, seen from a cut-off, and what the anchor says of it.

N users, K named periods. May import: NumPy, anchors. No Spark, no Ray.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from ltv_train.classical.anchors import AT_ORIGIN, Anchors

Floats = npt.NDArray[np.float64]
Window = tuple[float, float]


@dataclass(frozen=True)
class Named:
    """Names, the first day of the occurrence after the origin, and by cut-off number (AT_ORIGIN: the origin) the days
    from there to the beginning and to the end of the next occurrence, one pair a name; (0, 0) where none follows."""

    names: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    windows: Mapping[int, tuple[Window, ...]] = field(default_factory=dict)

    def days(self, cutoff_no: npt.NDArray[np.int32]) -> Floats:
        """[N, K, 2] days to the beginning and to the end."""
        if not self.names:
            return np.zeros((len(cutoff_no), 0, 2))
        numbers, place = np.unique(cutoff_no, return_inverse=True)
        known = [self.windows[int(number)] for number in numbers]
        return np.asarray(known, np.float64).reshape(len(numbers), len(self.names), 2)[place]

    def anchor_values(self, anchors: Anchors, inputs: Floats, cutoff_no: npt.NDArray[np.int32]) -> Floats:
        """[N, K] minor units that the anchor expects within the next occurrence, above 0."""
        if not self.names:
            return np.zeros((len(inputs), 0))
        days = self.days(cutoff_no)
        made = np.zeros(days.shape[:2])
        for k in range(len(self.names)):
            until, before = (anchors.expected_value(inputs, cutoff_no, days[:, k, end]) for end in (1, 0))
            made[:, k] = np.maximum(until - before, 1e-6)
        return made

    def at_origin(self, anchors: Anchors, inputs: Floats) -> Floats:
        """[N, K] the same for users who stand at the origin."""
        return self.anchor_values(anchors, inputs, np.full(len(inputs), AT_ORIGIN, np.int32))

    def to_config(self) -> list[dict[str, Any]]:
        """JSON-able values of what scoring needs."""
        pairs = zip(self.names, self.starts, self.windows.get(AT_ORIGIN, ()), strict=True)
        return [{"name": name, "starts": starts, "days": list(days)} for name, starts, days in pairs]

    @staticmethod
    def from_config(values: Sequence[Mapping[str, Any]]) -> "Named":
        """What `to_config` wrote."""
        days = tuple((float(each["days"][0]), float(each["days"][1])) for each in values)
        names, starts = (tuple(str(each[key]) for each in values) for key in ("name", "starts"))
        return Named(names, starts, {AT_ORIGIN: days})


NO_PERIODS = Named()


def named_of(periods: Sequence[Mapping[str, Any]], origin: str, cutoffs: Sequence[str]) -> Named:
    """From the named periods of a manifest: `starts`, `ends`, and `by_cutoff`, a pair or null for each of `cutoffs`."""
    windows = {AT_ORIGIN: tuple(_window(origin, [each["starts"], each["ends"]]) for each in periods)}
    for number, day in enumerate(cutoffs):
        windows[number] = tuple(_window(day, each["by_cutoff"][number]) for each in periods)
    return Named(tuple(each["name"] for each in periods), tuple(each["starts"] for each in periods), windows)


def _window(day: str, pair: Sequence[str] | None) -> Window:
    if not pair or not pair[0]:
        return 0.0, 0.0
    begins, ends = ((date.fromisoformat(each) - date.fromisoformat(day)).days for each in pair)
    return float(begins), float(ends)
