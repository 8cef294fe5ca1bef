"""How one booster is trained: the settings that all of them share.

May import: LightGBM, trees for the features' names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from ltv_train.classical.trees import FEATURE_NAMES
from ltv_train.config import BoostingSettings

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Way:
    """The settings, seed and threads with which a booster is trained."""

    settings: BoostingSettings
    seed: int
    threads: int


def train(
    data: lightgbm.Dataset,
    y: Floats,
    weight: Floats,
    own: Mapping[str, Any],
    way: Way,
    *,
    start: Floats | None = None,
    share: float = 1.0,
) -> lightgbm.Booster:
    """One booster; `own` holds its objective, `share` how many of the trees it takes, each a longer step by as much."""
    settings = way.settings
    data.set_label(y)
    data.set_field("weight", weight)  # set_weight drops weights that are all 1, and the former ones stay in place
    data.set_field("init_score", start)  # set_init_score(None) leaves the former one too
    parameters = {
        "learning_rate": settings.learning_rate / share,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.min_child,
        "seed": way.seed,
        "bagging_fraction": 0.8 if len(y) > 1 else 1.0,  # of a single row nothing would be left
        "bagging_freq": 1,
        "feature_fraction": 0.8,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": way.threads,
        "verbosity": -1,
        **own,
    }
    return lightgbm.train(parameters, data, num_boost_round=max(1, round(settings.trees * share)))


def dataset(x: Floats) -> lightgbm.Dataset:
    """The features binned, to be labelled by `train`."""
    parameters = {"verbosity": -1, "feature_pre_filter": False, "min_data_in_bin": 3}
    return lightgbm.Dataset(x, np.zeros(len(x)), feature_name=list(FEATURE_NAMES), params=parameters).construct()
