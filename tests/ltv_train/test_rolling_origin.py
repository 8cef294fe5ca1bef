"""The back-test rolls its origin: each past origin is trained as if it were today, and judged on what came after it."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs import train
from ltv_features.config import ExampleSettings
from ltv_features.cutoffs import Buyers, value_origins
from ltv_train.latest import latest_run
from tests.network_world import write_world
from tests.train_world import NIGHT, run_of, training_of, write_lake

AS_OF, FIRST, HORIZON = date(2026, 3, 1), date(2024, 3, 1), 90
BUYERS = Buyers.of({FIRST: 500})
FOLD = date(2026, 2, 1)


def test_origins_roll_back_from_the_last_one_whose_outcome_is_known() -> None:
    settings = ExampleSettings()
    *folds, night = value_origins(AS_OF, FIRST, BUYERS, settings, HORIZON)
    assert night.day == AS_OF
    assert [AS_OF - fold.day for fold in folds] == [timedelta(days=days) for days in (90 + 56, 90 + 28, 90)]
    for origin in (*folds, night):
        latest = origin.day - timedelta(days=settings.min_exposure_days)
        assert origin.cutoffs
        assert max(origin.cutoffs) <= latest, "a cut-off has seen outcomes before the origin, none from it on"
    assert all(fold.day + timedelta(days=HORIZON) <= AS_OF for fold in folds), "what came after each is known by now"


def bundles_of(folder: Path, *, later: int) -> dict[str, dict[str, Any]]:
    """Digests of all bundles by origin, trained on a past origin and on a night whose rows follow from `later`."""
    config = write_lake(folder, {NIGHT: [FOLD, NIGHT]}, users=100, steps=4)
    write_world(folder / "lake" / "shards" / str(NIGHT), users=100, seed=later, day=NIGHT)
    train.main(run_of(config))
    made: dict[str, dict[str, Any]] = latest_run(str(training_of(config)))[1]["bundles"]
    return made


@pytest.mark.slow
def test_nothing_of_a_later_origin_reaches_what_is_fitted_at_an_earlier_one(tmp_path: Path) -> None:
    one, other = (bundles_of(tmp_path / str(later), later=later) for later in (2, 9))
    assert one[str(FOLD)] == other[str(FOLD)]
    assert {"lstm", "boosting_g", "anchor"} <= set(one[str(FOLD)])
    assert all(one[str(NIGHT)][name] != other[str(NIGHT)][name] for name in ("lstm", "boosting_g"))
