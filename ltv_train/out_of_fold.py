"""Intervals of past origins, moved by what users of the other half taught, and the correction for what comes next.

May import: NumPy, blend for its halves, conformal. No Spark, no Ray.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ltv_train import blend, conformal
from ltv_train.conformal import Correction
from ltv_train.evaluation import Fold
from ltv_train.predictions import Predictions


def corrected(folds: Sequence[Fold], *, scale_minor: float) -> tuple[dict[str, Correction], list[Fold]]:
    """The correction of every candidate's intervals from all folds, and the folds with intervals moved.

    For the folds users are halved by key and each half is moved by what the other half taught, so that the coverage
    that is reported is of users who did not choose it.
    """
    if not folds:
        return {}, []
    keys = np.concatenate([fold.user_key for fold in folds])
    spend = np.concatenate([fold.spend for fold in folds])
    side, ends = blend.half_of(keys), np.cumsum([0, *(len(fold.user_key) for fold in folds)])
    whole, made = {}, [dict(fold.predictions) for fold in folds]
    for name in folds[0].predictions:
        said = Predictions.concat([fold.predictions[name] for fold in folds])
        if not said.low.shape[1]:
            continue
        whole[name] = conformal.fit_correction(said, spend, keys, scale_minor=scale_minor)
        halves = [np.flatnonzero(side == half) for half in (0, 1)]
        parts = []
        for mine, others in (halves, halves[::-1]):
            taught = conformal.fit_correction(said.take(others), spend[others], keys[others], scale_minor=scale_minor)
            parts.append(taught.applied(said.take(mine)))
        moved = Predictions.concat(parts).take(np.argsort(np.concatenate(halves), kind="stable"))
        for number, predictions in enumerate(made):
            predictions[name] = moved.take(np.arange(ends[number], ends[number + 1]))
    return whole, [replace(fold, predictions=said) for fold, said in zip(folds, made, strict=True)]
