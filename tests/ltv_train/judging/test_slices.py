"""What a shard set tells about the users of its slice, and the cards that are made from it."""

from pathlib import Path

import pyarrow as pa
import pytest

from ltv_train.cards import LogFacts, data_card
from ltv_train.judging.segments import NEEDED
from ltv_train.judging.slices import known_at
from ltv_train.manifest import load_manifest
from tests import shard_builders
from tests.shard_builders import write_small_set


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A set with 3 examples to train on (keys 1 to 3), and a slice of 70 users (keys 4 to 73) in two buckets."""
    monkeypatch.setattr(shard_builders, "AGGREGATES", ("recency_days", *NEEDED))
    return write_small_set(tmp_path, {"train": [3, 3, 20], "validation": [], "slice": [1, 12] * 35})


def test_the_slice_is_read_without_its_fill_and_every_value_is_that_of_its_user(folder: str) -> None:
    told = known_at(folder)
    assert sorted(told.user_key.tolist()) == list(range(4, 74))
    for place, name in enumerate(NEEDED, start=1):
        assert told.aggregates[name] == pytest.approx(told.user_key + place / 10, rel=1e-6)
    assert told.attributes == {}


def test_attributes_are_joined_by_user_and_who_has_none_has_an_empty_word(folder: str) -> None:
    table = pa.table({"user_key": [73, 5, 4_000], "town": ["Ulm", None, "Bonn"], "age": ["30-39", "20-29", "x"]})
    told = known_at(folder, table)
    by_user = {
        key: (town, age) for key, town, age in zip(told.user_key.tolist(), *told.attributes.values(), strict=True)
    }
    assert list(told.attributes) == ["town", "age"]
    assert (by_user[73], by_user[5], by_user[4]) == (("Ulm", "30-39"), ("", "20-29"), ("", ""))


def test_the_data_card_counts_what_the_manifest_and_the_log_say(folder: str) -> None:
    log = LogFacts("2025-01-01", "2026-02-28", 80, 70, {"purchase": 500})
    card = data_card(load_manifest(folder), {"origins": ["2026-01-01", "2026-03-01"]}, log)
    assert card.examples == {"train": 3, "validation": 0, "slice": 70}
    assert (card.cutoffs, card.origins) == (("2026-01-01", "2026-01-08"), ("2026-01-01",))
    assert (card.features, card.table_versions, card.input_digest) == (5, {"events": 1}, "input")
