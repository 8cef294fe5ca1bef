"""Report pages: self-contained, escaped, and strict about their tables."""

import base64
import re

import numpy as np
import pytest

from ltv_train import plots
from ltv_train.report import Picture, Row, Section, Table, page


def test_a_page_holds_its_tables_and_pictures_and_fetches_nothing():
    deciles = np.linspace(100, 10, 10)
    picture = plots.calibration(deciles, deciles * 0.9, unit="USD")
    section = Section(
        "Back-test", ["One fold."], ["candidate", "Gini"], [Row(["lstm", ".87"], True)], [Picture(picture, "deciles")]
    )
    text = page("Night", "All is well", [section], "made by evaluate")
    assert '<tr class="chosen"><td>lstm</td><td>.87</td></tr>' in text.replace("\n", "")
    addresses = re.findall(r'(?:src|href)="([^"]{0,30})', text)
    assert addresses
    assert all(address.startswith("data:") for address in addresses)


def test_a_column_of_sentences_stands_left_as_a_whole():
    rows = [Row(["1", "short"]), Row(["2", "a sentence that is longer than any number with its interval"])]
    text = page("t", "l", [Section("x", columns=["n", "meaning"], rows=rows)], "")
    assert '<th scope="col">n</th><th scope="col" class="words">meaning</th>' in text
    assert '<td>1</td><td class="words">short</td>' in text
    assert '<td>2</td><td class="words">a sentence' in text


def test_names_from_data_are_escaped():
    text = page("<script>", "a & b", [Section("x", columns=["n"], rows=[Row(["<img>"])])], "")
    assert "<script>" not in text
    assert "&lt;img&gt;" in text


def test_a_row_of_the_wrong_width_is_refused():
    with pytest.raises(ValueError, match="2 columns"):
        page("t", "l", [Section("x", columns=["a", "b"], rows=[Row(["only one"])])], "")


def test_every_picture_is_drawn_as_svg_and_the_same_numbers_give_the_same_bytes():
    line, tenths = np.linspace(0, 1, 5), np.linspace(0, 1, 10)
    curve = [
        {"step": 1, "train_loss": 1.0, "validation_loss": 1.1},
        {"step": 2, "train_loss": 0.5, "validation_loss": 0.9},
    ]
    drawings = (
        lambda: plots.gain_curve({"a": (line, line**0.5)}),
        lambda: plots.learning_curve({"fit": curve}),
        lambda: plots.residuals(np.tile(np.arange(5.0), (10, 1)), unit="EUR"),
        lambda: plots.reliability({"a": (tenths, tenths**2)}),
        lambda: plots.confusion([[5, 1], [2, 0]], said=("yes", "no"), happened=("buys", "does not")),
        lambda: plots.standings({"a": (0.1, 0.0, 0.2), "b": (0.0, -0.1, 0.1)}, unit="Gini", chosen="a"),
        lambda: plots.lifts({"a": tenths[::-1] * 3}),
    )
    for draw in drawings:
        made = draw()
        assert base64.b64decode(made.removeprefix("data:image/svg+xml;base64,")).rstrip().endswith(b"</svg>")
        assert draw() == made


def test_numbers_that_mean_nothing_are_left_out_of_a_picture():
    nothing = np.full(10, np.nan)
    for made in (plots.reliability({"a": (nothing, nothing)}), plots.residuals(np.full((10, 5), np.nan), unit="EUR")):
        assert b"nan" not in base64.b64decode(made.removeprefix("data:image/svg+xml;base64,")).lower()


def test_a_long_page_has_contents_that_lead_to_its_sections():
    text = page("t", "l", [Section(f"Part {n}: a & b") for n in range(4)] + [Section("Small", plain=True)], "")
    places = re.findall(r'<a href="#([^"]+)">', text)
    assert places == [f"part-{n}-a-b" for n in range(4)]
    assert set(places) < set(re.findall(r'<section id="([^"]+)"', text))


def test_a_section_may_have_several_tables_and_all_are_checked():
    tables = [Table("first", ["a"], [Row(["1"])]), Table("second", ["b"], [Row(["2"])])]
    text = page("t", "l", [Section("x", tables=tables, notes=["in small print"])], "")
    assert text.index("first") < text.index("second") < text.index("in small print")
    assert text.count('<div class="scroll"') == 2
    with pytest.raises(ValueError, match="1 columns"):
        page("t", "l", [Section("x", tables=[Table("", ["a"], [Row(["1", "2"])])])], "")


def test_the_page_itself_forbids_scripts_and_anything_from_elsewhere():
    text = page("t", "l", [], "")
    assert "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"" in text
