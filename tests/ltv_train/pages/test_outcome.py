"""The page of an outcome: who was better than the published score, and how sure that is."""

import re
from dataclasses import replace

import numpy as np
import pytest

from ltv_train.judging.evaluation import Fold, measure
from ltv_train.judging.uncertainty import Interval, standings
from ltv_train.pages.outcome import outcome_page
from ltv_train.predictions import Predictions
from tests.backtest_world import an_outcome

DAYS = 90


def page_of(fold: Fold) -> str:
    rows = [row for name, said in fold.predictions.items() for row in measure(fold, name, said, [DAYS])]
    html = outcome_page(rows, {DAYS: fold}, night=fold.origin, currency="EUR", published="published")
    return html.replace("\n", "")


def cell(of: Interval, spec: str) -> str:
    return f"<td>{of.value:{spec}} ({of.low:{spec}} to {of.high:{spec}})</td>"


def test_every_candidate_stands_with_its_interval_against_the_published_score() -> None:
    fold = an_outcome()
    html, told = page_of(fold), standings([fold], "published", draws=200, seed=1)
    assert '<th scope="col">Gini against published</th>' in html
    for each in told:
        gains = cell(each.gini_gain, "+.4f") + cell(each.mae_saved, "+.1%")
        if each.candidate == "published":
            gains = "<td>-</td><td>-</td>"
        assert f"<td>{each.candidate}</td>{cell(each.gini, '.4f')}{cell(each.mae, '.2f')}{gains}" in html


def test_better_by_luck_and_better_for_sure_are_told_apart() -> None:
    fold = an_outcome()
    published = fold.predictions["published"]
    sharp, lucky = 0.9 * fold.spend + 0.1 * published.mean, published.median.copy()
    lucky[fold.spend.argmax()] += 1
    said = {
        "published": published,
        "sharp": Predictions(sharp, sharp, published.p_purchase, published.p_churn),
        "lucky": replace(published, median=lucky),
    }
    html = page_of(replace(fold, predictions=said))
    assert "<p>Better in error of the median: lucky, sharp; with a whole interval above 0: sharp.</p>" in html
    assert "<p>Better in Gini: sharp; with a whole interval above 0: sharp.</p>" in html


def test_a_published_score_that_stands_alone_has_its_interval_and_no_picture_of_others() -> None:
    fold = an_outcome()
    html = page_of(replace(fold, predictions={"published": fold.predictions["published"]}))
    assert "Better in Gini: none of the candidates." in html
    assert len(re.findall("<figcaption>", html)) == len(re.findall("<figcaption>", page_of(fold))) - 2


@pytest.mark.parametrize(
    ("users", "better", "worse", "grade"),
    [(800, "published", "mean", "A"), (800, "mean", "published", "C"), (800, "published", "published", "B"),
     (800, "hardly", "published", "B"), (300, "published", "mean", "U")],
)  # fmt: skip
def test_the_published_score_is_graded_against_the_last_days_again(users, better, worse, grade) -> None:
    fold = an_outcome(users)
    rule = fold.predictions["published"]
    nudged = rule.median + 0.002 * (fold.spend - rule.median) * (np.random.default_rng(1).random((users, 1)) < 0.6)
    hardly = replace(rule, mean=rule.mean + 0.2 * np.random.default_rng(0).normal(size=(users, 1)), median=nudged)
    fold = replace(fold, predictions={**fold.predictions, "hardly": hardly})
    said = {"published": fold.predictions[better], "last_90_days": fold.predictions[worse]}
    assert f"<p>90 days: grade {grade} against last_90_days.</p>" in page_of(replace(fold, predictions=said))
