"""Strict configuration: one TOML file into frozen pydantic sections, every problem at once, with the nearest valid key.

Relative paths are taken from the folder of the file. Sections say by `wrong` what does not go together in them; each is
asked even where something else in the file is wrong, as long as that cannot be the reason.
"""

import copy
import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Self, TypeVar, Union, get_args, get_origin

import fsspec
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from ltv_features.errors import ConfigError, InputMissing


@dataclass(frozen=True)
class Reading:
    """What validation is told of the file: its folder, and that sections are asked for `wrong` only afterwards."""

    folder: Path
    postponed: bool = False


def folder_of(info: ValidationInfo) -> Path | None:
    """The folder of the file that is being read, where there is one."""
    return info.context.folder if isinstance(info.context, Reading) else None


class Section(BaseModel):
    """Base of every section: frozen, strict types, finite numbers, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def wrong(self) -> Iterator[str]:
        """What does not go together in this section, a sentence each; asked when every field is right by itself."""
        yield from ()

    @model_validator(mode="after")
    def _goes_together(self, info: ValidationInfo) -> Self:
        postponed = isinstance(info.context, Reading) and info.context.postponed
        if not postponed and (found := list(self.wrong())):
            raise ValueError("; ".join(found))
        return self


Model = TypeVar("Model", bound=Section)
Where = tuple[int | str, ...]


def load(path: str | Path, model: type[Model]) -> Model:
    """The configuration at `path` as `model`, its relative paths made absolute.

    Raises InputMissing when the file is not readable, ConfigError with all problems at once when it is not valid.
    """
    settings, problems = read(path, model)
    if settings is None or problems:
        raise ConfigError(str(path), problems)
    return settings


def read(path: str | Path, model: type[Model]) -> tuple[Model | None, list[str]]:
    """The configuration and what is wrong with it; wrong keys are left out of it, None where it cannot be without them.

    Raises InputMissing when the file is not readable.
    """
    file = Path(path)
    try:
        document = tomllib.loads(file.read_bytes().decode("utf-8"))
    except OSError as error:
        raise InputMissing(f"configuration {file}: {error.strerror}; next: check --config") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return None, [f"line {line}: byte {error.object[error.start]:#04x} is not UTF-8; next: save the file as UTF-8"]
    except tomllib.TOMLDecodeError as error:
        return None, [f"not valid TOML: {error}"]
    reading = Reading(file.resolve().parent, postponed=True)
    try:
        model.model_validate(document, context=reading)
        errors = []
    except ValidationError as error:
        errors = error.errors()
    rest, doubtful = _without(document, errors, model)
    problems = [_sentence(error, model) for error in errors]
    problems += [_placed(where, said) for where, said in _as_wholes(model, rest, reading, (), doubtful)]
    return _built(model, rest, reading), problems


def _without(
    document: dict[str, Any], errors: Iterable[Any], model: type[Section]
) -> tuple[dict[str, Any], set[Where]]:
    """The document without what is wrong, and the places of sections that cannot be judged without it."""
    rest = copy.deepcopy(document)
    doubtful: set[Where] = set()
    for error in errors:
        within, where = rest, error["loc"]
        for depth, key in enumerate(where[:-1]):
            if not isinstance(within.get(key), dict):
                where = where[: depth + 1]
                break
            within = within[key]
        *above, key = where
        gone = within.pop(key, None)
        if isinstance(gone, dict):  # sections above may speak of what was in it
            doubtful |= {tuple(above[:depth]) for depth in range(len(where))}
        elif error["type"] != "extra_forbidden" or _nearest_key(error, model):
            doubtful.add(tuple(above))
    return rest, doubtful


def _as_wholes(
    annotation: Any, value: Any, reading: Reading, where: Where, doubtful: set[Where]
) -> Iterator[tuple[Where, str]]:
    """What sections at and below a place say of themselves; of one that cannot be built, those within it."""
    built = _built(annotation, value, reading)
    if built is not None:
        yield from _said(built, where, doubtful)
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from _as_wholes(_below(annotation, key), below, reading, (*where, key), doubtful)


def _said(built: Any, where: Where, doubtful: set[Where]) -> Iterator[tuple[Where, str]]:
    if isinstance(built, Section):
        if where not in doubtful:
            yield from ((where, said) for said in built.wrong())
        for name in type(built).model_fields:
            yield from _said(getattr(built, name), (*where, name), doubtful)
    elif isinstance(built, dict):
        for key, value in built.items():
            yield from _said(value, (*where, key), doubtful)


def _built(annotation: Any, value: Any, reading: Reading) -> Any:
    try:
        return TypeAdapter(annotation).validate_python(value, context=reading)
    except ValidationError:  # told already, key by key
        return None


_PASSWORD = re.compile(r"(?<=://)[^/@]*:[^/@]*(?=@)")
"""User and password in an address, which are never shown."""


def _opened(place: str, info: ValidationInfo) -> str:
    scheme, mark, _ = place.partition("://")
    if mark and scheme not in fsspec.available_protocols():
        raise ValueError(f"{scheme}:// is not an address that can be opened here")
    if _PASSWORD.search(place):
        raise ValueError("a password in an address would be written into logs and manifests; next: the environment")
    return place if mark else _below_the_file(place, info)


def _of_this_machine(folder: str, info: ValidationInfo) -> str:
    if "://" in folder:
        raise ValueError("an address is not supported here: name a folder that is mounted")
    return _below_the_file(folder, info)


def _below_the_file(path: str, info: ValidationInfo) -> str:
    """Relative paths are taken from the folder of the configuration file, where there is one; without `..` in them."""
    folder = folder_of(info)
    return os.path.normpath(folder / path) if folder else path


Place = Annotated[str, Field(min_length=1), AfterValidator(_opened)]
"""A folder or file: a path, or an address that fsspec knows, such as s3://bucket/folder."""

LocalFolder = Annotated[str, Field(min_length=1), AfterValidator(_of_this_machine)]
"""A folder of this machine; what is written there is private to its owner and appears by renames."""


_LONG = 60
"""Letters of a value that are shown."""


def _sentence(problem: Any, model: type[Section]) -> str:
    if problem["type"] == "extra_forbidden":
        return _placed(problem["loc"], f"unknown key{_nearest_key(problem, model)}")
    said = problem["msg"].removeprefix("Value error, ")
    value = _PASSWORD.sub("...", repr(problem.get("input")))
    shown = problem["type"] != "missing" and not isinstance(problem.get("input"), dict) and len(value) <= _LONG
    return _placed(problem["loc"], said + (f" (got {value})" if shown else ""))


def _placed(where: Where, said: str) -> str:
    return f"{'.'.join(map(str, where))}: {said}" if where else said


def _nearest_key(problem: Any, model: type[Section]) -> str:
    *above, key = problem["loc"]
    section = _bare(reduce(_below, above, model))
    return nearest(str(key), section.model_fields) if _is_section(section) else ""


def nearest(name: str, names: Iterable[str]) -> str:
    """A question about the likeliest name that was meant; nothing where none is near.

    >>> nearest("lsmt", ["gru", "lstm"])
    "; did you mean 'lstm'?"
    """
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _below(annotation: Any, key: int | str) -> Any:
    """The annotation of what stands under a key of a section, or of a mapping of sections; None where there is none."""
    bare = _bare(annotation)
    if _is_section(bare):
        field = bare.model_fields.get(str(key))
        return field.annotation if field else None
    return get_args(bare)[1] if get_origin(bare) is dict else None


def _bare(annotation: Any) -> Any:
    """The section or mapping in an annotation, without `| None` and what else is said around it."""
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _bare(parts[0])
    if get_origin(annotation) in (Union, UnionType):
        found = [_bare(part) for part in parts]
        return next((part for part in found if _is_section(part) or get_origin(part) is dict), None)
    return annotation


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)
