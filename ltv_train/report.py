"""Self-contained HTML pages: a title, sections of sentences, tables and pictures; nothing is fetched from elsewhere."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import jinja2


@dataclass(frozen=True)
class Row:
    """One row of a table, cells already written out; `chosen` marks the one the page is about."""

    cells: Sequence[str]
    chosen: bool = False


@dataclass(frozen=True)
class Picture:
    """One figure: its address (a data address) and what it shows."""

    source: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A heading with sentences, at most one table, and figures side by side."""

    heading: str
    lines: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Row] = ()
    figures: Sequence[Picture] = field(default=())


def number(value: float, spec: str = ".4f") -> str:
    """The number as text, a dash where it is not defined.

    >>> number(0.25), number(float("nan")), number(0.25, ">8.0%")
    ('0.2500', '-', '     25%')
    """
    return f"{value:{spec}}" if math.isfinite(value) else "-".rjust(len(f"{0.0:{spec}}") if spec[0] == ">" else 1)


def page(title: str, lead: str, sections: Sequence[Section], footer: str) -> str:
    """The page as HTML text. Every value is escaped; a table row of the wrong width raises ValueError."""
    for section in sections:
        ragged = [row.cells for row in section.rows if len(row.cells) != len(section.columns)]
        if ragged:
            raise ValueError(f"section {section.heading!r}: {len(section.columns)} columns, but a row is {ragged[0]}")
    loader = jinja2.PackageLoader("ltv_train", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.get_template("page.html.j2")
    return template.render(title=title, lead=lead, sections=sections, footer=footer)
