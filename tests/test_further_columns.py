"""A shop that calls a customer lost who does nothing at all, and names a fair: its night, from files to the export."""

from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ltv_train.bundle import load
from tests.test_end_to_end import DELIVER, LEARN, PREPARE, night
from tests.tiny_world import AS_OF, write_shop

pytestmark = [pytest.mark.spark, pytest.mark.slow]

FAIRS = (AS_OF - timedelta(days=30), AS_OF + timedelta(days=10))
SAYS = f"""horizons_days = [14, 28]
churn = "no_activity"

[shop.named_periods.fair]
on = ["{FAIRS[0]}", "{FAIRS[1]}"]
days = 7
"""


def test_a_night_with_churn_by_activity_and_a_named_period(spark: SparkSession, tmp_path: Path) -> None:
    config = write_shop(tmp_path)
    config.write_text(config.read_text().replace("horizons_days = [14, 28]\n", SAYS))
    lake = night(spark, config, PREPARE + LEARN + DELIVER)
    rows = lake.read("scores").collect()
    assert len(rows) == lake.read("user_state").count()
    said = [row for row in rows if row.score_source == "model"]
    assert len(said) > 50
    for row in said:
        assert 0 <= row.pltv_28_low <= row.pltv_28_p50 <= row.pltv_28_high
        assert row.pltv_14_high <= row.pltv_28_high
        assert row.p_churn_28 <= 1 - row.p_purchase_28 + 1e-12
        assert row.pltv_fair >= 0
        assert 0 < row.p_purchase_fair < 1
        assert row.expected_next_order_value > 0
        assert (row.expected_next_order_days is None) == (row.p_purchase_28 < 0.5)
    assert any(row.p_churn_28 < 0.99 - row.p_purchase_28 for row in said)
    served = lake.read("models").where("purpose = 'value'").first()
    bundle = load(Path(lake.root, served.bundle))
    assert [each["name"] for each in bundle.config["named"]] == ["fair"]
    assert "conformal" in bundle.config
    exported = lake.read("crm_export").first().asDict()
    assert {"pltv_28_low", "pltv_28_high", "p_purchase_fair", "expected_next_order_days"} <= set(exported)
