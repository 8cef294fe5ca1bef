"""Quality indicators of every delivery, and what is worth a look there; `quality_rows` keeps them in a table."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any

from ltv_features.as_of import midnight
from ltv_features.config import IngestSettings
from ltv_features.contract import QUALITY
from ltv_features.rules import UNIT_MISTAKEN

USUAL_DAYS = 7
FEW_ROWS = 20
"""A smaller delivery may well name nobody."""
UNIT_SHARE = 0.2
"""A clerk mistypes a time, a program mistakes its unit: so much of `max_bad_share`, 1 % by default, is one's."""
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Delivered:
    """What one delivery of a source was like, read as one kind of thing; counts are of rows; `bad_share` of `judged`.

    `after`: the version up to which everything was ingested before; what is known of later ones was never finished.
    """

    source: str
    raw_version: int
    rows_in: int = 0
    kept: int = 0
    duplicates: int = 0
    quarantined: int = 0
    anonymous: int = 0
    kind: str = "events"
    after: int = -1
    refused: Mapping[str, int] = field(default_factory=dict)
    noted: Mapping[str, int] = field(default_factory=dict)
    bad_share: float = 0.0
    judged: int = 0
    completeness: Mapping[str, float] = field(default_factory=dict)
    oldest_us: int | None = None
    newest_us: int | None = None

    @property
    def name(self) -> str:
        """The source, and what was read in it where that is not events."""
        return self.source if self.kind == "events" else f"{self.source}: {self.kind}"


@dataclass(frozen=True)
class Volume:
    """Rows of a source in one night, all its deliveries together, beside those of each night of the week before."""

    rows: int
    nights: Sequence[int]

    @classmethod
    def of(cls, each: Delivered, as_of: date, before: Sequence[Mapping[str, Any]]) -> "Volume":
        """The night with this delivery as its last; `before`: what is known of the deliveries before it."""
        by_night: dict[date, int] = {as_of: each.rows_in}
        for row in before:
            if row["as_of"] >= as_of - timedelta(USUAL_DAYS):
                by_night[row["as_of"]] = by_night.get(row["as_of"], 0) + row["rows_in"]
        return cls(by_night.pop(as_of), list(by_night.values()))

    @property
    def usual(self) -> float | None:
        """The median over those nights that brought rows; None where none did.

        >>> Volume(0, [900, 0, 0, 0, 1_000]).usual
        950.0
        """
        spoken = [rows for rows in self.nights if rows]
        return float(median(spoken)) if spoken else None

    def fits(self, least: float, most: float) -> bool:
        """Whether the night has `least` to `most` times the usual rows, or is silent where most nights are.

        >>> [Volume(rows, [900, 0, 0, 0, 1_000]).fits(0.2, 5) for rows in (0, 150, 1_000, 5_000_000)]
        [True, False, True, False]
        >>> Volume(0, [900, 0, 1_000]).fits(0.2, 5)
        False
        """
        if self.usual is None or (not self.rows and not median(self.nights)):
            return True
        return least <= self.rows / self.usual <= most


def row_of(
    each: Delivered, settings: IngestSettings, as_of: date, known: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What `quality` says of a delivery but its digest; `known`: its source's finished rows, as `known_rows` reads."""
    before = [row for row in known if (row["as_of"], row["raw_version"]) < (as_of, each.raw_version)]
    volume = Volume.of(each, as_of, before)
    times = [time for time in (each.newest_us, *(row["newest_us"] for row in before)) if time is not None]
    age = (midnight(as_of) - _instant(max(times))).total_seconds() / DAY_SECONDS if times else None
    good = each.kept + each.duplicates
    row = asdict(each) | {
        "as_of": as_of,
        "validity": 1.0 - each.bad_share,
        "uniqueness": each.kept / good if good else 1.0,
        "age_days": age,
        "usual_rows": volume.usual,
        "oldest_ts": _instant(each.oldest_us) if each.oldest_us is not None else None,
        "newest_ts": _instant(each.newest_us) if each.newest_us is not None else None,
        "problems": [*too_bad(each, settings.max_bad_share), *_problems(each, settings, age, volume)],
    }
    return {name: row[name] for name in QUALITY.column_names if name in row}


def _instant(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def too_bad(each: Delivered, limit: float) -> list[str]:
    """In words, that a larger share than the limit was refused, or a fifth of it for a mistaken unit of time; empty
    where neither was.
    """
    mistaken = each.refused.get(UNIT_MISTAKEN, 0) / max(each.judged, 1)
    if each.bad_share <= limit:
        if mistaken <= limit * UNIT_SHARE:
            return []
        return [
            f"source {each.name!r}: expected times in the unit that time_formats says, actual {mistaken:.1%} of "
            f"{each.judged} rows in another ({UNIT_MISTAKEN})"
        ]
    top = sorted(each.refused.items(), key=lambda one: (-one[1], one[0]))[:5]
    beside = f", {each.anonymous} without a customer aside" if each.anonymous else ""
    return [
        f"source {each.name!r}: expected at most {limit:.1%} refused rows, actual {each.bad_share:.1%} "
        f"of {each.judged} rows{beside} ({', '.join(f'{reason} {rows}' for reason, rows in top)})"
    ]


def _problems(each: Delivered, settings: IngestSettings, age: float | None, volume: Volume) -> Sequence[str]:
    problems = []
    if each.kind == "events" and each.rows_in >= FEW_ROWS and each.anonymous == each.rows_in:
        problems.append(f"source {each.name!r}: none of {each.rows_in:,} rows names anybody; is `user` mapped right?")
    least, most = settings.usual_volume
    if not volume.fits(least, most):
        problems.append(
            f"source {each.name!r}: expected {least:g} to {most:g} times the usual {volume.usual:,.0f} rows, "
            f"actual {volume.rows:,}"
        )
    if settings.max_age_days is not None and age is not None and age > settings.max_age_days:
        problems.append(
            f"source {each.name!r}: expected an event of the last {settings.max_age_days:g} days, "
            f"actual newest {age:.1f} days before the night"
        )
    return problems
