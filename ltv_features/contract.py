"""The keystone: every column, event type, unit and length of the system, declared once.

Spark schemas, Arrow schemas, shard layouts and batch shapes follow from the values here. Standard library only, so that
every room may read it. Types are words of a small language (`int64`, `list<T>`, `struct<a:T,b:T>`, `map<K,V>`), read by
`ltv_features.arrow`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

SCHEMA_VERSION = 1

EVENT_TYPES = (
    "signup",
    "login",
    "view",
    "search",
    "click",
    "add_to_cart",
    "purchase",
    "refund",
    "review",
    "promotion_received",
    "promotion_redeemed",
)
"""Append-only: a type's id is its place here plus one; 0 is padding in tokens, a profile row in the kernel's input."""

TYPE_ID = {name: number for number, name in enumerate(EVENT_TYPES, start=1)}
PROFILE_TYPE_ID = 0
BROWSE_TYPES = tuple(name for name in EVENT_TYPES if name not in ("purchase", "refund"))

MICROS_PER_DAY = 86_400_000_000
MAX_ORDER_TOKENS = 128
MAX_LINES = 256
MAX_BROWSE = 256
LENGTH_BUCKETS = (8, 16, 32, 64, 128, 256)
MAX_TOKENS = LENGTH_BUCKETS[-1]
BLOCK_EXAMPLES = 64
"""Examples in one Parquet row of a shard; the last block of a file is filled with weight 0."""


@dataclass(frozen=True)
class Column:
    """A column: its name (unit in the name), type word, meaning; `nullable` says whether a missing value is legal."""

    name: str
    type: str
    meaning: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """A Delta table of the lake: columns in order, the key that is unique in it, and the partition columns."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(column.name for column in self.columns)


RAW_PREFIX = "raw_"
RAW_EXTRA = (
    Column("_file_sha256", "string", "digest of the delivered file"),
    Column("_row_number", "int64", "position of the row in its file, from 0"),
    Column("_landed_ts", "timestamp", "when the file was landed"),
)
"""Appended by `land_files` to the columns of a source; the source's own columns keep their names."""

EVENTS = Table(
    "events",
    (
        Column("source", "string", "name of the source in the configuration"),
        Column("event_id", "string", "unique within its source"),
        Column("event_key", "int64", "xxhash64 of source and event_id; breaks ties of event_ts"),
        Column("user_id", "string", "normalised: NFC, trimmed, case kept"),
        Column("user_key", "int64", "xxhash64 of user_id"),
        Column("event_type", "string", "one of EVENT_TYPES"),
        Column("event_ts", "timestamp", "when it happened, UTC"),
        Column("event_month", "string", "YYYY-MM of event_ts"),
        Column("landed_ts", "timestamp", "when the row was landed"),
        Column("order_id", "string", "the order of a purchase or refund line", nullable=True),
        Column("order_key", "int64", "xxhash64 of order_id, or of user and event_ts without one; 0 if no order"),
        Column("item_id", "string", "item of the line or browse event", nullable=True),
        Column("quantity", "int64", "units on the line; 0 where it has no meaning"),
        Column(
            "amount_minor",
            "int64",
            "paid or refunded for the line, never negative, in minor units",
        ),
        Column("discount_minor", "int64", "reduction already taken off amount_minor, never negative"),
        Column("currency", "string", "original currency", nullable=True),
        Column("rating", "int32", "stars of a review, 1 to 5; 0 without"),
        Column("dwell_seconds", "int64", "time spent on a page; 0 without"),
        Column("promotion_id", "string", "campaign of a promotion event", nullable=True),
    ),
    key=("source", "event_id"),
    partition_by=("event_month",),
)

USERS = Table(
    "users",
    (
        Column("user_id", "string", "normalised customer id"),
        Column("user_key", "int64", "xxhash64 of user_id"),
        Column("valid_from", "timestamp", "start of validity; 1970-01-01 where the source has no dates"),
        Column("profile", "string", "attributes as JSON with sorted keys; sensitive ones only where configured"),
        Column("profile_key", "int64", "xxhash64 of profile; breaks ties of valid_from"),
        Column("dated", "bool", "the source stated valid_from (a dated profile makes a user known)"),
        Column("objects_to_profiling", "bool", "the customer refused profiling; read at its latest version"),
    ),
    key=("user_id", "valid_from", "profile_key"),
)

ITEMS = Table(
    "items",
    (
        Column("item_id", "string", "id of the shop"),
        Column("item_no", "int32", "from 1, append-only, in order of first event_ts then item_id"),
        Column("category", "string", "category name", nullable=True),
        Column("category_no", "int32", "append-only number of the category; 0 without"),
        Column("brand", "string", "brand name", nullable=True),
        Column("brand_no", "int32", "append-only number of the brand; 0 without"),
        Column("title", "string", "words for people", nullable=True),
    ),
    key=("item_id",),
)

QUARANTINE = Table(
    "quarantine",
    (
        Column("source", "string", "name of the source"),
        Column("raw_version", "int64", "version of the raw table that brought the row"),
        Column("file_sha256", "string", "digest of the delivered file"),
        Column("row_number", "int64", "position in its file"),
        Column("reason", "string", "id of the first rule that refused the row"),
        Column("rules", "list<string>", "ids of all rules that refused it"),
        Column("raw", "string", "the row as JSON text, cut at 4,096 characters"),
    ),
)

KERNEL_EVENTS = (
    Column("user_id", "string", "normalised customer id"),
    Column("user_key", "int64", "xxhash64 of user_id"),
    Column("ts_us", "int64", "event time, microseconds since 1970 UTC; of a profile row its valid_from"),
    Column("event_key", "int64", "tie-breaker of ts_us; of a profile row its profile_key"),
    Column("type", "int8", "id of the event type; PROFILE_TYPE_ID marks a profile row"),
    Column("order_key", "int64", "order of a purchase or refund; else 0"),
    Column("item_no", "int32", "0 without item"),
    Column("category_no", "int32", "0 without"),
    Column("brand_no", "int32", "0 without"),
    Column("quantity", "int64", "units"),
    Column("amount_minor", "int64", "paid or refunded, never negative"),
    Column("discount_minor", "int64", "never negative"),
    Column("rating", "int32", "0 without"),
    Column("dwell_seconds", "int64", "0 without"),
    Column("profile", "string", "JSON of a profile row", nullable=True),
)
"""What the kernel eats: events joined with the item's numbers, and dated profiles as rows of type 0."""

_ORDER = (
    "struct<first_us:int64,order_key:int64,refund_us:int64,lines:int64,quantity:int64,"
    "gross_minor:int64,discount_minor:int64,refunded_minor:int64>"
)
_DAY = (
    "struct<day:int32,lines:int64,gross_minor:int64,discount_minor:int64,refunded_minor:int64,"
    "refunds:int64,views:int64,searches:int64,clicks:int64,carts:int64,logins:int64,reviews:int64,"
    "promotions_received:int64,promotions_redeemed:int64,dwell_seconds:int64>"
)
_LINE = (
    "struct<ts_us:int64,event_key:int64,order_key:int64,item_no:int32,category_no:int32,brand_no:int32,"
    "quantity:int64,amount_minor:int64,discount_minor:int64>"
)
_BROWSE = (
    "struct<ts_us:int64,event_key:int64,type:int8,item_no:int32,category_no:int32,brand_no:int32,"
    "rating:int32,dwell_seconds:int64>"
)

USER_STATE = Table(
    "user_state",
    (
        Column("user_id", "string", "normalised customer id"),
        Column("user_key", "int64", "xxhash64 of user_id"),
        Column(
            "types", "list<struct<type:int8,n:int64,first_us:int64,last_us:int64>>", "by event type, sorted by type"
        ),
        Column(
            "orders",
            f"list<{_ORDER}>",
            "one an order, sorted by (first_us, order_key); NEVER_US: no such line",
        ),
        Column("days", f"list<{_DAY}>", "one entry an active UTC day, sorted by day (days since 1970)"),
        Column("lines", f"list<{_LINE}>", "the last MAX_LINES purchase lines, oldest first"),
        Column("browse", f"list<{_BROWSE}>", "the last MAX_BROWSE events of BROWSE_TYPES, oldest first"),
        Column("hours", "list<int64>", "events (no profiles) by hour of day, 24 counts"),
        Column("weekdays", "list<int64>", "events by weekday, Monday first, 7 counts"),
        Column("stars", "list<int64>", "reviews by stars 1 to 5, 5 counts"),
        Column("profile_us", "int64", "valid_from of the profile; NEVER_US without one"),
        Column("profile_key", "int64", "tie-breaker of the profile"),
        Column("profile", "string", "latest profile by (profile_us, profile_key); empty without one"),
    ),
    key=("user_id",),
)
NEVER_US = 9_223_372_036_854_775_807
"""Stands for 'no such time' inside a state: neutral for min; its negative for profile_us, neutral for max."""

USER_ITEMS = Table(
    "user_items",
    (
        Column("user_id", "string", "normalised customer id"),
        Column("user_key", "int64", "xxhash64 of user_id"),
        Column("item_no", "int32", "number of the item"),
        Column(
            "orders",
            "list<struct<first_us:int64,order_key:int64>>",
            "orders with this item, each once, by (first_us, order_key)",
        ),
        Column("quantity", "int64", "units bought"),
        Column("amount_minor", "int64", "paid for the item"),
    ),
    key=("user_id", "item_no"),
)

ANCHOR_INPUTS = ("orders", "repeat_orders", "last_order_age_days", "age_days", "mean_order_minor")
"""float64 raw inputs of the classical anchor: orders so far; those after the first; time from first to last order; time
from first order to the cut-off; mean gross value of an order, the first one counted, in minor units."""

CATEGORICAL_FIELDS = ("event_type", "item_no", "category_no", "brand_no", "hour", "weekday")
"""int32 token fields; 0 is padding; hour is 1 to 24, weekday 1 (Monday) to 7."""
NUMERIC_FIELDS = (
    "amount_minor",
    "discount_minor",
    "lines",
    "quantity",
    "gap_days",
    "age_days",
    "rating",
    "dwell_seconds",
)
"""float32 token fields, unscaled; gap_days since the token before (0 for the first), age_days up to as_of."""
LABEL_FIELDS = ("spend_minor", "orders", "purchased", "active", "mask", "exposure")
"""float32 labels by period: net spend, orders, any purchase, any activity (all within the observed part of the period),
1 where some part of the period is mature, and the share of the period that is mature."""
MAX_BASKET = 64
"""Most target items of a next-basket example; the rest of a larger basket are counted in `target_size`."""


def scores(horizons_days: Sequence[int]) -> Table:
    """The `scores` table for the configured cumulative horizons: one row for each eligible user and night."""
    by_horizon = [
        ("pltv_{}", "float64", "expected net spend in the next {} days, currency units"),
        ("pltv_{}_p50", "float64", "median of the net spend in the next {} days, currency units"),
        ("p_purchase_{}", "float64", "probability of a purchase in the next {} days"),
        ("p_churn_{}", "float64", "1 - p_purchase_{} unless churn is defined by activity"),
    ]
    columns = [Column("user_id", "string", "normalised customer id"), Column("as_of", "date", "the night")]
    for name, kind, meaning in by_horizon:
        columns += [Column(name.format(h), kind, meaning.format(h)) for h in horizons_days]
    columns += [
        Column("value_decile", "int32", "1 = best tenth by the longest horizon's pltv"),
        Column("value_tier", "string", "high, middle or low"),
        Column("score_source", "string", "model, model_through_anchor, segment_mean or fallback"),
        Column("model_digest", "string", "digest of the bundle that spoke"),
        Column("input_digest", "string", "digest of everything this night was computed from"),
    ]
    return Table("scores", tuple(columns), key=("user_id", "as_of"), partition_by=("as_of",))


RECOMMENDATIONS = Table(
    "recommendations",
    (
        Column("user_id", "string", "normalised customer id"),
        Column("as_of", "date", "the night"),
        Column(
            "items",
            "list<struct<item_id:string,score:float64,reason:string>>",
            "best first; reason: bought_before, popular or similar",
        ),
        Column("model_digest", "string", "digest of the recommender bundle"),
    ),
    key=("user_id", "as_of"),
    partition_by=("as_of",),
)

NIGHTS = Table(
    "nights",
    (
        Column("as_of", "date", "the night"),
        Column(
            "table_versions", "map<string,int64>", "Delta version of every table the night was read from or written to"
        ),
        Column("model_digest", "string", "bundle that scored"),
        Column("recommender_digest", "string", "bundle that recommended; empty without items"),
        Column("input_digest", "string", "digest of all inputs"),
        Column("eligible_users", "int64", "rows in scores"),
        Column("run_id", "string", "for logs"),
    ),
    key=("as_of",),
)

MODELS = Table(
    "models",
    (
        Column("as_of", "date", "the model may serve nights from this date on"),
        Column("purpose", "string", "value or recommender"),
        Column("bundle", "string", "folder below the lake root"),
        Column("digest", "string", "digest of the bundle"),
        Column("name", "string", "which candidate: blend, lstm, boosting, anchor, ..."),
        Column("grade", "string", "back-test grade A, B, C or U"),
        Column("report", "string", "path of the HTML report below the lake root; empty without"),
        Column("reason", "string", "why it was promoted"),
        Column("input_digest", "string", "digest of what the choice was made from"),
        Column("run_id", "string", "for logs"),
    ),
    key=("as_of", "purpose", "input_digest"),
)

LEDGER = Table(
    "ledger",
    (
        Column("job", "string", "which job"),
        Column("as_of", "date", "the night"),
        Column("input_digest", "string", "digest of the inputs of the job"),
        Column("hop", "string", "which arrow inside the job"),
        Column("rows_in", "int64", "rows read"),
        Column("rows_out", "int64", "rows written"),
        Column("accounted", "map<string,int64>", "rows that ended elsewhere, by reason"),
        Column("run_id", "string", "for logs"),
    ),
    key=("job", "as_of", "input_digest", "hop"),
)

OUTCOMES = Table(
    "outcomes",
    (
        Column("user_id", "string", "normalised customer id"),
        Column("as_of", "date", "the scored night"),
        Column("candidate", "string", "published, or the name of a refitted candidate or baseline"),
        Column("horizon_days", "int32", "the horizon, matured"),
        Column("pltv", "float64", "predicted mean, currency units"),
        Column("pltv_p50", "float64", "predicted median, currency units"),
        Column("p_purchase", "float64", "predicted probability of a purchase"),
        Column("spend", "float64", "what happened: net spend, currency units"),
        Column("purchased", "bool", "what happened: any purchase"),
    ),
    key=("user_id", "as_of", "candidate", "horizon_days"),
    partition_by=("as_of",),
)

CRM_EXPORT_TABLE = "crm_export"


def crm_export(horizons_days: Sequence[int]) -> Table:
    """The rows that leave the building: one customer of one night, without customers on the suppression list."""
    score_columns = [c for c in scores(horizons_days).columns if c.name not in ("input_digest",)]
    extra = [
        Column("currency", "string", "reporting currency of the pltv columns"),
        Column("op", "string", "upsert, clear or delete"),
        Column("row_key", "string", "idempotency key: hash of destination, customer, night, schema version"),
        Column("top_items", "list<string>", "best items first", nullable=True),
    ]
    return Table(CRM_EXPORT_TABLE, tuple(score_columns + extra), key=("user_id", "as_of"), partition_by=("as_of",))
