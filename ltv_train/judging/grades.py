"""One letter for a score beside a simple one: A is surely better in both primaries, C surely worse in both, B neither.

U where customers or buyers are too few to say. Surely means by a one-sided bound: of 90 % where the gate decides, and
of 95 %, an end of the interval that the page shows, once the outcome is known. May import: evaluation, uncertainty.
"""

from collections.abc import Mapping

from ltv_train.judging import uncertainty
from ltv_train.judging.evaluation import Fold
from ltv_train.judging.uncertainty import Standing

UNKNOWN, WORSE = "U", "C"
MEANINGS = {
    "A": "surely better than it in both primaries",
    "B": "neither surely better nor surely worse than it",
    "C": "surely worse than it in both primaries",
    "U": "not graded, for there are too few users or buyers, or it was not compared with it",
}
"""Of each letter, `it` being the simple score that it is held against."""
_MIN_USERS, _MIN_BUYERS = 500, 50


def enough(fold: Fold) -> bool:
    """Whether a fold has the users and, at its longest horizon, the buyers without which no grade is given."""
    buyers = int((fold.purchased[:, -1] > 0).sum())
    return len(fold.user_key) >= _MIN_USERS and buyers >= _MIN_BUYERS


def letter(*, surely_better: bool, surely_worse: bool) -> str:
    """A, B or C; `surely` of both primaries."""
    return "A" if surely_better else WORSE if surely_worse else "B"


def of_standing(fold: Fold, standing: Standing) -> str:
    """The grade of a candidate from what it gained on another, once `fold` has happened."""
    gains = (standing.gini_gain, standing.mae_saved)
    better, worse = all(gain.low > 0 for gain in gains), all(gain.high < 0 for gain in gains)
    return letter(surely_better=better, surely_worse=worse) if enough(fold) else UNKNOWN


def afterwards(folds: Mapping[int, Fold], published: str) -> dict[int, tuple[str, str]]:
    """By horizon the grade of the published score and the naive rule that it is held against; empty without one."""
    made = {}
    for days, fold in folds.items():
        for naive in [name for name in fold.predictions if name.startswith("last_")][:1]:
            sure = uncertainty.afterwards({days: fold}, naive)[days]
            mine = next(each for each in sure if each.candidate == published)
            made[days] = of_standing(fold, mine), naive
    return made
