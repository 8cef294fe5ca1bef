"""Self-contained HTML pages: a title, sections of sentences, tables and pictures; nothing is fetched from elsewhere.

Room: the shared look of every report. It reads on a phone (a wide table scrolls inside its own box), on paper, in the
light and in the dark; a policy in the page itself forbids scripts and anything from elsewhere.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import jinja2

_LONGEST_NUMBER = 36


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
class Table:
    """A table with a caption, for sections that have more than one."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Row]

    @property
    def wordy(self) -> list[bool]:
        """By column: whether it holds sentences, which stand left and may be broken, and no numbers.

        >>> Table("", ["a", "b"], [Row(["1", "two words"]), Row(["2", "more words than any number would need"])]).wordy
        [False, True]
        """
        return [any(len(row.cells[i]) > _LONGEST_NUMBER for row in self.rows) for i in range(len(self.columns))]


@dataclass(frozen=True)
class Section:
    """A heading with sentences, a table, figures side by side, further tables, and notes in small print below them.

    The heading is a line of the table of contents; `plain` leaves a small section out of it.
    """

    heading: str
    lines: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Row] = ()
    figures: Sequence[Picture] = ()
    tables: Sequence[Table] = field(default=())
    notes: Sequence[str] = ()
    plain: bool = False

    @property
    def every_table(self) -> list[Table]:
        """The section's own table and the further ones."""
        return [*([Table("", self.columns, self.rows)] if self.columns else []), *self.tables]

    @property
    def anchor(self) -> str:
        """The heading as the name of a place in the page.

        >>> Section("Why: 30 & 90 days").anchor
        'why-30-90-days'
        """
        return re.sub(r"[^a-z0-9]+", "-", self.heading.lower()).strip("-")


def number(value: float, spec: str = ".4f") -> str:
    """The number as text, a dash where it is not defined.

    >>> number(0.25), number(float("nan")), number(0.25, ">8.0%")
    ('0.2500', '-', '     25%')
    """
    return f"{value:{spec}}" if math.isfinite(value) else "-".rjust(len(f"{0.0:{spec}}") if spec[0] == ">" else 1)


def page(title: str, lead: str, sections: Sequence[Section], footer: str) -> str:
    """The page as HTML text. Every value is escaped; a table row of the wrong width raises ValueError."""
    for section in sections:
        for table in section.every_table:
            ragged = [row.cells for row in table.rows if len(row.cells) != len(table.columns)]
            if ragged:
                raise ValueError(f"section {section.heading!r}: {len(table.columns)} columns, but a row is {ragged[0]}")
    loader = jinja2.PackageLoader("ltv_train", "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.get_template("page.html.j2")
    contents = [section for section in sections if not section.plain]
    return template.render(title=title, lead=lead, sections=sections, contents=contents, footer=footer)
