"""What happened: raw rows, events, users, items, quarantine, and what the kernel is given of them."""

from ltv_features.contract.words import Column, Table

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
        Column("user_id", "string", "normalised: NFC, trimmed, case kept; empty for a visitor"),
        Column("user_key", "int64", "xxhash64 of user_id; 0 for a visitor"),
        Column("visitor_id", "string", "who it was where no customer is said: see LINKS", nullable=True),
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
        Column(
            "objects_to_profiling",
            "bool",
            "the customer refused profiling; null of a source that does not speak of it",
            nullable=True,
        ),
    ),
    key=("user_id", "valid_from", "profile_key"),
)

LINKS = Table(
    "links",
    (
        Column("visitor_id", "string", "a visitor who turned out to be a customer, such as a cookie"),
        Column("user_id", "string", "normalised customer id"),
        Column("user_key", "int64", "xxhash64 of user_id"),
        Column("linked_ts", "timestamp", "from when on it is known, UTC"),
    ),
    key=("visitor_id",),
)

ITEMS = Table(
    "items",
    (
        Column("item_id", "string", "id of the shop"),
        Column("valid_from", "timestamp", "start of validity; 1970-01-01 where the source has no dates"),
        Column("item_no", "int32", "from 1, append-only, in order of first event_ts then item_id; one an item_id"),
        Column("category", "string", "category name", nullable=True),
        Column("category_no", "int32", "append-only number of the category; 0 without"),
        Column("brand", "string", "brand name", nullable=True),
        Column("brand_no", "int32", "append-only number of the brand; 0 without"),
        Column("title", "string", "words for people", nullable=True),
    ),
    key=("item_id", "valid_from"),
)

INGESTED = Table(
    "ingested",
    (
        Column("app", "string", "whose mark it is: job, source, id of its raw table, and of the table of its events"),
        Column("raw_version", "int64", "version of the raw table up to which rows were ingested"),
        Column("mapping", "string", "digest of the mapping that read them"),
    ),
    key=("app",),
)
"""How far a source was ingested where no commit of EVENTS says so: it brought none, or never does."""

QUARANTINE = Table(
    "quarantine",
    (
        Column("source", "string", "name of the source"),
        Column("kind", "string", "what was read in the row: events, users, items or links; of a night, scores"),
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
    Column("known_us", "int64", "when it became known whose event it is, microseconds since 1970 UTC; 0 for at once"),
)
"""What the kernel eats: events joined with the item's numbers, and dated profiles as rows of type 0."""
