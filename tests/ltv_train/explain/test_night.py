"""The explanation of a night, from models whose mind is known, and what its pages say and do not say."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ltv_features.aggregates import NAMES
from ltv_features.project import Examples
from ltv_train.config import ExplainSettings
from ltv_train.explain.night import FEATURES, Explanation, Past, Published, explain, sample
from ltv_train.explain.sections import customers_page, sections
from ltv_train.money import Money
from ltv_train.predict import open_predictor
from ltv_train.predictions import Predictor
from ltv_train.report import page
from tests.explain_world import Says, SaysByTokens, blended, boosters, column, installed
from tests.network_world import some_world
from tests.value_world import HORIZONS, some_examples

EURO = Money("EUR", 100)
SETTINGS = ExplainSettings(customers=60, shuffles=2, top_customers=4)


def told_of(predictor: Predictor, ahead: Examples, past: Past | None = None, **boosted: Predictor) -> Explanation:
    published = Published("blend", predictor, ahead, boosted)
    return explain(published, past, horizons_days=HORIZONS, money=EURO, category_names={}, settings=SETTINGS)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Predictor]:
    return {name: open_predictor(one) for name, one in boosters(tmp_path_factory.mktemp("boosters")).items()}


def test_the_boosters_of_a_blend_speak_by_their_weight_and_agree_with_it(models: dict[str, Predictor]) -> None:
    ahead = some_examples(80, seed=9)
    mixed = blended(boosting_g=(models["boosting_g"], 0.6), boosting_e=(models["boosting_e"], 0.4))
    for serves in (mixed, installed(mixed)):
        told = told_of(serves, ahead)
        assert told.boosted is not None
        assert (told.boosted.members, told.boosted.inside) == ({"boosting_g": 0.6, "boosting_e": 0.4}, True)
        assert told.boosted.agreement > 0.99
        assert told.boosted.parts.horizon_days == 90


def test_the_customers_shown_are_those_with_the_highest_published_value(models: dict[str, Predictor]) -> None:
    ahead = some_examples(80, seed=9)
    told = told_of(models["boosting_g"], ahead)
    said = models["boosting_g"].predict(ahead).mean[:, -1]
    np.testing.assert_array_equal(told.customers.rows, np.argsort(-said)[:4])
    np.testing.assert_array_equal(told.customers.said.mean[:, -1], np.sort(said)[::-1][:4])
    assert told.customers.reasons is not None
    html = customers_page(told, list("abcd"), EURO, as_of="2026-01-01")
    for place, sentences in enumerate(told.customers.reasons.sentences):
        assert len(sentences) == 3
        assert all(f"<p>× {told.customers.reasons.factors[place, n]:.2f}: {said}</p>" in html
                   for n, said in enumerate(sentences))  # fmt: skip
    own = told.boosted.of(told.customers.rows)
    scale = models["boosting_g"].offsets[-1].money_scale_minor
    np.testing.assert_allclose(np.exp(own.log_mean) * scale, said[told.customers.rows], rtol=0.05)


def test_reasons_of_boosters_that_rank_otherwise_are_hidden_and_that_is_said(models: dict[str, Predictor]) -> None:
    ahead = some_examples(80, seed=9)
    stranger = Says(lambda e: (e.user_key * 7_919.0) % 1_009)
    told = told_of(stranger, ahead, **models)
    assert told.boosted is not None
    assert abs(told.boosted.agreement) < 0.8
    assert told.customers.reasons is None
    html = page("t", "l", sections(told, EURO), "") + customers_page(told, list("abcd"), EURO, as_of="2026-01-01")
    assert "no member of the published model" in html
    assert "Below 0.8 their reasons are not the score&#39;s, and are not shown." in html
    assert "reason 1" not in html
    assert "moves the value by" not in html


def test_boosters_that_are_no_members_speak_where_they_agree(models: dict[str, Predictor]) -> None:
    ahead = some_examples(80, seed=9)
    told = told_of(Says(lambda e: models["boosting_e"].predict(e).mean[:, -1] ** 2), ahead, **models)
    assert told.boosted is not None
    assert (told.boosted.inside, told.boosted.trusted) == (False, True)
    assert told.customers.reasons is not None


def test_only_a_network_with_a_say_is_asked_about_the_sequence(models: dict[str, Predictor]) -> None:
    ahead, _ = some_world(50, signal=1.0, seed=2)
    ahead.tokens["age_days"][:] = 10.0
    reads = told_of(installed(blended(lstm=(SaysByTokens(), 0.5), boosting_e=(models["boosting_e"], 0.5))), ahead)
    assert {effect.group: effect.total < 0 for effect in reads.effects if effect.events} == dict.fromkeys(
        [e.group for e in reads.effects if e.events], True
    )
    assert (reads.customers.without_recent < reads.customers.said.mean[:, -1]).all()
    silent = told_of(blended(lstm=(SaysByTokens(), 0.0), boosting_e=(models["boosting_e"], 1.0)), ahead)
    assert silent.effects == ()
    assert np.isnan(silent.customers.without_recent).all()
    assert any("reads no sequence of events" in line for line in silent.missing)


def test_rank_quality_is_taken_apart_at_the_past_origin(models: dict[str, Predictor]) -> None:
    before = some_examples(80, seed=11)
    past = Past("2025-12-01", Says(lambda e: column(e, "order_mean")), before, column(before, "order_mean"))
    told = told_of(models["boosting_g"], some_examples(20, seed=9), past)
    assert told.importance is not None
    assert next(iter(told.importance.lost)) == "size of orders"
    assert (told.importance.users, told.importance.gini) == (60, 1.0)


def test_the_features_that_shap_puts_first_are_also_dealt_out_one_by_one(models: dict[str, Predictor]) -> None:
    before = some_examples(80, seed=11)
    past = Past("2025-12-01", Says(lambda e: column(e, "order_mean")), before, column(before, "order_mean"))
    told = told_of(models["boosting_e"], some_examples(80, seed=9), past)
    assert told.boosted is not None
    assert told.alone is not None
    parts = told.boosted.parts
    first = [parts.names[i] for i in np.argsort(-parts.strength, kind="stable")[:FEATURES] if parts.strength[i] > 0]
    assert set(told.alone.lost) == set(first) & set(NAMES)
    assert {name for name, lost in told.alone.lost.items() if lost} == {"order_mean"}
    html = page("t", "l", sections(told, EURO), "").replace("\n", "")
    lost, spread = told.alone.lost["order_mean"], told.alone.spread["order_mean"]
    assert re.search(rf"<td>order_mean</td>(<td[^>]*>[^<]*</td>){{3}}<td>\{lost:+.4f} ± {spread:.4f}</td>", html)
    assert re.search(r"<td>anchor_value</td>(<td[^>]*>[^<]*</td>){3}<td>-</td>", html)


def test_features_are_dealt_out_where_shap_of_another_model_is_hidden(models: dict[str, Predictor]) -> None:
    ahead = some_examples(80, seed=9)
    stranger = Says(lambda e: (e.user_key * 7_919.0) % 1_009)
    told = told_of(stranger, ahead, Past("2025-12-01", stranger, ahead, column(ahead, "spend")), **models)
    html = page("t", "l", sections(told, EURO), "")
    assert '<th scope="col">Gini lost</th>' in html
    assert "moves the value by" not in html


def test_a_night_without_past_booster_or_customer_is_explained_as_far_as_it_goes() -> None:
    nobody = some_examples(5, seed=1).take(np.zeros(0, np.int64))
    told = told_of(Says(lambda e: np.zeros(len(e))), nobody)
    assert len(told.missing) == 3
    assert (told.importance, told.boosted, len(told.customers.rows)) == (None, None, 0)
    html = page("t", "l", sections(told, EURO), "")
    assert "no past origin of this procedure has matured" in html
    assert "The 0 customers" in customers_page(told, [], EURO, as_of="2026-01-01")


def test_the_pages_name_customers_only_where_they_are_for_people_inside(models: dict[str, Predictor]) -> None:
    ahead, _ = some_world(50, signal=1.0, seed=2)
    mixed = blended(lstm=(SaysByTokens(), 0.5), boosting_e=(models["boosting_e"], 0.5))
    before = some_examples(80, seed=11)
    told = told_of(mixed, ahead, Past("2025-12-01", models["boosting_g"], before, column(before, "spend")))
    told = replace(told, boosted=replace(told.boosted, agreement=0.93))
    ids = [f"customer-{key}" for key in ahead.user_key[told.customers.rows]]
    report = page("t", "l", sections(told, EURO), "")
    assert not re.search(r"customer-\d|\bu\d+\b", re.sub(r'src="[^"]*"', "", report))
    for heading in ("What the score listens to", "Features, by the boosting model", "What the sequence of events is"):
        assert heading in report
    assert report.count('<img alt="') == 3
    inside = customers_page(told, ids, EURO, as_of="2026-01-01")
    assert re.findall(r"<h2>\d+\. (customer-\d+): EUR [\d,]+</h2>", inside) == ids
    assert "Without the events of the last 30 days: EUR" in inside
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", report + inside)


def test_the_sample_is_the_same_every_time_and_whole_where_it_can_be() -> None:
    assert sample(3, 10).tolist() == [0, 1, 2]
    assert sample(1_000, 10).tolist() == sample(1_000, 10).tolist()
    assert len(set(sample(1_000, 10).tolist())) == 10
    assert (np.diff(sample(1_000, 100)) > 0).all()


def test_a_model_without_boosters_around_says_so(tmp_path: Path) -> None:
    told = told_of(Says(lambda e: column(e, "spend")), some_examples(20, seed=1))
    assert any("No boosting model" in line for line in told.missing)
