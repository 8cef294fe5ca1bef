"""What every eligible user is offered: states and exact own purchases through the recommender, in one mapInArrow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features import files
from ltv_features.arrow import arrow_schema
from ltv_features.contract import RECOMMENDATIONS, USER_ITEMS, USER_STATE, USERS
from ltv_features.cutoffs import midnight_us
from ltv_features.digest import code_of, digest_of
from ltv_features.project import project_lines
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake
from ltv_train.bundle import load_promoted
from ltv_train.recommend.own import own_of
from ltv_train.recommend.recommender import cached_recommender, items_table
from ltv_train.score.users import eligible_states

MODULES = ("ltv_train.score.recommend",)
"""The code that recommends, with all that it imports."""
_BOUGHT = "_bought"
_BESIDE_USER = tuple(name for name in USER_ITEMS.column_names if name not in ("user_id", "user_key"))


@dataclass(frozen=True)
class Offers:
    """Everything a worker needs, as plain values: the bundle, the night, and how many items a user gets."""

    bundle: str
    digest: str
    as_of: date
    top_k: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """RECOMMENDATIONS for states with what was bought beside them, batch by batch."""
        for batch in batches:
            if batch.num_rows:
                yield self.offered(pa.Table.from_batches([batch]))

    def offered(self, states: pa.Table) -> pa.RecordBatch:
        """The rows of one batch of states; a user without purchases is offered what sells."""
        recommender = cached_recommender(self.bundle, self.digest)
        as_of_us = midnight_us(self.as_of)
        bought = states.column(_BOUGHT)
        examples = project_lines(states.drop_columns([_BOUGHT]), as_of_us=as_of_us)
        own = own_of(user_items_of(bought, states.column("user_key")), examples.user_key, as_of_us=as_of_us)
        lists = items_table(recommender.recommend(examples, own, self.top_k), recommender.catalogue)
        columns = {
            "user_id": examples.user_id,
            "as_of": [self.as_of] * len(examples),
            "items": lists,
            "model_digest": [self.digest] * len(examples),
        }
        return pa.RecordBatch.from_pydict(columns, schema=arrow_schema(RECOMMENDATIONS))


def recommendations_digest(lake: Lake, as_of: date, model: Mapping[str, Any], top_k: int) -> str:
    """What the night's recommendations are made from."""
    inputs = [lake.committed(name, as_of) for name in (USER_STATE.name, USER_ITEMS.name)]
    return digest_of("recommend_items", inputs, lake.version(USERS.name), model["digest"], top_k, code_of(*MODULES))


def offers_of(model: Mapping[str, Any], root: str, as_of: date, top_k: int) -> Offers:
    """The worker's half for one promotion; its bundle is verified here, once, before any work."""
    bundle = load_promoted(files.join(root, model["bundle"]), model["digest"])
    return Offers(str(bundle.path), bundle.digest, as_of, top_k)


def states_with_items(lake: Lake, as_of: date) -> DataFrame:
    """Eligible states with one more column: the USER_ITEMS rows of the user as a list, null where there are none."""
    states = eligible_states(lake, as_of)
    rows = F.collect_list(F.struct(*_BESIDE_USER)).alias(_BOUGHT)
    bought = lake.at_night(USER_ITEMS.name, as_of).groupBy("user_id").agg(rows)
    return states.join(bought, on="user_id", how="left")


def recommend(states: DataFrame, offers: Offers) -> DataFrame:
    """One RECOMMENDATIONS row for each state."""
    return states.mapInArrow(offers, spark_schema(RECOMMENDATIONS))


def user_items_of(bought: pa.ChunkedArray, user_key: pa.ChunkedArray) -> pa.Table:
    """USER_ITEMS rows without user_id from one list of them a user."""
    lists = bought.combine_chunks()
    rows = lists.flatten()
    columns = {name: rows.field(place) for place, name in enumerate(_BESIDE_USER)}
    return pa.table({"user_key": user_key.combine_chunks().take(lists.value_parent_indices()), **columns})
