"""A process that is gone at a commit: what a test arms, and what it must catch."""

from typing import Any

import pytest

from ltv_features.tables import Lake


class Killed(BaseException):
    """The process is gone."""


def arm(monkeypatch: pytest.MonkeyPatch, table: str, *, after: bool) -> None:
    """From now on the first commit to `table` kills, before it is made or as soon as it is."""
    for method in ("replace", "merge", "upsert", "append"):
        whole = getattr(Lake, method)

        def deadly(lake: Lake, rows: Any, name: Any, *rest: Any, whole: Any = whole, **more: Any) -> Any:
            if getattr(name, "name", name) != table:
                return whole(lake, rows, name, *rest, **more)
            if after:
                whole(lake, rows, name, *rest, **more)
            raise Killed

        monkeypatch.setattr(Lake, method, deadly)
