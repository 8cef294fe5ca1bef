"""What a night leaves behind: scores, recommendations, promotions, accounts, outcomes, and what leaves the building."""

from collections.abc import Sequence

from ltv_features.contract.words import Column, Table

LOW, HIGH = 0.1, 0.9
"""The quantiles at the ends of the published interval, which is to hold 80 % of what happens."""


def scores(horizons_days: Sequence[int], named: Sequence[str] = ()) -> Table:
    """The `scores` table for the configured cumulative horizons and named periods: one row an eligible user and night.

    Of the numbers only those are nullable of which nothing may be known; see `may_be_missing`.
    """
    by_horizon = [
        ("pltv_{}", "float64", "expected net spend in the next {} days, currency units"),
        ("pltv_{}_p50", "float64", "median of the net spend in the next {} days, currency units"),
        (
            "pltv_{}_low",
            "float64",
            "lower end of the 80 % interval of the net spend in the next {} days, currency units",
        ),
        (
            "pltv_{}_high",
            "float64",
            "upper end of the 80 % interval of the net spend in the next {} days, currency units",
        ),
        ("p_purchase_{}", "float64", "probability of a purchase in the next {} days"),
        ("p_churn_{}", "float64", "1 - p_purchase_{} unless churn is defined by activity"),
    ]
    columns = [Column("user_id", "string", "normalised customer id"), Column("as_of", "date", "the night")]
    for name, kind, meaning in by_horizon:
        columns += [Column(name.format(h), kind, meaning.format(h)) for h in horizons_days]
    of_named = [
        (
            "pltv_{}",
            "expected net spend in the next {}, currency units; missing once it began or without an order",
        ),
        (
            "p_purchase_{}",
            "probability of a purchase in the next {}; missing once it began or without an order",
        ),
    ]
    for name, meaning in of_named:
        columns += [Column(name.format(each), "float64", meaning.format(each), nullable=True) for each in named]
    columns += [
        Column(
            "expected_next_order_days",
            "float64",
            "days until an order is as likely as not; missing where that lies beyond the longest horizon",
            nullable=True,
        ),
        Column(
            "expected_next_order_value",
            "float64",
            "expected gross value of the next order, currency units; missing for users without an order",
            nullable=True,
        ),
        Column("pltv_discounted", "float64", "the longest horizon's pltv, discounted by period, currency units"),
        Column("simple_ltv", "float64", "mean profit an order x orders a year x lifetime years, currency units"),
        Column("value_decile", "int32", "1 = best tenth by the longest horizon's pltv"),
        Column("value_tier", "string", "high, middle or low"),
        Column("score_source", "string", "model, model_through_anchor, segment_mean or fallback"),
        Column("model_digest", "string", "digest of the bundle that spoke"),
        Column("input_digest", "string", "digest of everything this night was computed from"),
    ]
    return Table("scores", tuple(columns), key=("user_id", "as_of"), partition_by=("as_of",))


def may_be_missing(name: str) -> bool:
    """Whether a number of a score may be null: about the next order, or about a named period.

    >>> [may_be_missing(n) for n in ("pltv_30", "pltv_30_low", "pltv_discounted", "pltv_xmas", "p_purchase_xmas")]
    [False, False, False, True, True]
    """
    if name == "pltv_discounted":
        return False
    about = name.removeprefix("pltv_").removeprefix("p_purchase_")
    return name.startswith("expected_next_order_") or (about != name and not about[0].isdigit())


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
        Column("promotion_no", "int64", "rises from promotion to promotion; of one date the last one serves"),
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

QUALITY = Table(
    "quality",
    (
        Column("source", "string", "name of the source"),
        Column("kind", "string", "what was read in its rows: events, users, items or links"),
        Column("as_of", "date", "the night that ingested the delivery"),
        Column("raw_version", "int64", "version of the raw table up to which rows were read"),
        Column("rows_in", "int64", "new rows; 0 where the source brought none that night"),
        Column("kept", "int64", "rows that became events, profiles or items"),
        Column("duplicates", "int64", "rows that were known already"),
        Column("quarantined", "int64", "refused rows"),
        Column("anonymous", "int64", "rows without a customer"),
        Column("refused", "map<string,int64>", "refused rows by their first reason"),
        Column("noted", "map<string,int64>", "kept rows by what is worth a note: filled, capped"),
        Column("validity", "float64", "share of rows with a customer that no error refused"),
        Column("uniqueness", "float64", "share of good rows that were not known already"),
        Column("completeness", "map<string,float64>", "by fact: share of the kept events of types with it that say it"),
        Column("oldest_ts", "timestamp", "first time among kept rows", nullable=True),
        Column("newest_ts", "timestamp", "last time among kept rows", nullable=True),
        Column("age_days", "float64", "days from the source's newest event ever to the night", nullable=True),
        Column(
            "usual_rows",
            "float64",
            "median of the source's rows a night over its nights with rows in the 7 days before; missing without one",
            nullable=True,
        ),
        Column("problems", "list<string>", "what is worth a look, in words; empty when nothing is"),
        Column("input_digest", "string", "digest of the inputs of the run; its rows of `ledger` bear it too"),
    ),
    key=("source", "kind", "as_of", "raw_version"),
)

CONTROLS = Table(
    "controls",
    (
        Column("as_of", "date", "the night it is about"),
        Column("control_no", "int64", "rises from row to row; the last one about a thing counts"),
        Column("what", "string", "what is held or released: night, or ingest/<source>"),
        Column("action", "string", "hold or release"),
        Column("reason", "string", "why, in a person's words"),
        Column("who", "string", "name of the account that wrote it"),
        Column("written_ts", "timestamp", "when"),
    ),
    key=("control_no",),
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


def crm_export(horizons_days: Sequence[int], named: Sequence[str] = ()) -> Table:
    """The rows that leave the building: one customer of one night, without customers on the suppression list."""
    score_columns = [c for c in scores(horizons_days, named).columns if c.name not in ("input_digest",)]
    extra = [
        Column("currency", "string", "reporting currency of the pltv columns"),
        Column("op", "string", "upsert, clear or delete"),
        Column("row_key", "string", "idempotency key: hash of destination, customer, night, schema version"),
        Column("top_items", "list<string>", "best items first", nullable=True),
    ]
    return Table(CRM_EXPORT_TABLE, tuple(score_columns + extra), key=("user_id", "as_of"), partition_by=("as_of",))
