"""What the recommender knows at an origin beside its examples: every user's items, and how each item sells."""

from collections.abc import Mapping
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features import features, files
from ltv_features.as_of import items_as_of
from ltv_features.contract import ITEMS, TYPE_ID
from ltv_features.cutoffs import midnight_us
from ltv_features.example_plan import ExamplePlan
from ltv_features.tables import Lake

ITEM_WINDOWS_DAYS = (30, 90)
ITEM_COLUMNS = ("item_no", "item_id", "category_no", "brand_no", "buyers", "orders", "orders_30", "orders_90")


def write(events: DataFrame, lake: Lake, plan: ExamplePlan, root: str, versions: Mapping[str, int]) -> None:
    """Writes `user_items.parquet` and `items.parquet` of every origin, as part files that `shards.finish` joins."""
    for origin in plan.origins:
        folder = files.join(root, plan.kind, origin.day.isoformat())
        known = events.where(F.greatest("ts_us", "known_us") < F.lit(midnight_us(origin.day)))
        items = features.user_items(known, origin.day)
        items.write.mode("overwrite").parquet(files.join(folder, "user_items.parquet"))
        attributes = items_as_of(lake, origin.day, versions[ITEMS.name])
        sold = item_statistics(known, origin.day).join(attributes, on="item_no", how="inner")
        rows = sold.select(*ITEM_COLUMNS).coalesce(1).sortWithinPartitions("item_no")
        rows.write.mode("overwrite").parquet(files.join(folder, "items.parquet"))


def item_statistics(events: DataFrame, origin: date) -> DataFrame:
    """item_no, buyers, orders, orders_30, orders_90: distinct users and orders with the item, all and lately."""
    bought = events.where((F.col("type") == F.lit(TYPE_ID["purchase"])) & (F.col("item_no") > F.lit(0)))
    lately = []
    for days in ITEM_WINDOWS_DAYS:
        start_us = midnight_us(origin - timedelta(days=days))
        order = F.when(F.col("first_us") >= F.lit(start_us), F.lit(1)).otherwise(F.lit(0))
        lately.append(F.sum(order).cast("int").alias(f"orders_{days}"))
    orders = bought.groupBy("item_no", "user_key", "order_key").agg(F.min("ts_us").alias("first_us"))
    buyers = F.count_distinct("user_key").cast("int").alias("buyers")
    return orders.groupBy("item_no").agg(buyers, F.count("*").cast("int").alias("orders"), *lately)
