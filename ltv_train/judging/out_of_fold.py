"""Chances and intervals of past origins adjusted by what users of the other half taught, and the same for what is next.

May import: NumPy, halves, platt, adjusting. No Spark, no Ray.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ltv_train.adjusting.adjusted import Adjustment
from ltv_train.adjusting.calibration import CALIBRATION
from ltv_train.adjusting.conformal import CONFORMAL, Correction
from ltv_train.judging.conformal_fit import fit_correction
from ltv_train.judging.evaluation import Fold
from ltv_train.judging.halves import half_of
from ltv_train.judging.platt import fit_calibration, would_have_helped
from ltv_train.predictions import Predictions

Adjustments = Mapping[str, Adjustment]
Fit = Callable[[Sequence[Fold]], Adjustment]


def adjusted_folds(
    folds: Sequence[Fold], *, calibrated: Sequence[str], scale_minor: float
) -> tuple[Mapping[str, Adjustments], list[Fold]]:
    """By candidate what all folds teach about it, and the folds with what each candidate says adjusted.

    Chances are corrected of the candidates in `calibrated` alone: what a plain formula says is what its name says. For
    the folds users are halved by key and each half is adjusted by what the other half taught, so that what is reported
    is of users who did not choose by how much; that chances are corrected at all is chosen by everybody.
    """
    whole: dict[str, dict[str, Adjustment]] = {}
    made = list(folds)
    for name in folds[0].predictions if folds else ():
        fits: dict[str, Fit] = {}
        if name in calibrated and would_have_helped(folds, name):
            fits[CALIBRATION] = partial(fit_calibration, name=name)
        if folds[0].predictions[name].low.shape[1]:
            fits[CONFORMAL] = partial(_intervals, name=name, scale_minor=scale_minor)
        whole[name] = {}
        for key, fit in fits.items():  # intervals are moved of chances that are corrected already
            whole[name][key] = fit(made)
            made = _by_the_other_half(made, name, fit)
    return whole, made


def _intervals(folds: Sequence[Fold], name: str, scale_minor: float) -> Correction:
    said = Predictions.concat([fold.predictions[name] for fold in folds])
    spend, keys = (np.concatenate([getattr(fold, part) for fold in folds]) for part in ("spend", "user_key"))
    return fit_correction(said, spend, keys, scale_minor=scale_minor)


def _by_the_other_half(folds: Sequence[Fold], name: str, fit: Fit) -> list[Fold]:
    """The folds with what `name` says of each half of the users adjusted by what the other half taught."""
    halves = [[np.flatnonzero(half_of(fold.user_key) == side) for fold in folds] for side in (0, 1)]
    parts = []
    for mine, others in (halves, halves[::-1]):
        taught = fit([fold.take(rows) for fold, rows in zip(folds, others, strict=True)])
        own = zip(folds, mine, strict=True)
        parts.append([taught.applied(fold.predictions[name].take(rows)) for fold, rows in own])
    made = []
    for fold, first, second, *said in zip(folds, *halves, *parts, strict=True):
        joined = Predictions.concat(said).take(np.argsort(np.concatenate([first, second]), kind="stable"))
        made.append(replace(fold, predictions={**fold.predictions, name: joined}))
    return made
