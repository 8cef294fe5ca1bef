"""A source's own columns as one struct, so that a shop's `user_id` or `quantity` cannot clash with ours.

A mapped name may be a path into a column, `order.lines[0].sku`: what it leads to stands beside, in `_nested`.
"""

import re
from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ltv_features.columns import root_of
from ltv_features.composed import COMPOSED, with_composed_ids
from ltv_features.contract import RAW_EXTRA
from ltv_features.delivery import CORRUPT
from ltv_features.errors import ContractBroken
from ltv_features.parsing import quoted


def packed(raw: DataFrame, mapped: Iterable[str] = (), ids: Iterable[str | None] = ()) -> DataFrame:
    """Own columns as `_own`, what `mapped` paths lead to as `_nested`, beside `_corrupt` and RAW_EXTRA; ids in NFC.

    `_composed` says of a row that its ids were not in NFC before.
    """
    extra = [column.name for column in RAW_EXTRA]
    rows = with_composed_ids(_unfolded(raw, mapped), ids)
    own = [name for name in raw.columns if name not in (*extra, CORRUPT)]
    nested = [name for name in rows.columns if name not in (*raw.columns, COMPOSED)]
    corrupt = F.col(CORRUPT) if CORRUPT in raw.columns else F.lit(None).cast("string")
    structs = [
        F.struct(*map(quoted, names)).alias(group) for group, names in (("_own", own), ("_nested", nested)) if names
    ]
    return rows.select(*structs, corrupt.alias(CORRUPT), COMPOSED, *extra)


def _unfolded(raw: DataFrame, mapped: Iterable[str]) -> DataFrame:
    """One more column for each path into JSON text or a struct; a column that bears the whole name comes first."""
    kinds = {field.name: field.dataType for field in raw.schema}
    paths = {name: root_of(name) for name in mapped if name not in kinds and root_of(name) in kinds}
    made = {}
    for path, root in sorted(paths.items()):
        rest = path[len(root) :]
        is_text = isinstance(kinds[root], T.StringType)
        made[path] = F.get_json_object(F.col(quoted(root)), f"${rest}") if is_text else _inside(path, root, kinds[root])
    return raw.withColumns(made) if made else raw


def _inside(path: str, root: str, kind: T.DataType) -> Column:
    """What a path into a struct leads to. Raises ContractBroken, with the names there are, where it leads nowhere."""
    column = F.col(quoted(root))
    for name, place in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", path[len(root) :]):
        if place and isinstance(kind, T.ArrayType):
            column, kind = F.try_element_at(column, F.lit(int(place) + 1)), kind.elementType
        elif name and isinstance(kind, T.StructType) and name in kind.names:
            column, kind = column.getField(name), kind[name].dataType
        else:
            there = ", ".join(kind.names) if isinstance(kind, T.StructType) else kind.simpleString()
            raise ContractBroken(
                f"mapped path {path!r}: expected {name or f'[{place}]'!r} inside, actual {there}; next: correct the "
                "path in the configuration"
            )
    return column
