"""The fit of the two towers on the basket shards: one more fit on the loop that the value networks train on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch

from ltv_train import data
from ltv_train.config import NetworkSettings, RecommendSettings
from ltv_train.models.two_tower import BasketBatch, TwoTower
from ltv_train.recommend.catalogue import Catalogue
from ltv_train.recommend.towers import basket_batch, towers_of


@dataclass(frozen=True)
class TwoTowerFit:
    """One fit: the folder of a basket set, the items of its origin, settings."""

    name: str
    shards: str
    catalogue: Catalogue
    recommend: RecommendSettings
    seed: int
    epochs: float | None
    epochs_of: tuple[str, ...] = ()
    steps_share: float = 1.0
    everybody: bool = True

    @property
    def settings(self) -> NetworkSettings:
        """How the loop walks; the towers' loss mixes what they say with their weights, so all is float32."""
        own = self.recommend
        return NetworkSettings(batch_size=own.batch_size, learning_rate=own.learning_rate, precision="float32")

    def shape(self, manifest: data.Manifest) -> dict[str, Any]:
        """Sizes as JSON-able values."""
        return {"width": self.recommend.dimension, "items": len(self.catalogue.popularity)}

    def network(self, manifest: data.Manifest) -> TwoTower:
        """The towers before their first step, from the seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return towers_of(self.catalogue, self.recommend)

    def batch(self, columns: Mapping[str, Any], manifest: data.Manifest) -> BasketBatch:
        """One step's columns as rows of the towers."""
        return basket_batch(self.catalogue, columns)

    def frozen(self, epochs: float) -> Self:
        """The same fit for a given number of epochs."""
        return replace(self, epochs=epochs)
