"""The unit of every amount in a lake, fixed by its first ingest: another one later would scale all money in silence."""

from typing import Any

from ltv_features import files
from ltv_features.config import ShopSettings
from ltv_features.errors import ContractBroken

_FILE = "unit.json"


def fix_unit(root: str, shop: ShopSettings) -> None:
    """Notes currency and minor digits below the lake root, once."""
    place = files.join(root, _FILE)
    if not files.exists(place):
        files.write_json(place, _said(shop))


def hold_unit(root: str, shop: ShopSettings) -> None:
    """Nothing where the settings agree with the lake, or it has none yet. Raises ContractBroken where they differ."""
    place = files.join(root, _FILE)
    if files.exists(place) and (known := files.read_json(place)) != _said(shop):
        raise ContractBroken(
            f"lake {root}: expected amounts in {_said(shop)} as [shop] says, actual {known} since the first ingest; "
            "next: restore [shop], or ingest into a lake of its own"
        )


def _said(shop: ShopSettings) -> dict[str, Any]:
    return {"currency": shop.currency, "minor_digits": shop.minor_digits}
