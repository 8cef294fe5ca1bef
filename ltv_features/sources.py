"""The source mapping: which files a shop delivers, and how their columns become events, profiles and items."""

import codecs
import re
from collections.abc import Iterator
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from ltv_features.contract import EVENT_TYPES
from ltv_features.policies import Blank, Caps
from ltv_features.strict import Place, Section, nearest


class Lookup(Section):
    """One left join that brings columns of another source; a row that finds no match is quarantined if `required`."""

    source: str
    on: dict[str, str]
    columns: list[str]
    required: bool = True


class Refunds(Section):
    """How this source says that money went back."""

    by: Literal["type", "negative_quantity", "order_prefix"] = "type"
    prefix: str = ""

    def wrong(self) -> Iterator[str]:
        if (self.by == "order_prefix") != bool(self.prefix):
            yield "prefix is needed by, and only by, by = 'order_prefix'"


ENCODINGS = (
    "UTF-8", "UTF-16", "US-ASCII", "ISO-8859-1", "ISO-8859-2", "ISO-8859-5", "ISO-8859-9", "ISO-8859-15",
    "windows-1250", "windows-1251", "windows-1252", "windows-1254", "Shift_JIS", "EUC-JP", "GBK", "GB18030", "Big5",
    "EUC-KR", "KOI8-R",
)  # fmt: skip
"""Names of encodings that Python, which looks files over, and Java, which reads them, both know."""


def _known_encoding(name: str) -> str:
    """The name in ENCODINGS of the same encoding: latin-1 is ISO-8859-1."""
    try:
        meant = codecs.lookup(name).name
    except LookupError:
        meant = ""
    for known in ENCODINGS:
        if codecs.lookup(known).name == meant:
            return known
    hint = nearest(name.upper(), [known.upper() for known in ENCODINGS])
    raise ValueError(f"not one of {', '.join(ENCODINGS)}{hint} (a byte order mark before UTF-8 is understood)")


class Csv(Section):
    """How delimited text is written; only for format = 'csv'. `multiline`: a quoted field may hold line breaks."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'
    encoding: Annotated[str, AfterValidator(_known_encoding)] = "UTF-8"
    multiline: bool = True


class EventColumns(Section):
    """Which column of the source holds which fact of an event; `user` and `time` are needed.

    `visitor` names who it was where no customer is said, such as a cookie: `links` of a source say later who that is.
    """

    user: str
    time: str
    visitor: str | None = None
    event_id: str | None = None
    event_type: str | None = None
    order: str | None = None
    item: str | None = None
    quantity: str | None = None
    amount: str | None = None
    unit_price: str | None = None
    discounts: list[str] = []
    currency: str | None = None
    rating: str | None = None
    dwell_seconds: str | None = None
    promotion: str | None = None

    def wrong(self) -> Iterator[str]:
        if self.amount and self.unit_price:
            yield "give amount (of the line) or unit_price (times quantity), not both"

    @property
    def ids(self) -> list[str]:
        """The columns that hold ids."""
        named = (self.user, self.visitor, self.event_id, self.order, self.item, self.promotion)
        return [name for name in named if name]


MOST_AMOUNT = 1e12
"""No shop's limit of an amount is higher; what cannot be counted in minor units lies far above."""

EPOCHS = {"epoch_seconds": 1_000_000, "epoch_millis": 1_000, "epoch_micros": 1}
"""Words for time_formats when the source counts time since 1970 UTC: microseconds in one unit."""

_PATTERN_LETTERS = frozenset("GyMLdDahHkKmsSVzOXx")
"""The letters of Spark's datetime patterns that can be read, not only written."""


def _readable(pattern: str) -> str:
    if pattern in EPOCHS:
        return pattern
    unknown = sorted({sign for sign in re.sub(r"'[^']*'", "", pattern) if sign.isalpha()} - _PATTERN_LETTERS)
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no letters of a datetime pattern such as yyyy-MM-dd HH:mm:ss")
    return pattern


def _known_zone(zone: str) -> str:
    if not re.fullmatch(r"[+-]\d{2}:\d{2}", zone) and zone not in available_timezones():
        raise ValueError("not a time zone such as Europe/Berlin, UTC or +01:00")
    return zone


def _known_type(name: str) -> str:
    if name not in EVENT_TYPES:
        raise ValueError(f"unknown event type{nearest(name, EVENT_TYPES)}; known: {', '.join(EVENT_TYPES)}")
    return name


EventType = Annotated[str, AfterValidator(_known_type)]
Pattern = Annotated[str, AfterValidator(_readable)]
Zone = Annotated[str, AfterValidator(_known_zone)]


class EventMapping(Section):
    """Turns rows of a source into events."""

    columns: EventColumns
    event_type: EventType | None = None
    event_types: dict[str, EventType] = {}
    time_formats: list[Pattern] = []
    time_zone: Zone = "UTC"
    decimal: Literal[".", ","] = "."
    refunds: Refunds = Refunds()
    zero_quantity: Literal["keep", "quarantine"] = "quarantine"
    zero_amount: Literal["keep", "quarantine"] = "keep"
    blank: Blank = Blank()
    caps: Caps = Caps()
    dedupe: Literal["id", "content"] = "id"
    max_amount: Annotated[float, Field(gt=0, le=MOST_AMOUNT)] = 10_000_000.0
    history: bool = False

    def wrong(self) -> Iterator[str]:
        if (self.event_type is None) == (self.columns.event_type is None):
            yield "give either event_type (a constant) or columns.event_type (a column), not both or none"
        mapped = {name for name, column in self.columns.model_dump(exclude={"discounts"}).items() if column}
        mapped |= {"discount"} if self.columns.discounts else set()
        mapped |= {"amount"} if self.columns.unit_price else set()
        spoken = {"caps": self.caps.model_dump(exclude_none=True), "blank.refuse": self.blank.refuse}
        spoken["blank.last_known"] = self.blank.last_known
        spoken["blank.fill"] = self.blank.fill.model_dump(exclude_none=True)
        for section, facts in spoken.items():  # a policy for a value that no column brings is a slip of the pen
            if unmapped := sorted({*facts} - mapped):
                yield f"{section} speaks of {', '.join(unmapped)}, but no column is mapped to it"


class UserMapping(Section):
    """Turns rows of a source into profiles; `valid_from` names a column, or is 'always' for a source without dates."""

    user: str
    valid_from: str
    time_formats: list[Pattern] = []
    time_zone: Zone = "UTC"
    attributes: list[str] = []
    sensitive: list[str] = []
    use_sensitive: bool = False
    objects_to_profiling: str | None = None


class LinkMapping(Section):
    """Turns rows of a source into links: from `time` on it is known that the visitor is this customer."""

    visitor: str
    user: str
    time: str
    time_formats: list[Pattern] = []
    time_zone: Zone = "UTC"


class ItemMapping(Section):
    """Turns rows of a source into items; `valid_from` names a column, or is 'always' for a source without dates."""

    item: str
    valid_from: str = "always"
    time_formats: list[Pattern] = []
    time_zone: Zone = "UTC"
    category: str | None = None
    brand: str | None = None
    title: str | None = None


class SourceSettings(Section):
    """One delivered source: files, or a Delta table of the shop's own, and what its rows are.

    Without a mapping it only serves lookups.
    """

    path: Place
    format: Literal["csv", "jsonl", "parquet", "delta"]
    csv: Csv = Csv()
    lookup: Lookup | None = None
    events: EventMapping | None = None
    users: UserMapping | None = None
    items: ItemMapping | None = None
    links: LinkMapping | None = None

    @property
    def ids(self) -> list[str]:
        """The columns that hold ids of whatever is read in the source."""
        ids = [*self.events.columns.ids] if self.events else []
        ids += [self.users.user] if self.users else []
        ids += [self.items.item] if self.items else []
        return ids + ([self.links.visitor, self.links.user] if self.links else [])
