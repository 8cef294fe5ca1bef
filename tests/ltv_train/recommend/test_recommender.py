"""The recommender as it is served: the same lists from a bundle, in any company, and for customers without a past."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ltv_features.contract import RECOMMENDATIONS
from ltv_features.cutoffs import midnight_us
from ltv_features.errors import BundleRefused
from ltv_features.project import project_lines
from ltv_train.recommend.own import own_of
from ltv_train.recommend.recommender import Recommended, cached_recommender, items_table, write_recommender
from ltv_train.score.recommend import Offers
from tests.recommend_world import AS_OF_US, RARE, SETTINGS, bought, some_recommender, some_rows, some_states

AS_OF = datetime.fromtimestamp(AS_OF_US / 1e6, UTC).date()


def lists_of(recommender, rows=None, k=5, picked=None) -> tuple[list[str], Recommended]:
    states, items = some_states(some_rows() if rows is None else rows)
    states = states if picked is None else states.take(pa.array(picked))
    examples = project_lines(states, as_of_us=AS_OF_US)
    own = own_of(items, examples.user_key, as_of_us=AS_OF_US)
    return examples.user_id.to_pylist(), recommender.recommend(examples, own, k)


def test_the_night_is_the_same_moment_for_all():
    assert midnight_us(AS_OF) == AS_OF_US


def test_a_bundle_says_what_was_written_into_it(tmp_path: Path):
    made = some_recommender()
    bundle = write_recommender(str(tmp_path), made, SETTINGS, {})
    _, before = lists_of(made)
    _, after = lists_of(cached_recommender(str(bundle.path), bundle.digest))
    assert np.array_equal(before.item, after.item)
    assert before.score.tobytes() == after.score.tobytes()


def test_another_bundle_than_the_expected_is_refused(tmp_path: Path):
    bundle = write_recommender(str(tmp_path), some_recommender(), SETTINGS, {})
    with pytest.raises(BundleRefused, match="expected two_tower 0123"):
        cached_recommender(str(bundle.path), "0123")


def test_a_spoilt_bundle_is_refused(tmp_path: Path):
    bundle = write_recommender(str(tmp_path), some_recommender(), SETTINGS, {})
    weights = Path(bundle.path) / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(BundleRefused, match=r"weights\.safetensors"):
        cached_recommender(str(bundle.path), bundle.digest)


def test_no_neighbour_changes_a_bit():
    recommender = some_recommender()
    users, together = lists_of(recommender)
    for place in range(len(users)):
        alone_users, alone = lists_of(recommender, picked=[place])
        assert alone_users == [users[place]]
        assert alone.item[0].tolist() == together.item[place].tolist()
        assert alone.score[0].tobytes() == together.score[place].tobytes()


def test_a_customer_without_purchases_is_offered_what_sells():
    users, said = lists_of(some_recommender())
    cold = users.index("cold")
    assert said.item[cold].tolist() == [1, 2, 3, 4, 5]
    assert set(said.reason[cold]) == {"popular"}


def test_what_the_towers_do_not_know_can_be_offered_to_its_buyer_again():
    rows = [bought("a", days, days, RARE) for days in (1, 8, 15)]
    _, said = lists_of(some_recommender(), rows=rows)
    assert said.item[0, 0] == RARE
    assert said.reason[0, 0] == "bought_before"


def test_no_item_is_offered_twice_and_scores_fall():
    _, said = lists_of(some_recommender(), k=12)
    for row in range(len(said.item)):
        real = said.item[row][said.item[row] > 0]
        assert len(set(real)) == len(real)
    assert (np.diff(said.score, axis=1) <= 0).all()


def test_the_worker_says_what_the_recommender_says(tmp_path: Path):
    recommender = some_recommender()
    bundle = write_recommender(str(tmp_path), recommender, SETTINGS, {})
    states, items = some_states(some_rows())
    user_ids = states["user_id"].to_pylist()
    lists = [[row for row in items.to_pylist() if row["user_id"] == user] or None for user in user_ids]
    kind = pa.list_(pa.struct([f for f in items.schema if f.name not in ("user_id", "user_key")]))
    batch = states.append_column("_bought", pa.array(lists, kind)).combine_chunks().to_batches()[0]
    offers = Offers(str(bundle.path), bundle.digest, AS_OF, 5)
    out = pa.Table.from_batches(list(offers(iter([batch, batch.slice(0, 0)]))))
    users, said = lists_of(recommender)
    assert out.schema.names == list(RECOMMENDATIONS.column_names)
    assert out["user_id"].to_pylist() == users
    assert out["items"].to_pylist() == items_table(said, recommender.catalogue)
