"""The report pages in a real browser: nothing is logged or fetched, all pictures are drawn, nothing is cut off.

Looked at are the pages of a back-test with its explanation, of an outcome, and of top customers: wide, on a phone, in
the dark and on paper. Screenshots lie in the test's folder; where LTV_SCREENSHOTS names one, they are copied there.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ltv_features import files
from ltv_train import promotion
from ltv_train.cards import DataCard, LogFacts, ModelCard
from ltv_train.config import ExplainSettings
from ltv_train.explain.night import Past, Published, explain
from ltv_train.explain.sections import customers_page, sections
from ltv_train.judging import backtest
from ltv_train.judging.evaluation import measure
from ltv_train.money import Money
from ltv_train.pages.outcome import outcome_page
from ltv_train.plots import gain_curve
from ltv_train.predict import open_predictor
from ltv_train.report import Picture, Section, page
from tests.backtest_world import ORIGINS, SETTINGS, USERS, an_outcome, known, what_happened, write_training
from tests.browser import NAMES, Page, find_browser, open_browser
from tests.explain_world import SaysByTokens, blended, boosters, column, installed
from tests.network_world import some_world
from tests.value_world import HORIZONS, some_examples

BROWSER = find_browser()
VIEWS = {
    "wide": {"width": 1280},
    "phone": {"width": 390, "mobile": True},
    "dark": {"width": 1280, "scheme": "dark"},
    "paper": {"width": 700, "media": "print"},
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        BROWSER is None and os.environ.get("LTV_BROWSER_TESTS") != "required",
        reason=f"no browser: none of {', '.join(NAMES)} is on PATH (Debian: apt-get install chromium)",
    ),
]
DATA = DataCard(
    log=LogFacts("2025-01-01", "2026-02-25", 150, 120, {"purchase": 1_000, "view": 12_000}),
    table_versions={"events": 3},
    origins=ORIGINS[:-1],
    cutoffs=("2025-11-01", "2025-11-08"),
    examples={"train": 200, "validation": 20, "slice": 120},
    features=60,
    input_digest="0123456789abcdef",
)
MONEY = Money("EUR", 100)
PICTURES = {
    "evaluation": [
        *(
            "Ranking against anchor: right of the line is better",
            "Error of the median against anchor",
            "Means, boosting_g",
        ),
        *("Gain: spend caught by the customers ranked first", "Lift by decile", "Residuals by decile of the promise"),
        *("Reliability, purchase within 90 days", "boosting_g, 90 days: buys", "boosting_g, 90 days: buys"),
        *("Reliability, churn within 90 days", "boosting_g, 90 days: is lost", "boosting_g, 90 days: is lost"),
        "Rank quality lost without a part",
        *("Features, by how much they move", "A point a customer; colour: the feature's value"),
        "lstm: loss by step, one colour a fit",
    ],
    "outcome": [
        *("Ranking against published: right of the line is better", "Error of the median against published"),
        *("Means, published", "Gain: spend caught by the customers ranked first", "Lift by decile"),
        *("Residuals by decile of the promise", "Reliability, purchase within 90 days"),
        *("published, 90 days: buys", "published, 90 days: buys", "Reliability, churn within 90 days"),
        *("published, 90 days: is lost", "published, 90 days: is lost"),
    ],
    "customers": [],
}
"""Every caption, without the threshold at its end."""
MODEL = ModelCard("blend", "blend", {"lstm": 0.5, "boosting_g": 0.5}, "a" * 64, "train-0123", "fedcba9876543210")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    assert BROWSER is not None, "a browser is required here and none was found"
    with open_browser(BROWSER, tmp_path_factory.mktemp("browser") / "profile") as opened:
        yield opened


def explanation(folder: Path) -> tuple[list[Section], str]:
    """All that can be explained of a blend of two boosters and what stands for a network; the page of top customers."""
    world, _ = some_world(USERS, signal=1.0, seed=9)
    world.tokens["age_days"][:] = np.arange(len(world.tokens["age_days"])) % 120
    ahead = replace(some_examples(USERS, seed=9), offsets=world.offsets, tokens=world.tokens)
    models = {name: (open_predictor(one), 0.475) for name, one in boosters(folder, seeds=1).items()}
    mixed = blended(lstm=(SaysByTokens(), 0.05), **models)
    told = explain(
        Published("blend", installed(mixed), ahead, {}),
        Past(ORIGINS[1], mixed, ahead, column(ahead, "spend")),
        horizons_days=HORIZONS,
        money=MONEY,
        category_names={1: "Outdoor clothing, shoes and tents for two and more"},
        settings=ExplainSettings(customers=60, shuffles=2, top_customers=4),
    )
    ids = [f"customer-with-a-long-id-{key:032x}" for key in told.customers.rows]
    return sections(told, MONEY), customers_page(told, ids, MONEY, as_of=ORIGINS[-1])


def backtest_page(folder: Path, why: list[Section]) -> str:
    """Everything that the page of a back-test can show."""
    run = write_training(folder)
    who, settings = known(attributes=True), SETTINGS
    made = backtest.judge(str(folder), run, what_happened(), production=None, settings=settings, seed=1, known=who)
    return promotion.report(made, as_of=ORIGINS[-1], money=MONEY, why=why, data=DATA, model=MODEL)


def page_of_an_outcome() -> str:
    fold = an_outcome()
    rows = [row for name, said in fold.predictions.items() for row in measure(fold, name, said, [90])]
    return outcome_page(rows, {90: fold}, night=fold.origin, currency="EUR", published="published")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    why, customers = explanation(folder / "boosters")
    pages = {"evaluation": backtest_page(folder / "training", why), "outcome": page_of_an_outcome()}
    made = {}
    for name, html in (pages | {"customers": customers}).items():
        made[name] = folder / f"{name}.html"
        files.write_bytes(str(made[name]), html.encode())
    return made


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", PICTURES)
def test_the_page_is_quiet_whole_and_nothing_is_cut_off(
    browser: Page, written: dict[str, Path], tmp_path: Path, name: str, view: str
) -> None:
    browser.look(**VIEWS[view])
    browser.open(written[name])
    assert browser.messages == []
    assert [address for address in browser.requests if not address.startswith("data:")] == [written[name].as_uri()]
    assert browser.ask("[...document.images].every(image => image.naturalWidth > 0)")
    captions = browser.ask("[...document.querySelectorAll('figure')].map(each => each.textContent)")
    assert [re.sub(r" from a probability of \S+ on$", "", caption) for caption in captions] == PICTURES[name]
    assert browser.ask("document.images.length") == len(captions)
    assert cut_off(browser, paper=view == "paper") == []
    assert "|" not in browser.ask("document.body.innerText")  # a choice that was left open, as in [time|times]
    browser.screenshot(tmp_path / f"{name}_{view}.png")
    assert (tmp_path / f"{name}_{view}.png").stat().st_size > 20_000
    if place := os.environ.get("LTV_SCREENSHOTS"):
        shutil.copy(tmp_path / f"{name}_{view}.png", place)


CUT_OFF = """
(paper => {
    const wide = document.documentElement.clientWidth;
    const inside = e => !paper && e.parentElement && e.parentElement.closest(".scroll");
    const right = e => {
        if (e.tagName != "CAPTION") return inside(e) ? 0 : e.getBoundingClientRect().right;
        const words = document.createRange();
        words.selectNodeContents(e);
        return words.getBoundingClientRect().right;
    };
    return [...document.querySelectorAll("body *")]
        .filter(e => right(e) > wide + 1)
        .map(e => `${e.tagName} ${e.textContent.slice(0, 40)}`);
})
"""


def cut_off(browser: Page, *, paper: bool) -> list[str]:
    """What reaches beyond the page: on a screen a table may be wider than its box, which scrolls, but not the words of
    its caption; on paper nothing.
    """
    found: list[str] = browser.ask(f"{CUT_OFF}({str(paper).lower()})")
    wider: bool = browser.ask("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return found + ["the page scrolls sideways"] * wider


def test_the_contents_lead_to_every_section_and_tables_have_heads(browser: Page, written: dict[str, Path]) -> None:
    browser.open(written["evaluation"])
    assert browser.ask("[...document.querySelectorAll('nav a')].every(a => document.querySelector(a.hash))")
    assert browser.ask("[...document.querySelectorAll('table')].every(t => t.tHead && t.tHead.rows.length == 1)")
    assert browser.ask("new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size") == browser.ask(
        "document.querySelectorAll('[id]').length"
    )


def test_a_page_in_the_dark_is_dark_and_its_words_are_not(browser: Page, written: dict[str, Path]) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        browser.look(width=1280, scheme=scheme)
        browser.open(written["evaluation"])
        rgb = browser.ask(
            "['backgroundColor', 'color'].map(n => getComputedStyle(document.body)[n].match(/[0-9]+/g).map(Number))"
        )
        colours[scheme] = [sum(channels[:3]) / 3 for channels in rgb]
    assert colours["light"][0] > 200 > 100 > colours["light"][1]
    assert colours["dark"][0] < 50 < 200 < colours["dark"][1]


def test_the_check_sees_a_picture_that_is_broken_a_script_and_a_page_that_is_too_wide(
    browser: Page, tmp_path: Path
) -> None:
    line = np.linspace(0, 1, 3)
    whole = page("t", "l", [Section("x", figures=[Picture(gain_curve({"a": (line, line)}), "gain")])], "")
    spoilt = whole.replace(
        "<main>", '<main><script>1</script><p style="width:3000px">wide</p><img src="http://127.0.0.1:9/x">'
    )
    spoilt = spoilt.replace('src="data:image/svg+xml;base64,', 'src="data:image/svg+xml;base64,broken')
    (tmp_path / "spoilt.html").write_text(spoilt)
    browser.look(width=390, mobile=True)
    browser.open(tmp_path / "spoilt.html")
    assert any("Content Security Policy" in message for message in browser.messages)
    assert browser.ask("[...document.images].map(image => image.naturalWidth)") == [0, 0]
    assert cut_off(browser, paper=False) != []
