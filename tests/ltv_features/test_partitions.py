"""The same bits however the rows are cut and ordered."""

from datetime import timedelta

import pytest
from pyspark.sql import functions as F

from ltv_features.increment import inputs_of
from ltv_features.kept import KEPT_TABLES
from ltv_features.kernel_input import kernel_events_as_of
from ltv_features.session import session_settings
from ltv_features.tables import Lake
from tests.night_shop import FIRST, Shop, rows_of


@pytest.mark.spark
def test_no_order_and_no_partitioning_of_events_moves_a_bit_of_a_state(lake: Lake) -> None:
    shop = Shop(lake)
    same_instant = [shop.event("u1", 0.5, kind) for kind in ("view", "purchase", "refund", "purchase")]
    shop.events(same_instant + [row for night in range(1, 9) for row in shop.some_events(night)])
    as_of = FIRST + timedelta(9)
    events = kernel_events_as_of(lake, as_of, inputs_of(lake).versions).persist()
    for kept in KEPT_TABLES:
        told = set()
        for partitions in (1, 2, 8):
            shuffled = events.repartition(partitions, F.rand(partitions)).sortWithinPartitions(F.rand(partitions + 1))
            with session_settings(lake.spark, {"spark.sql.shuffle.partitions": str(partitions)}):
                told.add("\n".join(rows_of(kept.built(shuffled, as_of))))
        assert len(told) == 1, kept.table.name
        assert len(told.pop().splitlines()) > 1
