"""What `[train]` says of missing numbers and outliers is what the encoding of a run is fitted with."""

import numpy as np
import pytest

from ltv_features.aggregates import NAMES, UNITS
from ltv_features.blocks import TOKEN_TYPES
from ltv_train.config import TrainSettings
from ltv_train.origin_work import fitter_of

RATIO = UNITS.index("ratio")


@pytest.mark.parametrize(
    ("said", "missing", "plain"),
    [({}, True, True), ({"impute": "median"}, False, True), ({"outliers": "none"}, True, False)],
)
def test_settings_of_training_reach_the_encoding(said: dict[str, str], missing: bool, plain: bool) -> None:
    rows = np.zeros((1_001, len(NAMES)), np.float32)
    rows[:400, RATIO], rows[1_000, RATIO] = 1.0, -100.0
    fitter = fitter_of(TrainSettings.model_validate(said))
    fitter.add(rows, {name: np.zeros(0, kind) for name, kind in TOKEN_TYPES.items()})
    scale = fitter.finish().columns[RATIO]
    assert (scale.missing == 0.0) is missing
    assert (scale.deviation < 0.6) is plain


def test_other_words_are_refused() -> None:
    with pytest.raises(ValueError, match="mean"):
        TrainSettings.model_validate({"impute": "mode"})
