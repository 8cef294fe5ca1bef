"""Between raw columns and the two towers: which row each item has, and one step's columns as a batch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ltv_train.config import RecommendSettings
from ltv_train.models.two_tower import BasketBatch, TwoTower
from ltv_train.recommend.catalogue import Catalogue


def towers_of(catalogue: Catalogue, settings: RecommendSettings) -> TwoTower:
    """The towers of a catalogue; their weights follow from torch's random state."""
    return TwoTower(
        catalogue.popularity,
        width=settings.dimension,
        temperature=settings.temperature,
        negatives=settings.negatives,
    )


def basket_batch(catalogue: Catalogue, columns: Mapping[str, Any]) -> BasketBatch:
    """A batch from columns [B, width]: item_no, age_days, length and, in training, target_item_no and weight."""
    rows = len(columns["item_no"])
    targets = columns.get("target_item_no", np.zeros((rows, 1), np.int32))
    weight = columns.get("weight", np.ones(rows, np.float32))
    return BasketBatch(
        items=torch.from_numpy(catalogue.rows(columns["item_no"])),
        age_days=torch.from_numpy(np.array(columns["age_days"], np.float32)),
        lengths=torch.from_numpy(columns["length"].reshape(-1).astype(np.int64)),
        targets=torch.from_numpy(catalogue.rows(targets)),
        weight=torch.from_numpy(np.array(weight, np.float32).reshape(-1)),
    )
