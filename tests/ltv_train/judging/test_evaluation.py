"""Folds and measures from hand-made predictions of four customers."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ltv_features.errors import ContractBroken
from ltv_train.judging.evaluation import Fold, load_folds, measure
from ltv_train.judging.prediction_files import read_predictions, write_predictions
from ltv_train.judging.segments import NEEDED, Known
from ltv_train.predictions import Predictions
from tests.value_world import some_examples

ORIGIN = "2026-01-01"


def said(longest: list[float]) -> Predictions:
    """Half of it in the first horizon, the median a tenth below the mean; who is worth more buys more likely."""
    mean = np.array([[value / 2, value] for value in longest])
    p = mean / (1 + mean.max())
    return Predictions(mean, 0.9 * mean, p, 1 - p)


def store(folder: Path, keys: list[int], longest: list[float], *, candidate: str = "lstm", origin: str = ORIGIN) -> str:
    examples = some_examples(len(keys), seed=1)
    object.__setattr__(examples, "user_key", np.array(keys))
    path = folder / "predictions" / origin / f"{candidate}.parquet"
    write_predictions(str(path), examples, said(longest))
    return str(path)


def outcomes(spend: dict[int, list[float]], origin: str = ORIGIN) -> pa.Table:
    """Spend by period of each user, not by horizon."""
    columns = {"origin": [origin] * len(spend), "user_key": list(spend), "label_spend_minor": list(spend.values())}
    bought = [[float(value > 0) for value in values] for values in spend.values()]
    return pa.table(columns | {"label_purchased": pa.array(bought, pa.list_(pa.float32()))})


def test_predictions_come_back_as_they_were_written(tmp_path: Path) -> None:
    keys, back = read_predictions(store(tmp_path, [7, 3], [100.0, 60.0]))
    assert keys.tolist() == [7, 3]
    for name in ("mean", "median", "p_purchase", "p_churn"):
        np.testing.assert_array_equal(getattr(back, name), getattr(said([100.0, 60.0]), name))


def test_predictions_in_which_a_byte_was_changed_are_refused_or_the_same(tmp_path: Path) -> None:
    path = Path(store(tmp_path, [7, 3], [100.0, 60.0]))
    content, (keys, whole), refused = path.read_bytes(), read_predictions(str(path)), list[str]()
    for place in range(0, len(content), 5):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            other, back = read_predictions(str(path))
        except ContractBroken as error:
            refused.append(str(error))
        else:
            assert keys.tolist() == other.tolist()
            assert all(np.array_equal(getattr(whole, name), getattr(back, name)) for name in Predictions.names())
    assert len(refused) > 100
    assert all("lstm.parquet: " in each and "rerun train" in each for each in refused)


def test_predictions_of_other_numbers_are_refused_though_the_file_is_whole(tmp_path: Path) -> None:
    path = store(tmp_path, [7, 3], [100.0, 60.0])
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, "user_key", pa.array([7, 4])), path)
    with pytest.raises(ContractBroken, match="expected the digest"):
        read_predictions(path)


def test_a_fold_joins_by_user_and_adds_periods_up_to_horizons(tmp_path: Path) -> None:
    store(tmp_path, [7, 3, 5], [100.0, 60.0, 20.0])
    truth = pa.concat_tables(
        [outcomes({5: [10.0, 0.0], 3: [0.0, 0.0], 7: [0.0, 40.0]}), outcomes({9: [1.0, 1.0]}, "2026-02-01")]
    )
    [fold] = load_folds(str(tmp_path), [ORIGIN], ["lstm"], truth)
    assert fold.user_key.tolist() == [3, 5, 7]
    assert fold.spend.tolist() == [[0, 0], [10, 10], [0, 40]]
    assert fold.purchased.tolist() == [[0, 0], [1, 1], [0, 1]]
    assert fold.predictions["lstm"].mean[:, 1].tolist() == [60.0, 20.0, 100.0]
    assert fold.predictions["lstm"].p_churn[1].tolist() == pytest.approx([1 - 10 / 101, 1 - 20 / 101])


@pytest.mark.parametrize(
    ("keys", "counts"),
    [
        ([3, 5], "predicted 2 users, outcomes are known for 3, 2 in common"),
        ([3, 5, 8], "predicted 3 .* 3, 2 in common"),
    ],
)
def test_a_candidate_that_did_not_predict_all_users_is_refused(tmp_path: Path, keys: list[int], counts: str) -> None:
    store(tmp_path, keys, [1.0] * len(keys))
    truth = outcomes({5: [10.0, 0.0], 3: [0.0, 0.0], 7: [0.0, 40.0]})
    with pytest.raises(ContractBroken, match=f"'lstm' at {ORIGIN}: {counts}; next: rerun train"):
        load_folds(str(tmp_path), [ORIGIN], ["lstm"], truth)


def test_the_error_judges_the_median_and_everything_else_the_mean() -> None:
    spend = np.array([[0.0, 0.0], [10.0, 10.0], [0.0, 40.0], [100.0, 100.0]])
    prediction = said([10.0, 20.0, 30.0, 40.0])
    fold = Fold(ORIGIN, np.arange(4), spend, (spend > 0).astype(float), {})
    first, longest = measure(fold, "lstm", prediction, (30, 90))
    assert (first.horizon_days, longest.horizon_days, longest.users, longest.origin) == (30, 90, 4, ORIGIN)
    assert longest.mae == pytest.approx(np.mean([9, 8, 13, 64]))
    assert longest.rmse == pytest.approx(np.sqrt(np.mean([100, 100, 100, 3600])))
    assert longest.bias == pytest.approx((100 - 150) / 4)
    assert (first.total_ratio, longest.total_ratio) == pytest.approx((50 / 110, 100 / 150))
    assert (longest.gini, longest.spearman) == (1.0, 1.0)
    assert (longest.auc_purchase, longest.auc_churn) == (1.0, 1.0)
    assert (first.auc_purchase, first.auc_churn) == (0.75, 0.75)
    upside_down = measure(fold, "lstm", said([40.0, 30.0, 20.0, 10.0]), (30, 90))[1]
    assert upside_down.gini == -1.0
    assert upside_down.auc_purchase == 0.0


def test_squared_error_lift_and_brier_are_measured_beside_the_rest() -> None:
    spend = np.array([[0.0, 0.0], [10.0, 10.0], [0.0, 40.0], [100.0, 100.0]])
    fold = Fold(ORIGIN, np.arange(4), spend, (spend > 0).astype(float), {})
    longest = measure(fold, "lstm", said([10.0, 20.0, 30.0, 40.0]), (30, 90))[1]
    assert longest.mse == pytest.approx(longest.rmse**2)
    assert longest.top_decile_lift == pytest.approx(10 * longest.top_decile_capture)
    p = np.array([10.0, 20.0, 30.0, 40.0]) / 41
    assert longest.brier_purchase == pytest.approx(np.mean((p - [0, 1, 1, 1]) ** 2))
    assert longest.brier_churn == pytest.approx(longest.brier_purchase)
    assert np.isnan([longest.auc_purchase_active, longest.auc_churn_active]).all()


def test_users_active_lately_are_judged_on_their_own_and_folds_know_who_they_are(tmp_path: Path) -> None:
    store(tmp_path, [7, 3, 5, 9], [40.0, 30.0, 20.0, 10.0])
    truth = outcomes({7: [5.0, 0.0], 3: [0.0, 0.0], 5: [0.0, 4.0], 9: [0.0, 0.0]})
    values = {name: np.full(4, 200.0) for name in NEEDED} | {"idle_days": np.array([91.0, 1.0, 1.0, 1.0])}
    known = {ORIGIN: Known(np.array([7, 3, 5, 9]), values)}
    [fold] = load_folds(str(tmp_path), [ORIGIN], ["lstm"], truth, known)
    assert fold.segments is not None
    assert fold.user_key[fold.segments.active].tolist() == [3, 5, 9]
    longest = measure(fold, "lstm", fold.predictions["lstm"], (30, 90))[1]
    assert longest.auc_purchase == pytest.approx(3 / 4)  # 7 and 5 bought, 3 and 9 did not; only 3 stands above 5
    assert longest.auc_purchase_active == longest.auc_churn_active == pytest.approx(1 / 2)
