"""Models whose mind is known: what they listen to is written in the test that asks them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ltv_features.aggregates import NAMES
from ltv_features.project import Examples
from ltv_train.adjusting.adjusted import Adjusted
from ltv_train.adjusting.conformal import Correction
from ltv_train.blend import Blend, BlendWeights
from ltv_train.bundle import Bundle, write
from ltv_train.candidates import Material
from ltv_train.classical.boosting import fit_boosters
from ltv_train.config import BoostingSettings
from ltv_train.network import NetworkPredictor
from ltv_train.predictions import Predictions, Predictor
from tests.value_world import HORIZONS, some_material

Floats = npt.NDArray[np.float64]


class Says:
    """A predictor that promises what a function makes of the examples."""

    def __init__(self, value: Callable[[Examples], Floats]) -> None:
        self.value = value

    def predict(self, examples: Examples) -> Predictions:
        mean = np.tile(np.asarray(self.value(examples), np.float64)[:, None], (1, len(HORIZONS)))
        p = np.full_like(mean, 0.5)
        return Predictions(mean, mean / 2, p, 1 - p, low=mean / 4, high=mean)


class SaysByTokens(NetworkPredictor):
    """Stands for a network: promises 100 EUR a token."""

    def __init__(self) -> None:
        """Needs no weights."""

    def predict(self, examples: Examples) -> Predictions:
        return Says(lambda e: 10_000.0 * e.lengths).predict(examples)


def blended(**members: tuple[Predictor, float]) -> Blend:
    """A blend of these members by weight."""
    made = object.__new__(Blend)
    shares = tuple(weight for _, weight in members.values())
    made.weights = BlendWeights(tuple(members), shares, shares, 1_000.0, "told")
    made.members = {name: one for name, (one, _) in members.items()}
    return made


def installed(predictor: Predictor) -> Adjusted:
    """As `evaluate` installs it: inside a correction of intervals, which here moves nothing."""
    nothing = ((0.0,),) * len(HORIZONS)
    moves_nothing = Correction(1_000.0, ((),) * len(HORIZONS), nothing, nothing, 500)
    return Adjusted(predictor, [moves_nothing], np.inf)


def column(examples: Examples, name: str) -> Floats:
    """[B] one aggregate."""
    return examples.aggregates[:, NAMES.index(name)].astype(np.float64)


def with_column(examples: Examples, name: str, values: Floats) -> None:
    """Fills one aggregate in place."""
    examples.aggregates[:, NAMES.index(name)] = values


def boosters(folder: Path, material: Material | None = None, *, seeds: int = 2) -> dict[str, Bundle]:
    """Both boosters on a few hundred customers, as bundles."""
    material = material or some_material(300)
    settings = BoostingSettings(trees=40, learning_rate=0.1, min_child=10)
    made = fit_boosters(material, settings, seeds=seeds, seed=1, threads=1)
    anchors = material.anchors.at_origin()
    return {
        each.name: write(folder / each.name, kind=each.kind, config=each.config, files=each.files, anchors=anchors)
        for each in made
    }
