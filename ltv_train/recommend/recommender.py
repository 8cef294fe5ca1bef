"""A recommender in use: histories and own purchases in, the best K items of each customer out.

The back-test and the nightly job both call `Recommender.recommend`. May import: NumPy, Torch, FAISS, bundle.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import safetensors.torch
import torch
from pydantic import ValidationError

from ltv_features.contract import MAX_LINES
from ltv_features.errors import BundleRefused
from ltv_features.project import Examples
from ltv_train.bundle import Bundle, load, write
from ltv_train.config import RecommendSettings
from ltv_train.models.two_tower import TwoTower
from ltv_train.recommend import blend
from ltv_train.recommend.blend import Candidates, Mix
from ltv_train.recommend.catalogue import Catalogue
from ltv_train.recommend.own import Own
from ltv_train.recommend.towers import basket_batch, towers_of
from ltv_train.weights import hold_weights, weights_of

KIND = "two_tower"
SIMILAR = 100
_ROWS = 128
_WEIGHTS, _ITEMS = "weights.safetensors", "items.parquet"

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Recommended:
    """`item` [B, K] raw numbers, best first, 0 where there is none; `score` and `reason` [B, K]."""

    item: Ints
    score: npt.NDArray[np.float64]
    reason: npt.NDArray[np.object_]


class Recommender:
    """The towers, the items they know, and how their opinion is mixed with own purchases and popularity."""

    def __init__(self, towers: TwoTower, catalogue: Catalogue, mix: Mix) -> None:
        self.towers, self.catalogue, self.mix = towers.eval(), catalogue, mix
        with torch.no_grad():
            vectors = torch.cat([towers.item_vectors(), (towers.bias * towers.temperature)[:, None]], dim=1)[1:]
        self.index = faiss.IndexFlatIP(vectors.shape[1])
        self.index.add(np.ascontiguousarray(vectors.numpy()))

    @torch.no_grad()
    def similar(self, examples: Examples) -> tuple[Ints, npt.NDArray[np.float64]]:
        """[B, S] raw item numbers that the towers name, and their scores scaled to 0..1 within the customer.

        Exact inner products; the bias is one more dimension. Customers without history get none.
        """
        count = min(SIMILAR, self.index.ntotal)
        items, scores = np.zeros((len(examples), count), np.int64), np.zeros((len(examples), count))
        known = self.catalogue.known_numbers
        for start in range(0, len(examples), _ROWS):
            rows = np.arange(start, min(start + _ROWS, len(examples)))
            user = np.append(self._users(examples.take(rows)), np.ones((_ROWS, 1), np.float32), axis=1)
            found, place = (each[: len(rows)] for each in self.index.search(user, count))
            there = (examples.lengths[rows] > 0)[:, None]
            items[rows] = np.where(there, known[place], 0)
            low, high = found.min(axis=1, keepdims=True), found.max(axis=1, keepdims=True)
            scores[rows] = np.where(there, (found - low) / np.maximum(high - low, 1e-9), 0.0)
        return items, scores

    def _users(self, examples: Examples) -> npt.NDArray[np.float32]:
        """[_ROWS, D] vectors, those of zeros behind: with a constant number of rows no neighbour changes a bit."""
        columns: dict[str, Any] = dict(examples.padded(MAX_LINES)) | {"length": np.minimum(examples.lengths, MAX_LINES)}
        filled = {name: _filled(columns[name]) for name in ("item_no", "age_days", "length")}
        return np.asarray(self.towers(basket_batch(self.catalogue, filled)).numpy(), np.float32)

    def candidates(self, examples: Examples, own: Own) -> Candidates:
        """Every item that may be offered to each customer."""
        items, scores = self.similar(examples)
        return blend.candidates(own, len(examples), self.catalogue, items, scores)

    def recommend(self, examples: Examples, own: Own, k: int) -> Recommended:
        """The best `k` of each customer; the same whoever else is asked about."""
        found = self.candidates(examples, own)
        score = blend.scores(found, own, self.mix)
        best = blend.top_k(found, score, len(examples), k)
        real = best >= 0
        return Recommended(
            np.where(real, np.append(found.item, 0)[best], 0),
            np.where(real, np.append(score, 0.0)[best], 0.0),
            np.where(real, np.append(blend.reasons(found), "")[best], ""),
        )


def write_recommender(
    parent: str, recommender: Recommender, settings: RecommendSettings, measures: Mapping[str, Any]
) -> Bundle:
    """The recommender as a bundle below `parent`."""
    stream = io.BytesIO()
    pq.write_table(recommender.catalogue.table(), stream)
    weights = {name: value.contiguous() for name, value in recommender.towers.state_dict().items()}
    config = {
        "name": KIND,
        "horizons_days": [],
        "mix": recommender.mix.to_dict(),
        "settings": settings.model_dump(mode="json"),
        "measures": dict(measures),
    }
    files = {_WEIGHTS: safetensors.torch.save(weights), _ITEMS: stream.getvalue()}
    return write(parent, kind=KIND, config=config, files=files)


@lru_cache(maxsize=2)
def cached_recommender(path: str, digest: str) -> Recommender:
    """The recommender of a bundle, opened once a process. Raises BundleRefused when it is another one by now,
    or its weights are not those of its items."""
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    bundle = load(Path(path))
    if bundle.digest != digest or bundle.kind != KIND:
        raise BundleRefused(f"bundle {path}: expected {KIND} {digest}, actual {bundle.kind} {bundle.digest}")
    try:
        settings = RecommendSettings.model_validate(bundle.config["settings"])
    except ValidationError as error:
        raise BundleRefused(f"bundle {path}: settings in config.json: {error}; next: train again") from error
    catalogue = Catalogue.from_table(bundle.table_of(_ITEMS))
    towers = towers_of(catalogue, settings)
    weights = weights_of(bundle, _WEIGHTS)
    hold_weights(bundle, towers.state_dict(), weights)
    towers.load_state_dict(weights)
    return Recommender(towers, catalogue, Mix.from_dict(bundle.config["mix"]))


def _filled(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """[_ROWS, ...]: zeros behind the real rows."""
    padded = np.zeros((_ROWS, *values.shape[1:]), values.dtype)
    padded[: len(values)] = values
    return padded


def items_table(recommended: Recommended, catalogue: Catalogue) -> list[list[dict[str, Any]]]:
    """Rows of the contract's `items` column, best first."""
    place = catalogue.place(recommended.item)
    made = []
    for row in range(len(place)):
        real = np.flatnonzero(place[row] >= 0)
        made.append(
            [
                {
                    "item_id": catalogue.ids[place[row, k]],
                    "score": float(recommended.score[row, k]),
                    "reason": str(recommended.reason[row, k]),
                }
                for k in real
            ]
        )
    return made
