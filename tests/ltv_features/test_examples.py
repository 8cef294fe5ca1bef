"""Events to shards: features before the cut-off, labels after it, every buyer accounted for, always the same bytes."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import build_examples, build_features
from jobs._entry import Run, Settings
from ltv_features import files, kept, project, sampling, state
from ltv_features.arrow import arrow_schema
from ltv_features.contract import EVENTS, ITEMS, KERNEL_EVENTS, TYPE_ID
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake
from ltv_train import data
from tests.example_world import AS_OF, DAY0, USERS, by_user, event, kernel_events, plan, us, write


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, data.Manifest]:
    return write(tmp_path_factory.mktemp("value"), plan(), by_user(kernel_events(), 3))


def test_features_see_only_what_is_before_the_cut_off(sets: dict[str, data.Manifest]) -> None:
    manifest = sets[AS_OF.isoformat()]
    arrays = data.read_all(manifest, "train")
    for cutoff in manifest.cutoffs:
        day = (date.fromisoformat(cutoff.date) - DAY0).days
        events = kernel_events()
        past = events.filter(pa.array(events["ts_us"].to_numpy() < us(day, 0)))
        expected = project.project(state.build(past, as_of_us=us(day, 0)), as_of_us=us(day, 0))
        own = np.flatnonzero(arrays.cutoff_no == cutoff.no)
        for row in own:
            user = int(np.flatnonzero(expected.user_key == arrays.examples.user_key[row])[0])
            np.testing.assert_array_equal(arrays.examples.aggregates[row], expected.aggregates[user])
            np.testing.assert_array_equal(arrays.examples.anchor[row], expected.anchor[user])
            one, same = arrays.examples.take(np.array([row])), expected.take(np.array([user]))
            for name in one.tokens:
                np.testing.assert_array_equal(one.tokens[name], same.tokens[name])


def test_every_buyer_at_every_cut_off_is_one_example(sets: dict[str, data.Manifest]) -> None:
    for manifest in sets.values():
        seen = [data.read_all(manifest, split) for split in ("train", "validation")]
        pairs = [pair for part in seen for pair in zip(part.examples.user_key, part.cutoff_no, strict=True)]
        first = {user: user % 30 for user in range(1, USERS)} | {USERS: 80}
        expected = {
            (user, cutoff.no)
            for cutoff in manifest.cutoffs
            for user, day in first.items()
            if day < (date.fromisoformat(cutoff.date) - DAY0).days
        }
        assert set(pairs) == expected
        assert len(pairs) == len(expected)
        assert [cutoff.users for cutoff in manifest.cutoffs] == [
            sum(1 for _, no in expected if no == cutoff.no) for cutoff in manifest.cutoffs
        ]


def test_a_user_is_held_out_everywhere_or_nowhere(sets: dict[str, data.Manifest]) -> None:
    train = {key for part in sets.values() for key in data.read_all(part, "train").examples.user_key.tolist()}
    held = {key for part in sets.values() for key in data.read_all(part, "validation").examples.user_key.tolist()}
    assert held
    assert not train & held


def test_the_slice_has_everybody_who_bought_and_no_labels(sets: dict[str, data.Manifest]) -> None:
    arrays = data.read_all(sets[AS_OF.isoformat()], "slice")
    assert sorted(arrays.examples.user_key.tolist()) == list(range(1, USERS + 1))
    assert not any(values.any() for values in arrays.labels.values())
    users = pq.read_table(f"{sets[AS_OF.isoformat()].folder}/users.parquet").to_pylist()
    assert {row["user_key"]: row["user_id"] for row in users} == {key: f"u{key}" for key in range(1, USERS + 1)}


def test_the_slice_of_a_fold_leaves_out_who_bought_only_later(sets: dict[str, data.Manifest]) -> None:
    arrays = data.read_all(next(iter(sets.values())), "slice")
    assert sorted(arrays.examples.user_key.tolist()) == list(range(1, USERS)), "user 40 buys on day 80, after day 60"


def test_changing_an_origins_future_changes_no_byte_of_it(tmp_path: Path, sets: dict[str, data.Manifest]) -> None:
    fold = next(iter(sets))
    late = [event(user, us(60 + user % 40), "purchase", order=9_000_000 + user, item=5) for user in range(1, USERS)]
    events = pa.concat_tables([kernel_events(), pa.Table.from_pylist(late, schema=arrow_schema(KERNEL_EVENTS))])
    changed = write(tmp_path, plan(), by_user(events, 3))[fold]
    assert changed.splits == sets[fold].splits


def test_partitions_change_no_byte(tmp_path: Path, sets: dict[str, data.Manifest]) -> None:
    again = write(tmp_path, plan(), by_user(kernel_events(), 1))
    assert {day: manifest.splits for day, manifest in again.items()} == {day: m.splits for day, m in sets.items()}


def test_sampling_keeps_two_examples_a_user_with_weights_that_add_up() -> None:
    keys = np.arange(1, 2001)
    days = [DAY0 + timedelta(days=7 * week) for week in range(1, 6)]
    first = np.where(keys % 2 == 0, us(0), us(20))
    weights = sampling.sample_weights(first, keys, days, seed=1, per_user=2, share=1.0)
    exists = first[:, None] < np.array([[us(7 * week, 0) for week in range(1, 6)]])
    assert ((weights > 0) <= exists).all()
    assert (weights > 0).sum(axis=1).max() == 2
    np.testing.assert_allclose(weights.sum(axis=1), exists.sum(axis=1))
    half = sampling.sample_weights(first, keys, days, seed=1, per_user=None, share=0.5)
    assert set(np.unique(half).tolist()) == {0.0, 2.0}
    assert half.sum() == pytest.approx(exists.sum(), rel=0.05)


def test_split_sample_and_order_do_not_depend_on_each_other() -> None:
    keys = np.arange(1, 20_001)
    held = sampling.held_out(keys, seed=1, share=0.1)
    order = sampling.order_hash(keys, DAY0, seed=1)
    assert held.mean() == pytest.approx(0.1, abs=0.01)
    assert (order[held] > 0).mean() == pytest.approx(0.5, abs=0.03)
    other = sampling.order_hash(keys, DAY0 + timedelta(days=7), seed=1)
    assert abs(np.corrcoef(order, other)[0, 1]) < 0.03


def settings(root: Path) -> Settings:
    nothing = {"path": "none.csv", "format": "csv"}
    return Settings.model_validate(
        {
            "lake": {"root": str(root)},
            "sources": {"orders": nothing},
            "shop": {"horizons_days": [15, 30]},
            "examples": {"min_buyers": 20, "folds": 1},
            "export": {"folder": str(root / "out"), "suppression": "none.csv"},
        }
    )


def fill(lake: Lake) -> None:
    """The kernel events of this file as `events` and `items` of a lake."""
    rows = []
    for number, row in enumerate(kernel_events().to_pylist()):
        when = datetime.fromtimestamp(row["ts_us"] / 1e6, UTC)
        kind = next(name for name, type_id in TYPE_ID.items() if type_id == row["type"])
        made = {c.name: None for c in EVENTS.columns} | {
            **{name: row[name] for name in ("user_id", "user_key", "event_key", "order_key", "quantity")},
            "source": "orders", "event_id": str(number), "event_type": kind, "event_ts": when,
            "event_month": f"{when:%Y-%m}", "landed_ts": when, "item_id": f"i{row['item_no']}",
            "amount_minor": row["amount_minor"], "discount_minor": 0, "rating": 0, "dwell_seconds": 0,
        }  # fmt: skip
        rows.append(tuple(made[c.name] for c in EVENTS.columns))
    spark = lake.spark
    spark.createDataFrame(rows, spark_schema(EVENTS)).write.format("delta").save(lake.path("events"))
    always = datetime(1970, 1, 1, tzinfo=UTC)
    items = [(f"i{number}", always, number, None, 0, None, 0, None) for number in range(1, 101)]
    spark.createDataFrame(items, spark_schema(ITEMS)).write.format("delta").save(lake.path("items"))


@pytest.mark.spark
@pytest.mark.slow
def test_both_jobs_account_for_every_row_and_do_nothing_the_second_time(lake: Lake, tmp_path: Path) -> None:
    fill(lake)
    run = Run(settings(tmp_path / "lake"), AS_OF, "r1", lake.spark)
    build_features.main(run)
    build_examples.main(run)
    states = lake.read("user_state").collect()
    assert len(states) == USERS
    assert sum(entry["n"] for row in states for entry in row["types"]) == kernel_events().num_rows
    top = files.read_json(f"{tmp_path}/lake/shards/{AS_OF}/manifest.json")
    assert top["value"] == [(AS_OF - timedelta(days=30)).isoformat(), AS_OF.isoformat()]
    assert top["basket"][-1] == AS_OF.isoformat()
    ledger = {row["hop"]: row for row in lake.read("ledger").collect()}
    assert ledger["events in user_state"]["rows_out"] == kernel_events().num_rows
    assert ledger[f"value {AS_OF} slice"]["rows_out"] == USERS
    for kind in ("value", "basket"):
        manifest = data.load_manifest(f"{tmp_path}/lake/shards/{AS_OF}/{kind}/{AS_OF}")
        data.verify(manifest)
        assert manifest.examples("train") > 0
        assert {"outcomes.parquet", "users.parquet"} <= set(manifest.tables)
    items = data.read_table(manifest, "items.parquet").to_pylist()
    assert next(row for row in items if row["item_no"] == 100)["buyers"] == USERS - 1
    versions = {name: lake.version(name) for name in ("user_state", "user_items", "ledger")}
    before = {
        path: Path(tmp_path, "lake/shards", path).stat().st_mtime_ns
        for path in files.list_files(f"{tmp_path}/lake/shards")
    }
    build_features.main(run)
    build_examples.main(run)
    assert {name: lake.version(name) for name in versions} == versions
    assert {path: Path(tmp_path, "lake/shards", path).stat().st_mtime_ns for path in before} == before


def test_folding_batch_by_batch_gives_the_state_of_all_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLD_EVENTS", 50)
    events = kernel_events()
    shuffled = events.take(pa.array(np.random.default_rng(1).permutation(events.num_rows)))
    fold = kept.fold_batches(
        iter(shuffled.to_batches(max_chunksize=7)),
        kept.events_alone,
        lambda part: state.build(part, as_of_us=us(100)),
        state.merge,
        state.SCHEMA,
    )
    assert pa.Table.from_batches(fold).equals(state.build(events, as_of_us=us(100)))
