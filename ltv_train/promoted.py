"""Notes of promotions beside the lake's tables, for those who may not read `models`: training opens no table.

One small file a promotion day, <lake>/promoted/<purpose>/<as_of>.json, written right after the row in `models`, which
stays the truth. May import: files. No Spark, no model.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from ltv_features import files

_KEPT = ("purpose", "bundle", "digest", "name")


def note(root: str, row: Mapping[str, Any]) -> None:
    """Says that the bundle of a row of `models` serves from its as_of on; a later word on the same day replaces it."""
    told = {name: row[name] for name in _KEPT} | {"as_of": row["as_of"].isoformat()}
    files.write_json(files.join(root, "promoted", row["purpose"], f"{told['as_of']}.json"), told)


def noted_before(root: str, as_of: date, purpose: str) -> dict[str, Any] | None:
    """The newest note of a day before `as_of`, so that no night starts from a model that came after it; or None."""
    folder = files.join(root, "promoted", purpose)
    days = [name.removesuffix(".json") for name in files.list_files(folder)]
    earlier = [day for day in days if day < as_of.isoformat()]
    return dict(files.read_json(files.join(folder, f"{max(earlier)}.json"))) if earlier else None
