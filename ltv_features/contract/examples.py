"""What a model sees of a user, and what it is to say: the fields of tokens and labels."""

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
PERIOD_LABELS = ("gross_minor",)
"""float64 by period, kept for those who want them: spend before refunds."""
NEXT_LABELS = ("next_purchase_days", "next_purchase_seen", "next_order_minor")
"""float64, one each: days to the next purchase, or to the end of what was observed within the longest horizon where
none was seen (censored); 1 where it was seen; gross value of that order within the same window, 0 without one."""
NAMED_LABELS = ("named_spend_minor", "named_purchased", "named_mask")
"""float64 by named period of the calendar, its next occurrence after the cut-off: net spend, any purchase, and 1 where
the occurrence is mature as a whole."""
MAX_BASKET = 64
"""Most target items of a next-basket example; the rest of a larger basket are counted in `target_size`."""
