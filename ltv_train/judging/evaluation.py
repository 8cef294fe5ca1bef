"""The back-test: folds put together from predictions and matured outcomes, and every candidate measured on them.

Room: what each candidate said at past origins, against what happened. Money is in minor units throughout.
May import: NumPy, Arrow, metrics, segments, predictions. No Spark, no Ray.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ltv_features.errors import ContractBroken
from ltv_features.files import join
from ltv_train.judging.prediction_files import matrix, read_predictions
from ltv_train.judging.segments import Known, Segments, segments_of
from ltv_train.metrics import classification, value
from ltv_train.metrics.deciles import deciles
from ltv_train.predictions import Predictions

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fold:
    """One past origin whose outcomes have matured.

    `user_key` [N]; `spend` [N, H] cumulative net spend; `purchased` [N, H] 0 or 1; `predictions` by candidate, rows in
    the order of `user_key`. `segments` say who is who; None where nothing is known of the users. `active` [N, H] 0 or 1
    where churn is defined by activity, else None.
    """

    origin: str
    user_key: npt.NDArray[np.int64]
    spend: Floats
    purchased: Floats
    predictions: Mapping[str, Predictions]
    segments: Segments | None = None
    active: Floats | None = None

    @property
    def churned(self) -> Floats:
        """[N, H] 0 or 1: who was lost, as `p_churn` foretells it."""
        return 1 - (self.purchased if self.active is None else self.active)

    def take(self, rows: npt.NDArray[np.int64]) -> "Fold":
        """The fold of the users at `rows`, in that order; who they are is not taken along."""
        parts = {name: said.take(rows) for name, said in self.predictions.items()}
        active = None if self.active is None else self.active[rows]
        return Fold(self.origin, self.user_key[rows], self.spend[rows], self.purchased[rows], parts, active=active)


@dataclass(frozen=True)
class Measures:
    """How one candidate did at one origin and horizon; `mae` judges the median column, all else the mean column.

    `..._active` are measured on users active lately (see `segments`), NaN where that is not known.
    """

    origin: str
    candidate: str
    horizon_days: int
    users: int
    gini: float
    spearman: float
    mae: float
    mse: float
    rmse: float
    bias: float
    total_ratio: float
    calibration_error: float
    top_decile_capture: float
    top_decile_lift: float
    auc_purchase: float
    auc_churn: float
    auc_purchase_active: float
    auc_churn_active: float
    brier_purchase: float
    brier_churn: float


def load_folds(
    training: str,
    origins: Sequence[str],
    candidates: Sequence[str],
    outcomes: pa.Table,
    known: Mapping[str, Known] | None = None,
    *,
    by_activity: bool = False,
) -> list[Fold]:
    """The folds at `origins`: predictions below the folder `training`, joined to `outcomes` by user.

    `known` says by origin who the users are. Raises ContractBroken when a candidate did not predict exactly the users
    whose outcomes are known.
    """
    parts = [(origin, outcomes.filter(_equals(outcomes, origin))) for origin in origins]
    folds = [_fold(training, origin, candidates, part, by_activity=by_activity) for origin, part in parts]
    told = known or {}
    return [
        replace(fold, segments=segments_of(told[fold.origin], fold.user_key)) if fold.origin in told else fold
        for fold in folds
    ]


def measure(fold: Fold, candidate: str, predictions: Predictions, horizons_days: Sequence[int]) -> list[Measures]:
    """One row of measures for each horizon."""
    return [_measures(fold, candidate, predictions, h, horizon) for h, horizon in enumerate(horizons_days)]


def _measures(fold: Fold, candidate: str, predictions: Predictions, h: int, horizon_days: int) -> Measures:
    spend, mean = fold.spend[:, h], predictions.mean[:, h]
    bought, p_purchase = fold.purchased[:, h], predictions.p_purchase[:, h]
    lost, p_churn = fold.churned[:, h], predictions.p_churn[:, h]
    active = fold.segments.active if fold.segments else np.zeros(len(spend), bool)
    return Measures(
        origin=fold.origin,
        candidate=candidate,
        horizon_days=horizon_days,
        users=len(spend),
        gini=value.normalised_gini(spend, mean),
        spearman=value.spearman(spend, mean),
        mae=value.mae(spend, predictions.median[:, h]),
        mse=value.mse(spend, mean),
        rmse=value.rmse(spend, mean),
        bias=value.bias(spend, mean),
        total_ratio=value.total_ratio(spend, mean),
        calibration_error=deciles(spend, mean).error,
        top_decile_capture=value.top_decile_capture(spend, mean),
        top_decile_lift=value.top_decile_lift(spend, mean),
        auc_purchase=classification.auc(bought, p_purchase),
        auc_churn=classification.auc(lost, p_churn),
        auc_purchase_active=classification.auc(bought[active], p_purchase[active]),
        auc_churn_active=classification.auc(lost[active], p_churn[active]),
        brier_purchase=classification.brier(bought, p_purchase),
        brier_churn=classification.brier(lost, p_churn),
    )


def _fold(training: str, origin: str, candidates: Sequence[str], outcomes: pa.Table, *, by_activity: bool) -> Fold:
    ordered = outcomes.sort_by("user_key")
    keys = ordered["user_key"].to_numpy()
    predictions = {}
    for candidate in candidates:
        said_for, said = read_predictions(join(training, "predictions", origin, f"{candidate}.parquet"))
        order = np.argsort(said_for, kind="stable")
        if not np.array_equal(said_for[order], keys):
            raise ContractBroken(
                f"candidate {candidate!r} at {origin}: predicted {len(said_for)} users, outcomes are known for "
                f"{len(keys)}, {len(np.intersect1d(said_for, keys))} in common; next: rerun train"
            )
        predictions[candidate] = said.take(order)
    spend = np.cumsum(matrix(ordered["label_spend_minor"]), axis=1)
    purchased = np.maximum.accumulate(matrix(ordered["label_purchased"]), axis=1)
    active = np.maximum.accumulate(matrix(ordered["label_active"]), axis=1) if by_activity else None
    return Fold(origin, keys, spend, purchased, predictions, active=active)


def _equals(table: pa.Table, origin: str) -> npt.NDArray[np.bool_]:
    return np.array([place == origin for place in table["origin"].to_pylist()], bool)
