"""The settings of this package: one frozen pydantic model a section."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ltv_features.sources import Pattern, SourceSettings
from ltv_features.strict import Place, Section, nearest


class LakeSettings(Section):
    """Where the Delta tables, shards, bundles and reports live."""

    root: Place


class SparkSettings(Section):
    """How a local session is opened; on a cluster `spark-submit` decides and `conf` still applies."""

    master: str = "local[2,4]"
    driver_memory: str = "4g"
    shuffle_partitions: Annotated[int, Field(ge=1)] = 4
    conf: dict[str, str] = {}


class Rates(Section):
    """Where the rates of other currencies lie: a landed source with one row a currency and day.

    `rate` names the column that says how much of the reporting currency one unit is worth. Where a day has no rate, one
    of at most `max_age_days` before it counts, and is noted; without one the row is quarantined.
    """

    source: str
    currency: str = "currency"
    day: str = "day"
    rate: str = "rate"
    time_formats: list[Pattern] = []
    decimal: Literal[".", ","] = "."
    max_age_days: Annotated[int, Field(ge=0, le=30)] = 0


def _a_day(text: str) -> str:
    date.fromisoformat(text)
    return text


def _of_every_year(text: str) -> str:
    _a_day(f"2026-{text}")  # a year without a leap day: the 29th of February is no day of every year
    return text


class NamedPeriod(Section):
    """A period of the calendar that is a horizon of its own: it begins on a day of every year, or on stated dates."""

    every_year: Annotated[str, Field(pattern=r"^\d{2}-\d{2}$"), AfterValidator(_of_every_year)] | None = None
    on: list[Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_a_day)]] = []
    days: Annotated[int, Field(ge=1, le=366)]

    def wrong(self) -> Iterator[str]:
        if (self.every_year is None) == (not self.on):
            yield "give either every_year = 'MM-DD' or on = ['YYYY-MM-DD', ...], not both or none"

    def begins(self, year: int) -> list[date]:
        """The days of that year on which it begins."""
        if self.every_year:
            return [date.fromisoformat(f"{year}-{self.every_year}")]
        return [day for day in map(date.fromisoformat, self.on) if day.year == year]


class ShopSettings(Section):
    """What the shop counts in and how far ahead it looks.

    `churn`: who counts as lost by a horizon: who does not buy until then, or who does nothing at all.
    `discount_rate` is of a year; `profit_margin` and `lifetime_years` are for the simple lifetime value alone.
    """

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    minor_digits: Annotated[int, Field(ge=0, le=4)] = 2
    rates: Rates | None = None
    horizons_days: Annotated[list[Annotated[int, Field(ge=1, le=730)]], Field(min_length=1)] = [30, 90]
    churn: Literal["no_purchase", "no_activity"] = "no_purchase"
    discount_rate: Annotated[float, Field(ge=0, lt=1)] = 0.1
    profit_margin: Annotated[float, Field(gt=0, le=1)] = 1.0
    lifetime_years: Annotated[float, Field(gt=0)] = 3.0
    named_periods: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")], NamedPeriod] = {}

    def wrong(self) -> Iterator[str]:
        if "discounted" in self.named_periods:
            yield "named_periods: 'discounted' is the name of another score column; next: choose another"
        if self.horizons_days != sorted(set(self.horizons_days)):
            yield f"horizons_days must rise without repeats (got {self.horizons_days})"

    @property
    def periods_days(self) -> list[tuple[int, int]]:
        """Consecutive half-open periods whose running sums are the horizons: [0, 30), [30, 90), ..."""
        starts = [0, *self.horizons_days[:-1]]
        return list(zip(starts, self.horizons_days, strict=True))


class IngestSettings(Section):
    """What ingest accepts before it stops a night.

    `usual_volume`: rows of a source in a night as multiples of the median of its nights with rows in the 7 days before,
    and none only where most of those nights had none; outside of it, or with a newest event older than `max_age_days`,
    `on_problem` says whether the night is held or only a word is said.
    """

    max_bad_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    lateness_days: Annotated[int, Field(ge=0)] = 30
    future_skew_days: Annotated[float, Field(ge=0)] = 1.0
    usual_volume: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2)] = [0.2, 5.0]
    max_age_days: Annotated[float, Field(gt=0)] | None = None
    on_problem: Literal["warn", "hold"] = "warn"
    earliest_date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_a_day)] = "2000-01-01"


class ExampleSettings(Section):
    """How training examples are cut; None means: adapt to the span and size of the log (recipes: many cut-offs)."""

    every_days: Annotated[int, Field(ge=1)] | None = None
    max_cutoffs: Annotated[int, Field(ge=1, le=26)] = 26
    min_exposure_days: Annotated[int, Field(ge=1)] = 30
    min_buyers: Annotated[int, Field(ge=1)] = 200
    max_examples: Annotated[int, Field(ge=1)] | None = None
    folds: Annotated[int, Field(ge=1, le=6)] = 3
    fold_step_days: Annotated[int, Field(ge=1)] = 28
    validation_share: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    ranker_cutoff_days: list[Annotated[int, Field(ge=1)]] = [14, 28, 42, 56, 84, 112]
    seed: Annotated[int, Field(ge=1)] = 1


class FeatureConfig(Section):
    """The sections that this package owns."""

    lake: LakeSettings
    sources: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")], SourceSettings], Field(min_length=1)
    ]
    spark: SparkSettings = SparkSettings()
    shop: ShopSettings = ShopSettings()
    ingest: IngestSettings = IngestSettings()
    examples: ExampleSettings = ExampleSettings()

    def wrong(self) -> Iterator[str]:
        named = {f"sources.{name}.lookup.source": s.lookup.source for name, s in self.sources.items() if s.lookup}
        if self.shop.rates:
            named["shop.rates.source"] = self.shop.rates.source
        for place, source in named.items():
            if source not in self.sources:
                yield f"{place}: no source {source!r}{nearest(source, self.sources)}"
