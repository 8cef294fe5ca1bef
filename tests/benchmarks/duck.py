"""The user state in DuckDB's SQL: the same rows from the same file, by somebody else's engine."""

import duckdb

from ltv_features.arrow import arrow_schema
from ltv_features.contract import (
    BROWSE_TYPES,
    MAX_BROWSE,
    MAX_LINES,
    MICROS_PER_DAY,
    NEVER_US,
    TYPE_ID,
    USER_STATE,
)
from ltv_features.event_entries import DAY_COUNTS

_SCHEMA = arrow_schema(USER_STATE)
_BUY, _BACK, _REVIEW = (TYPE_ID[name] for name in ("purchase", "refund", "review"))


def states(connection: duckdb.DuckDBPyConnection, source: str, target: str) -> None:
    """Writes the states of the events in the Parquet file `source` to the Parquet file `target`."""
    parts = {
        "types": _listed("types", "type", _types()),
        "orders": _listed("orders", "first_us, order_key", _orders()),
        "days": _listed("days", "day", _days()),
        "lines": _last("lines", f"type = {_BUY}", MAX_LINES),
        "browse": _last("browse", f"type IN ({', '.join(str(TYPE_ID[name]) for name in BROWSE_TYPES)})", MAX_BROWSE),
        "dense": _dense(),
    }
    joins = " ".join(f"LEFT JOIN ({sql}) AS {name} USING (user_key)" for name, sql in parts.items())
    lists = ", ".join(f"coalesce({name}.{name}, []) AS {name}" for name in parts if name != "dense")
    connection.execute(
        f"COPY (WITH e AS MATERIALIZED (SELECT * FROM read_parquet('{source}')), "
        "u AS (SELECT user_key, any_value(user_id) AS user_id FROM e GROUP BY user_key) "
        f"SELECT user_id, user_key, {lists}, hours, weekdays, stars, {-NEVER_US} AS profile_us, "
        f"0::BIGINT AS profile_key, '' AS profile FROM u {joins}) TO '{target}' (FORMAT parquet, COMPRESSION snappy)"
    )


def _struct(name: str) -> str:
    kind = _SCHEMA.field(name).type.value_type
    return "{" + ", ".join(f"'{kind.field(i).name}': {kind.field(i).name}" for i in range(kind.num_fields)) + "}"


def _listed(name: str, order: str, grouped: str) -> str:
    return f"SELECT user_key, list({_struct(name)} ORDER BY {order}) AS {name} FROM ({grouped}) GROUP BY user_key"


def _last(name: str, where: str, limit: int) -> str:
    kind = _SCHEMA.field(name).type.value_type
    rest = sorted({kind.field(i).name for i in range(kind.num_fields)} - {"ts_us", "event_key"})
    order = ", ".join(("ts_us", "event_key", *rest))
    return (
        f"SELECT user_key, list({_struct(name)} ORDER BY {order})[-{limit}:] AS {name} "
        f"FROM e WHERE {where} GROUP BY user_key"
    )


def _types() -> str:
    counts = "count(*)::BIGINT AS n, min(ts_us) AS first_us, max(ts_us) AS last_us"
    return f"SELECT user_key, type, {counts} FROM e GROUP BY user_key, type"


def _orders() -> str:
    def total(what: str, kind: int) -> str:
        return f"coalesce(sum({what}) FILTER (type = {kind}), 0)::BIGINT"

    columns = {
        "first_us": f"coalesce(min(ts_us) FILTER (type = {_BUY}), {NEVER_US})",
        "refund_us": f"coalesce(min(ts_us) FILTER (type = {_BACK}), {NEVER_US})",
        "lines": f"count(*) FILTER (type = {_BUY})",
        "quantity": total("quantity", _BUY),
        "gross_minor": total("amount_minor", _BUY),
        "discount_minor": total("discount_minor", _BUY),
        "refunded_minor": total("amount_minor", _BACK),
    }
    named = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    return f"SELECT user_key, order_key, {named} FROM e WHERE type IN ({_BUY}, {_BACK}) GROUP BY user_key, order_key"


def _days() -> str:
    columns = {name: f"count(*) FILTER (type = {TYPE_ID[kind]})" for name, kind in DAY_COUNTS.items()}
    for name, what, kind in (
        ("gross_minor", "amount_minor", _BUY),
        ("discount_minor", "discount_minor", _BUY),
        ("refunded_minor", "amount_minor", _BACK),
    ):
        columns[name] = f"coalesce(sum({what}) FILTER (type = {kind}), 0)::BIGINT"
    columns["dwell_seconds"] = "sum(dwell_seconds)::BIGINT"
    named = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    return f"SELECT user_key, (ts_us // {MICROS_PER_DAY})::INTEGER AS day, {named} FROM e GROUP BY user_key, day"


def _dense() -> str:
    hour, weekday = f"(ts_us // {MICROS_PER_DAY // 24}) % 24", f"(ts_us // {MICROS_PER_DAY} + 3) % 7"
    counts = {
        "hours": [f"{hour} = {place}" for place in range(24)],
        "weekdays": [f"{weekday} = {place}" for place in range(7)],
        "stars": [f"type = {_REVIEW} AND rating = {place}" for place in range(1, 6)],
    }
    named = ", ".join(
        f"[{', '.join(f'count(*) FILTER ({test})' for test in tests)}] AS {name}" for name, tests in counts.items()
    )
    return f"SELECT user_key, {named} FROM e GROUP BY user_key"
