"""What is said of users whom no model is asked about, from sums over users like them. May import: NumPy, manifest."""

import numpy as np

from ltv_train.manifest import Manifest


def never_bought(manifest: Manifest) -> dict[str, list[float]]:
    """What users who never bought are expected to spend and to buy, by cumulative horizon; zeros without such users.

    Where churn is defined by activity, `p_active` too.
    """
    told = manifest.never_bought
    exposure = np.maximum(np.asarray(told["exposure"], np.float64), 1.0)
    stay = np.cumprod(1 - np.clip(np.asarray(told["purchased"]) / exposure, 0.0, 1.0))
    spend = np.cumsum(np.maximum(np.asarray(told["spend_minor"]) / exposure, 0.0))
    made = {"mean_minor": spend, "p_purchase": 1 - stay}
    if manifest.by_activity:
        made["p_active"] = 1 - np.cumprod(1 - np.clip(np.asarray(told["active"]) / exposure, 0.0, 1.0))
    return {name: [float(value) for value in values] for name, values in made.items()}
