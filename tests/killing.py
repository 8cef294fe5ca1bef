"""A process that is gone at a commit: what a test arms, and what it must catch."""

from typing import Any

import pytest

from ltv_features.tables import Lake


class Killed(BaseException):
    """The process is gone."""


def arm(monkeypatch: pytest.MonkeyPatch, table: str, *, after: bool) -> None:
    """From now on the first commit to `table` kills, before it is made or as soon as it is."""
    for method in ("replace", "merge", "upsert", "append", "remove"):
        whole = getattr(Lake, method)
        place = 0 if method == "remove" else 1

        def deadly(lake: Lake, *given: Any, whole: Any = whole, place: int = place, **more: Any) -> Any:
            if getattr(given[place], "name", given[place]) != table:
                return whole(lake, *given, **more)
            if after:
                whole(lake, *given, **more)
            raise Killed

        monkeypatch.setattr(Lake, method, deadly)
