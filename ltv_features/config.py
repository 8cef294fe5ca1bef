"""The settings of this package, one frozen pydantic model a section, and the strict loader that all packages share.

A configuration is one TOML file. Unknown keys, wrong types and impossible values are collected and reported at once,
each with the nearest valid key. Relative paths are taken from the folder of the file.
"""

import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ltv_features.contract import EVENT_TYPES
from ltv_features.errors import ConfigError, InputMissing


class Section(BaseModel):
    """Base of every section: frozen, strict types, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class LakeSettings(Section):
    """Where the Delta tables, shards, bundles and reports live."""

    root: str


class SparkSettings(Section):
    """How a local session is opened; on a cluster `spark-submit` decides and `conf` still applies."""

    master: str = "local[2,4]"
    driver_memory: str = "4g"
    shuffle_partitions: Annotated[int, Field(ge=1)] = 4
    conf: dict[str, str] = {}


class ShopSettings(Section):
    """What the shop counts in and how far ahead it looks."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    minor_digits: Annotated[int, Field(ge=0, le=4)] = 2
    horizons_days: Annotated[list[Annotated[int, Field(ge=1, le=730)]], Field(min_length=1)] = [30, 90]

    @model_validator(mode="after")
    def _ascending(self) -> "ShopSettings":
        if self.horizons_days != sorted(set(self.horizons_days)):
            raise ValueError("horizons_days must rise without repeats")
        return self

    @property
    def periods_days(self) -> list[tuple[int, int]]:
        """Consecutive half-open periods whose running sums are the horizons: [0, 30), [30, 90), ..."""
        starts = [0, *self.horizons_days[:-1]]
        return list(zip(starts, self.horizons_days, strict=True))


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

    @model_validator(mode="after")
    def _prefix(self) -> "Refunds":
        if (self.by == "order_prefix") != bool(self.prefix):
            raise ValueError("prefix is needed by, and only by, by = 'order_prefix'")
        return self


class Csv(Section):
    """How delimited text is written; only for format = 'csv'."""

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "UTF-8"


class EventColumns(Section):
    """Which column of the source holds which fact of an event; `user` and `time` are needed."""

    user: str
    time: str
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


class EventMapping(Section):
    """Turns rows of a source into events."""

    columns: EventColumns
    event_type: str | None = None
    event_types: dict[str, str] = {}
    time_formats: list[str] = []
    time_zone: str = "UTC"
    refunds: Refunds = Refunds()
    zero_quantity: Literal["keep", "quarantine"] = "quarantine"
    max_amount: Annotated[float, Field(gt=0)] = 10_000_000.0
    history: bool = False

    @model_validator(mode="after")
    def _types(self) -> "EventMapping":
        if (self.event_type is None) == (self.columns.event_type is None):
            raise ValueError("give either event_type (a constant) or columns.event_type (a column), not both or none")
        named = [*self.event_types.values(), *([self.event_type] if self.event_type else [])]
        unknown = sorted(set(named) - set(EVENT_TYPES))
        if unknown:
            raise ValueError(f"unknown event types {unknown}; known: {', '.join(EVENT_TYPES)}")
        if self.columns.amount and self.columns.unit_price:
            raise ValueError("give amount (of the line) or unit_price (times quantity), not both")
        return self


class UserMapping(Section):
    """Turns rows of a source into profiles; `valid_from` names a column, or is 'always' for a source without dates."""

    user: str
    valid_from: str
    time_formats: list[str] = []
    attributes: list[str] = []
    sensitive: list[str] = []
    use_sensitive: bool = False
    objects_to_profiling: str | None = None


class ItemMapping(Section):
    """Turns rows of a source into items."""

    item: str
    category: str | None = None
    brand: str | None = None
    title: str | None = None


class SourceSettings(Section):
    """One delivered source: files, format, and what its rows are. Without a mapping it only serves lookups."""

    path: str
    format: Literal["csv", "jsonl", "parquet"]
    csv: Csv = Csv()
    lookup: Lookup | None = None
    events: EventMapping | None = None
    users: UserMapping | None = None
    items: ItemMapping | None = None


class IngestSettings(Section):
    """What ingest accepts before it stops a night."""

    max_bad_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    lateness_days: Annotated[int, Field(ge=0)] = 30
    future_skew_days: Annotated[float, Field(ge=0)] = 1.0
    earliest_date: str = "2000-01-01"


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


Model = TypeVar("Model", bound=BaseModel)


def load(path: str | Path, model: type[Model]) -> Model:
    """The configuration at `path` as `model`, its relative paths made absolute.

    Raises InputMissing when the file is not readable, ConfigError with all problems at once when it is not valid.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputMissing(f"configuration {file}: {error.strerror}; next: check --config") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(file), [f"not valid TOML: {error}"]) from error
    try:
        return model.model_validate(_with_absolute_paths(document, file.resolve().parent))
    except ValidationError as error:
        raise ConfigError(str(file), [_sentence(problem, model) for problem in error.errors()]) from error


def absolute(path: str, folder: Path) -> str:
    """`path` itself when it is an address such as s3://bucket or absolute, else below `folder`; without `..` in it."""
    return path if "://" in path else os.path.normpath(folder / path)


PATH_KEYS = ("root", "path", "suppression", "folder")
"""Keys whose string values are paths, wherever they stand."""


def _with_absolute_paths(node: Any, folder: Path) -> Any:
    if not isinstance(node, dict):
        return node
    return {
        key: absolute(value, folder)
        if key in PATH_KEYS and isinstance(value, str)
        else _with_absolute_paths(value, folder)
        for key, value in node.items()
    }


def _sentence(problem: Any, model: type[BaseModel]) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"{place or 'top level'}: {problem['msg']} (got {problem.get('input')!r})"
    near = difflib.get_close_matches(str(problem["loc"][-1]), _keys_at(model, problem["loc"][:-1]), n=1, cutoff=0.5)
    return f"{place}: unknown key" + (f"; did you mean {near[0]!r}?" if near else "")


def _keys_at(annotation: Any, places: tuple[int | str, ...]) -> list[str]:
    """The keys that a section accepts, found by walking the annotations along `places`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields
        if not places:
            return list(fields)
        return _keys_at(fields[str(places[0])].annotation, places[1:]) if str(places[0]) in fields else []
    if getattr(annotation, "__origin__", None) is dict:
        return _keys_at(get_args(annotation)[1], places[1:])
    found = [_keys_at(part, places) for part in get_args(annotation)]
    return [key for keys in found for key in keys]
