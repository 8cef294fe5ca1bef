"""Report pages: self-contained, escaped, and strict about their tables."""

import re

import numpy as np
import pytest

from ltv_train import plots
from ltv_train.report import Picture, Row, Section, page


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


def test_names_from_data_are_escaped():
    text = page("<script>", "a & b", [Section("x", columns=["n"], rows=[Row(["<img>"])])], "")
    assert "<script>" not in text
    assert "&lt;img&gt;" in text


def test_a_row_of_the_wrong_width_is_refused():
    with pytest.raises(ValueError, match="2 columns"):
        page("t", "l", [Section("x", columns=["a", "b"], rows=[Row(["only one"])])], "")


def test_every_picture_is_a_png():
    line = np.linspace(0, 1, 5)
    curve = [
        {"step": 1, "train_loss": 1.0, "validation_loss": 1.1},
        {"step": 2, "train_loss": 0.5, "validation_loss": 0.9},
    ]
    for made in (plots.gain_curve({"a": (line, line**0.5)}), plots.learning_curve({"fit": curve})):
        assert made.startswith("data:image/png;base64,iVBOR")
