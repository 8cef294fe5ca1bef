"""Which columns of a source the configuration speaks of, and the one message when a file or table lacks them."""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from ltv_features.config import Rates
from ltv_features.errors import ContractBroken
from ltv_features.sources import SourceSettings


def needed_columns(name: str, sources: Mapping[str, SourceSettings], rates: Rates | None = None) -> list[str]:
    """The columns that the files of a source must have: those it maps itself and those that others look up in it."""
    source = sources[name]
    lookup = source.lookup
    brought = set(lookup.columns) if lookup else set()
    own = [column for column in mapped_columns(source) if column not in brought] + list(lookup.on if lookup else ())
    for other in sources.values():
        if other.lookup and other.lookup.source == name:
            own += [*other.lookup.on.values(), *other.lookup.columns]
    if rates and rates.source == name:
        own += [rates.currency, rates.day, rates.rate]
    return list(dict.fromkeys(own))


def require_columns(needed: Iterable[str], actual: Iterable[str], *, where: str) -> None:
    """Nothing when all are there, of a path its column. Raises ContractBroken with both lists and the nearest names."""
    present = list(actual)
    missing = [column for column in needed if column not in present and root_of(column) not in present]
    if not missing:
        return
    hints = []
    for column in missing:
        near = difflib.get_close_matches(column, present, n=1, cutoff=0.5)
        hints.append(f"{column!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
    raise ContractBroken(
        f"{where}: expected columns {', '.join(hints)}, actual columns: {', '.join(present)}; next: correct the "
        "names in the configuration, or the delimiter of the source"
    )


def with_optional_keys(
    columns: Sequence[str], needed: Iterable[str], source: SourceSettings, known: Collection[str]
) -> tuple[str, ...]:
    """Of JSON lines the columns, and mapped keys that none of these lines says but that are `known` of others.

    JSON leaves out what is null. Keys without which a row says nothing must be there; so must those that nobody ever
    said, which are slips of the pen.
    """
    keys = _keys(source)
    absent = [name for name in needed if name not in columns and root_of(name) not in columns and name not in keys]
    said = [name if name in known else root_of(name) for name in absent]
    return (*columns, *dict.fromkeys(name for name in said if name in known))


def _keys(source: SourceSettings) -> set[str]:
    """The mapped columns without which a row says nothing."""
    keys: set[str] = set()
    if source.events:
        keys |= {source.events.columns.user, source.events.columns.time}
    if source.users:
        keys |= {source.users.user, source.users.valid_from}
    if source.items:
        keys |= {source.items.item, source.items.valid_from}
    if source.links:
        keys |= {source.links.visitor, source.links.user, source.links.time}
    return keys


def root_of(name: str) -> str:
    """The column that a path into JSON or a struct begins with: `order` of `order.lines[0].sku`."""
    return re.split(r"[.\[]", name, maxsplit=1)[0]


def mapped_columns(source: SourceSettings) -> list[str]:
    """Columns named by the mappings, lookup columns included, each once."""
    named: list[str | None] = []
    if source.events:
        columns = source.events.columns.model_dump()
        named += [*columns.pop("discounts"), *columns.values()]
    if source.users:
        users = source.users
        named += [users.user, None if users.valid_from == "always" else users.valid_from, users.objects_to_profiling]
        named += [*users.attributes, *users.sensitive]
    if source.items:
        things = source.items
        named += [things.item, things.category, things.brand, things.title]
        named += [None if things.valid_from == "always" else things.valid_from]
    if source.links:
        named += [source.links.visitor, source.links.user, source.links.time]
    return list(dict.fromkeys(column for column in named if column))
