"""Reasons: plain sentences about three different things, for one customer or for all of them."""

import re

import numpy as np
import pytest

from ltv_features.aggregates import NAMES
from ltv_train.classical.trees import FEATURE_NAMES
from ltv_train.explain.reasons import reasons_of
from ltv_train.explain.words import phrase_of
from ltv_train.money import Money

EURO = Money("EUR", 100)
FEATURES = ("orders_30", "orders_90", "spend_90", "recency_days", "stage_lost")


def told(added: list[float], values: list[float], usual: list[float], **asked: int) -> tuple[list[str], list[float]]:
    rows = [np.array([row], np.float64) for row in (added, values)]
    made = reasons_of(*rows, np.array(usual), FEATURES, money=EURO, horizon_days=90, **asked)
    return made.sentences[0], made.factors[0].round(3).tolist()


def test_the_strongest_subjects_come_first_with_value_and_usual_value() -> None:
    sentences, factors = told([0.1, 0.5, 0.3, -0.4, 0.0], [9, 41, 123456, 80, 0], [2, 6, 20050, 12.4, 0])
    assert sentences == [
        "ordered 41 times in the last 90 days (usual: 6)",
        "last ordered 80 days ago (usual: 12 days)",
        "spent EUR 1,235 in the last 90 days (usual: EUR 200)",
    ]
    assert factors == np.exp([0.6, -0.4, 0.3]).round(3).tolist()


def test_a_subject_is_told_once_by_a_feature_that_points_its_way() -> None:
    sentences, factors = told([0.9, -0.2, 0.0, 0.0, 0.0], [9, 41, 0, 0, 0], [2, 6, 0, 0, 0])
    assert sentences == ["ordered 9 times in the last 30 days (usual: 2)", "", ""]
    assert factors == [round(float(np.exp(0.7)), 3), 1.0, 1.0]


def test_a_usual_value_is_told_only_where_no_other_of_the_subject_is_unusual() -> None:
    sentences, _ = told([0.5, 0.2, 0.0, 0.0, 0.0], [2, 41, 0, 0, 0], [2, 6, 0, 0, 0], count=1)
    assert sentences == ["ordered 41 times in the last 90 days (usual: 6)"]
    sentences, _ = told([0.5, -0.2, 0.0, 0.0, 0.0], [2, 41, 0, 0, 0], [2, 6, 0, 0, 0], count=1)
    assert sentences == ["ordered 2 times in the last 30 days, as usual"]


def test_of_what_is_not_known_it_is_told_what_did_not_happen() -> None:
    added, values, usual = np.array([[0.5, 0.3]]), np.array([[np.nan, 0.25]]), np.array([12.0, np.nan])
    made = reasons_of(added, values, usual, ("login_age_days", "redemption_share"), money=EURO, horizon_days=90)
    assert made.sentences[0] == [
        "never logged in (usual: 12 days)",
        "redeemed 25% of the promotions received (usual: unknown)",
    ]


def test_a_row_has_the_same_reasons_in_any_company() -> None:
    chance = np.random.default_rng(1)
    added, values = chance.normal(size=(40, len(FEATURE_NAMES))), chance.integers(0, 90, (40, len(FEATURE_NAMES)))
    asked = dict(names=FEATURE_NAMES, money=EURO, horizon_days=90)
    whole = reasons_of(added, values.astype(float), np.zeros(len(FEATURE_NAMES)), **asked)
    for row in (0, 17, 39):
        alone = reasons_of(added[[row]], values[[row]].astype(float), np.zeros(len(FEATURE_NAMES)), **asked)
        assert alone.sentences[0] == whole.sentences[row]
    assert reasons_of(added[:0], added[:0], added[0], **asked).sentences == []


@pytest.mark.parametrize("name", FEATURE_NAMES)
def test_every_feature_has_a_sentence_that_stands_alone(name: str) -> None:
    for value in (0.0, 0.25, 1.0, 41.0):
        sentence = phrase_of(name, 90).said(value, EURO)
        assert not re.search(r"[{}\[\]|_]|\b(them|those|nan)\b", sentence), sentence
        assert phrase_of(name, 90).value(value, EURO) in sentence


def test_a_feature_without_a_phrase_is_told_by_its_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(__import__("ltv_train.explain.words", fromlist=["_PHRASES"])._PHRASES, "lines_per_order")
    phrase = phrase_of("lines_per_order", 90)
    assert (phrase.subject, phrase.said(2.5, EURO)) == ("lines_per_order", "mean lines of an order: 2.5")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("orders_7", 1, "ordered 1 time in the last 7 days"),
        ("recency_days", 1, "last ordered 1 day ago"),
        ("gap_mean_days", 2.25, "orders every 2.2 days"),
        ("spend_decayed_14", 999, "spent EUR 9.99 lately, money of 14 days ago counting half"),
        ("order_mean", 1_234_567, "spends EUR 12,346 an order"),
        ("discount_share", 0.183, "saves 18% of the price by discounts"),
        ("stage_lost", 1, "nothing heard for more than 90 days: yes"),
        ("anchor_value", 50_000, "orders so far point to EUR 500 in the next 180 days"),
        ("categories", 1, "bought in 1 category lately"),
        ("units_per_order", 1_234.4, "buys 1,234 units an order"),
    ],
)
def test_values_are_written_as_people_write_them(name: str, value: float, sentence: str) -> None:
    assert phrase_of(name, 180).said(value, EURO) == sentence


def test_subjects_are_few_and_hold_every_aggregate() -> None:
    subjects = {phrase_of(name, 90).subject for name in NAMES}
    assert 10 <= len(subjects) <= 16
