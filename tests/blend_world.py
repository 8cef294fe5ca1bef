"""Folds at which the members of a blend differ in what they are good at."""

import numpy as np

from ltv_train.judging.evaluation import Fold
from ltv_train.predictions import Predictions

SCALE = 1000.0


def said(mean: np.ndarray, median: np.ndarray) -> Predictions:
    p = np.full((len(mean), 1), 0.5)
    return Predictions(mean[:, None], median[:, None], p, 1 - p)


def some_fold(seed: int, users: int = 400, noise: tuple[float, float, float] = (0.1, 2.0, 2.0)) -> Fold:
    """Member g ranks well and member e has the better median; the third one is noise in both."""
    chance = np.random.default_rng(seed)
    truth = 1000 * np.exp(chance.normal(size=users))
    guess = [truth * np.exp(size * chance.normal(size=users)) for size in (*noise, *noise[::-1])]
    parts = {"g": said(guess[0], guess[3]), "e": said(guess[1], guess[5]), "n": said(guess[2], guess[4])}
    return Fold(f"fold {seed}", np.arange(users) * 7_919, truth[:, None], np.ones((users, 1)), parts)
