"""The keystone: every column, event type, unit and length of the system, declared once.

Spark schemas, Arrow schemas, shard layouts and batch shapes follow from the values here. Standard library only, so that
every room may read it. Types are words of a small language (`int64`, `list<T>`, `struct<a:T,b:T>`, `map<K,V>`), read by
`ltv_features.arrow`.
"""

from ltv_features.contract.examples import (
    ANCHOR_INPUTS,
    CATEGORICAL_FIELDS,
    LABEL_FIELDS,
    MAX_BASKET,
    NAMED_LABELS,
    NEXT_LABELS,
    NUMERIC_FIELDS,
    PERIOD_LABELS,
)
from ltv_features.contract.log import (
    EVENTS,
    ITEMS,
    KERNEL_EVENTS,
    QUARANTINE,
    RAW_EXTRA,
    RAW_PREFIX,
    USERS,
)
from ltv_features.contract.night import (
    CONTROLS,
    CRM_EXPORT_TABLE,
    LEDGER,
    MODELS,
    NIGHTS,
    OUTCOMES,
    QUALITY,
    RECOMMENDATIONS,
    crm_export,
    scores,
)
from ltv_features.contract.state import (
    NEVER_US,
    USER_ITEMS,
    USER_STATE,
)
from ltv_features.contract.words import (
    BLOCK_EXAMPLES,
    BROWSE_TYPES,
    EVENT_TYPES,
    LENGTH_BUCKETS,
    MAX_BROWSE,
    MAX_LINES,
    MAX_ORDER_TOKENS,
    MAX_TOKENS,
    MICROS_PER_DAY,
    PROFILE_TYPE_ID,
    SCHEMA_VERSION,
    TYPE_ID,
    Column,
    Table,
)

__all__ = [
    "ANCHOR_INPUTS",
    "BLOCK_EXAMPLES",
    "BROWSE_TYPES",
    "CATEGORICAL_FIELDS",
    "CONTROLS",
    "CRM_EXPORT_TABLE",
    "EVENTS",
    "EVENT_TYPES",
    "ITEMS",
    "KERNEL_EVENTS",
    "LABEL_FIELDS",
    "LEDGER",
    "LENGTH_BUCKETS",
    "MAX_BASKET",
    "MAX_BROWSE",
    "MAX_LINES",
    "MAX_ORDER_TOKENS",
    "MAX_TOKENS",
    "MICROS_PER_DAY",
    "MODELS",
    "NAMED_LABELS",
    "NEVER_US",
    "NEXT_LABELS",
    "NIGHTS",
    "NUMERIC_FIELDS",
    "OUTCOMES",
    "PERIOD_LABELS",
    "PROFILE_TYPE_ID",
    "QUALITY",
    "QUARANTINE",
    "RAW_EXTRA",
    "RAW_PREFIX",
    "RECOMMENDATIONS",
    "SCHEMA_VERSION",
    "TYPE_ID",
    "USERS",
    "USER_ITEMS",
    "USER_STATE",
    "Column",
    "Table",
    "crm_export",
    "scores",
]
