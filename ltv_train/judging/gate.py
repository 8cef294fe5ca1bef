"""Which candidate may serve: the best that is not worse than the best baseline and production, beyond a stated margin.

With few customers no bound stays within the margin: there, being surely better in one primary and by estimate no worse
in the other is enough.

Procedures are compared on the same past folds, never weights that have seen the test window. Two primaries, declared
beforehand: normalised Gini of the mean and absolute error of the median, longest horizon. Every decision comes with its
reasons as sentences. May import: NumPy, metrics, paired, grades, evaluation. No Spark, no Ray.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ltv_train.config import BLEND, GateSettings
from ltv_train.judging import grades
from ltv_train.judging.evaluation import Fold
from ltv_train.judging.paired import differences
from ltv_train.metrics.value import mae, normalised_gini, spearman
from ltv_train.predictions import Predictions

BASELINE_NAMES = ("all_zero", "mean", "spend_rate", "linear_rfm", "linear_orders", "rfm_cells", "anchor")
_NEAR_TIE = 0.002
"""Within this much skill of the best, the blend goes first: it hangs less on the luck of one member."""
_BOUND = 0.1
_MAE_TO_GINI = 0.25
"""A share of error saved in units of Gini: the rule forgives .005 Gini as easily as 2 % of the error."""
_HELD_VALUE, _MOST_BIAS = 0.95, 0.25
_FRESH = 5
"""So many candidates may be judged by the same test windows."""


@dataclass(frozen=True)
class Comparison:
    """A candidate against one opponent: differences with their one-sided 90 % bounds; above 0 is better.

    `gini_bound` and `mae_bound` are the lower bounds, `surely_worse` says that both upper bounds are below 0, `by_gain`
    that it is not worse by the second rule: see the module.
    """

    candidate: str
    against: str
    gini: float
    gini_bound: float
    mae: float
    mae_bound: float
    not_worse: bool
    better: bool
    surely_worse: bool
    by_gain: bool = False

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        verdict = "better" if self.not_worse and self.better else "not worse" if self.not_worse else "may be worse"
        if self.by_gain:
            verdict += ", for it surely gains in one and by estimate loses in neither"
        return (
            f"{self.candidate} against {self.against}: Gini {self.gini:+.4f} (at least {self.gini_bound:+.4f}), "
            f"error of the median {-self.mae:+.1%} (at most {-self.mae_bound:+.1%}): {verdict}"
        )


@dataclass(frozen=True)
class Verdict:
    """What the gate decided: `promoted` is None where production stays; `best_baseline` is what to fall back to."""

    promoted: str | None
    best_baseline: str
    grade: str
    comparisons: tuple[Comparison, ...]
    reasons: tuple[str, ...]

    @property
    def reason(self) -> str:
        """All reasons in one line."""
        return "; ".join(self.reasons)


def decide(folds: Sequence[Fold], *, production: str | None, settings: GateSettings, seed: int) -> Verdict:
    """The verdict over every candidate that the folds hold; `production` names the procedure that serves now.

    Candidates are tried from the best on. Without production, not being worse than the best baseline suffices; against
    production one primary must improve too, unless the candidate is the same procedure, refitted. Without folds nothing
    can be compared: see `without_folds`.
    """
    skill = skills(folds)
    ranked = sorted(skill, key=lambda name: (-skill[name] - _NEAR_TIE * (name == BLEND), name))
    baseline = next(name for name in ranked if is_baseline(name))
    opponents, reasons = [baseline], [f"best baseline at {len(folds)} past origin(s): {baseline}"]
    if production in skill and production != baseline:
        opponents.append(str(production))
    elif production is not None and production not in skill:
        reasons.append(f"production {production} is no candidate of this run and could not be compared")
    # what serves is held against the baseline whoever is promoted: see after_refit
    made = [compare(folds, name, baseline, settings, seed) for name in opponents[1:]]
    for name in ranked:
        known = {(each.candidate, each.against): each for each in made}
        against = [other for other in opponents if other != name]
        tried = [known.get((name, other)) or compare(folds, name, other, settings, seed) for other in against]
        made += [each for each in tried if each not in made]
        reasons += [comparison.sentence for comparison in tried]
        if _passes(name, tried, production):
            reasons.append(f"{name} is promoted: {_why(name, production, tried)}")
            return Verdict(name, baseline, graded(folds, made, name, baseline), tuple(made), tuple(reasons))
    reasons.append(f"no candidate passed: {production} stays")
    return Verdict(None, baseline, graded(folds, made, str(production), baseline), tuple(made), tuple(reasons))


def without_folds(preferred: str, *, production: str | None) -> Verdict:
    """The verdict where no past origin has matured: `preferred` serves as long as nothing else does, ungraded."""
    promoted = preferred if production in (None, preferred) else None
    reason = f"no past origin has matured, nothing could be compared: {promoted or production} serves"
    return Verdict(promoted, preferred, grades.UNKNOWN, (), (reason,))


def opened(verdict: Verdict, times: int) -> Verdict:
    """The verdict, with a warning where its test windows were looked at so often that the best may be so by luck."""
    if times <= _FRESH:
        return verdict
    spent = f"spent: {times} candidates were judged by these test windows, the numbers of the best flatter"
    return replace(verdict, reasons=(*verdict.reasons, spent))


def after_refit(verdict: Verdict, problems: Sequence[str], *, production: str | None) -> Verdict:
    """The verdict once the refitted model is known: with problems production stays; the best baseline begins where
    nothing served, or what did is surely worse than it.
    """
    if not problems or verdict.promoted is None:
        return verdict
    reasons = [*verdict.reasons, *(f"refit of {verdict.promoted}: {problem}" for problem in problems)]
    if production is not None:
        stays = _instead(verdict, production)
        if stays != grades.WORSE:
            return replace(verdict, promoted=None, grade=stays, reasons=(*reasons, f"held: {production} stays"))
        reasons.append(f"{production} is surely worse than {verdict.best_baseline}")
    first = verdict.best_baseline
    begins = _instead(verdict, first)
    return replace(verdict, promoted=first, grade=begins, reasons=(*reasons, f"held: {first} begins"))


def refit_problems(
    backtest: Predictions, refit: Predictions, settings: GateSettings, *, told: float = 1.0
) -> list[str]:
    """Why a refitted model must not follow its back-test model; both spoke about the same users now. Empty: it may.

    Ranks are compared among those who hold nearly all of the value that the back-test model sees: the order of the rest
    is noise. `told`: what it had said at the newest past origin, as a multiple of what was spent then; a refit may mend
    that bias, up to a quarter, and still be calm.
    """
    old, new = backtest.mean[:, -1], refit.mean[:, -1]
    problems = []
    order = np.argsort(-old, kind="stable")
    holders = order[: 1 + int(np.searchsorted(np.cumsum(old[order]), _HELD_VALUE * old.sum()))]
    rank = spearman(old[holders], new[holders])
    if np.ptp(old[holders]) > 0 and not rank >= settings.min_refit_spearman:
        problems.append(f"rank correlation with the back-test model {rank:.3f}, expected {settings.min_refit_spearman}")
    shift = float(new.sum() / old.sum() - 1) if old.sum() > 0 else float(new.sum() > 0)
    mended = float(np.clip(1 / told if told > 0 else 1.0, 1 - _MOST_BIAS, 1 + _MOST_BIAS)) - 1
    beyond = max(shift - max(mended, 0.0), min(mended, 0.0) - shift)
    if not beyond <= settings.max_refit_total_shift:
        allowed = f"{min(mended, 0.0) - settings.max_refit_total_shift:+.0%} to "
        allowed += f"{max(mended, 0.0) + settings.max_refit_total_shift:+.0%}"
        problems.append(f"total moved by {shift:+.1%}, expected within {allowed}")
    return problems


def is_baseline(name: str) -> bool:
    """Whether a candidate is one of the simple ones that must be beaten."""
    return name in BASELINE_NAMES or (name.startswith("last_") and name.endswith("_days"))


def skills(folds: Sequence[Fold]) -> Mapping[str, float]:
    """One number a candidate to order them by: Gini, plus a quarter of the share of error saved against all zero."""
    made = {}
    for name in folds[0].predictions:
        each = []
        for fold in folds:
            truth, said = fold.spend[:, -1], fold.predictions[name]
            zero = mae(truth, np.zeros(len(truth)))
            saved = 1 - mae(truth, said.median[:, -1]) / zero if zero > 0 else 0.0
            rank = normalised_gini(truth, said.mean[:, -1])
            each.append((rank if np.isfinite(rank) else 0.0) + _MAE_TO_GINI * saved)
        made[name] = float(np.mean(each))
    return made


def compare(folds: Sequence[Fold], name: str, against: str, settings: GateSettings, seed: int) -> Comparison:
    """`name` against `against` on the same users of all folds."""
    found = differences(folds, name, against, draws=settings.bootstrap, seed=seed)
    gini_bound, mae_bound = found.gini_bound(_BOUND), found.mae_bound(_BOUND)
    within = gini_bound > -settings.max_gini_loss and mae_bound > -settings.max_mae_loss
    gained = max(gini_bound, mae_bound) > 0 and min(found.gini, found.mae) >= 0
    not_worse = bool(within or gained)
    better = bool(found.gini > 0 or found.mae > 0)
    worse = bool(max(found.gini_bound(1 - _BOUND), found.mae_bound(1 - _BOUND)) < 0)
    bounds = (found.gini, gini_bound, found.mae, mae_bound)
    return Comparison(name, against, *bounds, not_worse, better, worse, by_gain=bool(gained and not within))


def _passes(name: str, tried: Sequence[Comparison], production: str | None) -> bool:
    if not all(comparison.not_worse for comparison in tried):
        return False
    must_improve = production is not None and name != production
    return not must_improve or all(comparison.better for comparison in tried)


def _why(name: str, production: str | None, tried: Sequence[Comparison]) -> str:
    if not tried:
        return "it is the best baseline"
    if name == production:
        return "the procedure that serves, refitted on newer data"
    return "not worse than its opponents" + (" and better in a primary" if production else "; nothing served before")


def graded(folds: Sequence[Fold], made: Sequence[Comparison], name: str, best_baseline: str) -> str:
    """The grade of `name`; U where the newest fold has too few users or buyers to say, whatever was compared."""
    return _grade(made, name, best_baseline) if grades.enough(folds[-1]) else grades.UNKNOWN


def _grade(made: Sequence[Comparison], name: str, best_baseline: str) -> str:
    """The grade against the best baseline, which has B itself; U where it was not compared with it."""
    if name == best_baseline:
        return grades.letter(surely_better=False, surely_worse=False)
    mine = next((each for each in made if (each.candidate, each.against) == (name, best_baseline)), None)
    if mine is None:
        return grades.UNKNOWN
    return grades.letter(surely_better=min(mine.gini_bound, mine.mae_bound) > 0, surely_worse=mine.surely_worse)


def _instead(verdict: Verdict, name: str) -> str:
    """The grade of `name` where it serves instead of the promoted one, which is U when people are too few."""
    unknown = verdict.grade == grades.UNKNOWN
    return grades.UNKNOWN if unknown else _grade(verdict.comparisons, name, verdict.best_baseline)
