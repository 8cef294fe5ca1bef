"""Boosters of named periods: spend and chance of the next occurrence, both as corrections of the anchor's window.

How far away an occurrence is differs from cut-off to cut-off and again tonight; the anchor's offset carries that.
May import: LightGBM, boosters, named.
"""

import lightgbm
import numpy as np
import numpy.typing as npt
from scipy import special

from ltv_features.errors import TrainingFailed
from ltv_train.candidates import Material
from ltv_train.classical.boosters import Way, dataset, train
from ltv_train.classical.trees import Offset, chance_offset

Floats = npt.NDArray[np.float64]
SHARE = 0.2
"""Of the trees, each a longer step by as much; one occurrence in the past has little to teach."""


def fit_named(
    material: Material, way: Way, x: Floats, money: float
) -> tuple[dict[str, lightgbm.Booster], list[list[float]]]:
    """Boosters by file name, and for each period by how much the logarithm of spend and the logit of buying of its past
    occurrences differed from the anchor's.

    Raises TrainingFailed where nobody bought in the past occurrences of a period.
    """
    models: dict[str, lightgbm.Booster] = {}
    bases: list[list[float]] = []
    inputs, labels = material.examples.anchor, material.train.labels
    values = material.named.anchor_values(material.anchors, inputs, material.cutoff_no)
    for k, name in enumerate(material.named.names):
        rows = np.flatnonzero(labels["named_mask"][:, k] > 0)
        spend = np.maximum(labels["named_spend_minor"][rows, k], 0.0) / money
        weight = np.asarray(material.train.weight[rows], np.float64)
        if not float(weight @ spend) > 0:
            raise TrainingFailed(
                f"named period {name!r}: nobody bought in a past occurrence; next: take it out of shop.named_periods"
            )
        start = Offset("g", money).values(values[rows, k], values[rows, k])
        base = float(np.log(weight @ spend / (weight @ np.exp(start))))
        order = material.anchors.order_values(inputs[rows], material.cutoff_no[rows])
        chance = chance_offset(values[rows, k], order)
        data, bought = dataset(x[rows]), np.asarray(labels["named_purchased"][rows, k], np.float64)
        plain = {"boost_from_average": False}
        tweedie = {"objective": "tweedie", "tweedie_variance_power": way.settings.tweedie_power}
        models[f"named_value_{k}.txt"] = train(
            data, spend, weight, tweedie | plain, way, start=start + base, share=SHARE
        )
        shift = special.logit(np.clip(np.average(bought, weights=weight), 1e-4, 1 - 1e-4)) - chance.mean()
        bases.append([base, float(shift)])
        models[f"named_chance_{k}.txt"] = train(
            data, bought, weight, {"objective": "binary"} | plain, way, start=chance + shift, share=SHARE
        )
    return models, bases
