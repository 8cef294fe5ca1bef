"""What is known of a user as of a date."""

from ltv_features.contract.words import Column, Table

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
