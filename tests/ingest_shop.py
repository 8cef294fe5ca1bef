"""A shop that delivers files to an empty lake, for tests of ingest."""

import copy
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ltv_features.columns import needed_columns
from ltv_features.config import FeatureConfig
from ltv_features.ingest import ingest
from ltv_features.land import land, look_over
from ltv_features.tables import Lake

DAY = date(2026, 2, 1)
ORDERS: dict[str, Any] = {
    "event_type": "purchase",
    "columns": {"user": "who", "time": "when", "order": "bill", "item": "sku", "amount": "paid"},
}
HEADER = "who,when,bill,sku,paid\n"


class Shop:
    """A lake, a folder of deliveries and a configuration; `deliver` lands a file, `run` ingests and returns hops."""

    def __init__(self, lake: Lake, folder: Path, sources: dict[str, Any], **ingest_settings: Any) -> None:
        self.lake, self.folder = lake, folder
        for name, source in sources.items():
            (folder / name).mkdir(parents=True)
            source |= {"path": str(folder / name), "format": source.get("format", "csv")}
        shop = ingest_settings.pop("shop", {})
        limits = {"max_bad_share": 1.0, **ingest_settings}
        self.settings = FeatureConfig.model_validate(
            {"lake": {"root": lake.root}, "shop": shop, "sources": sources, "ingest": limits}
        )

    def copied(self, lake: Lake, folder: Path) -> "Shop":
        """The same shop with tables and files of its own, in `lake` and `folder`, of which nothing may be there yet."""
        shutil.copytree(self.lake.root, lake.root)
        shutil.copytree(self.folder, folder)
        said = self.settings.model_dump()
        said["lake"]["root"] = lake.root
        for name, source in said["sources"].items():
            source["path"] = str(folder / name)
        other = copy.copy(self)
        other.lake, other.folder, other.settings = lake, folder, FeatureConfig.model_validate(said)
        return other

    def deliver(self, source: str, text: str, landed: datetime = datetime(2026, 1, 31, tzinfo=UTC)) -> None:
        folder = self.folder / source
        (folder / f"{len(list(folder.iterdir()))}.txt").write_text(text)
        sources = self.settings.sources
        landing = look_over(self.lake, source, sources[source], needed=needed_columns(source, sources))
        land(self.lake, landing, landed_ts=landed)

    def run(self, run_id: str = "r") -> dict[str, tuple[int, int, dict[str, int]]]:
        hops = ingest(self.lake, self.settings, as_of=DAY, run_id=run_id)
        return {hop.name: (hop.rows_in, hop.rows_out, {k: v for k, v in hop.accounted.items() if v}) for hop in hops}

    def column(self, table: str, *names: str) -> list[Any]:
        rows = [tuple(row) for row in self.lake.read(table).select(*names).collect()]
        return sorted(rows if len(names) > 1 else [row[0] for row in rows])

    def versions(self) -> dict[str, int | None]:
        return {name: self.lake.version(name) for name in ("events", "users", "items", "quarantine", "ledger")}
