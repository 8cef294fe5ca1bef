"""Strict configuration: one TOML file into frozen pydantic sections, every problem at once, with the nearest valid key.

Relative paths are taken from the folder of the file.
"""

import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import fsspec
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo

from ltv_features.errors import ConfigError, InputMissing


class Section(BaseModel):
    """Base of every section: frozen, strict types, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


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
        return model.model_validate(document, context=file.resolve().parent)
    except ValidationError as error:
        raise ConfigError(str(file), [_sentence(problem, model) for problem in error.errors()]) from error


def _opened(place: str, info: ValidationInfo) -> str:
    scheme, mark, _ = place.partition("://")
    if mark and scheme not in fsspec.available_protocols():
        raise ValueError(f"{scheme}:// is not an address that can be opened here")
    return place if mark else _below_the_file(place, info)


def _of_this_machine(folder: str, info: ValidationInfo) -> str:
    if "://" in folder:
        raise ValueError("an address is not supported here: name a folder that is mounted")
    return _below_the_file(folder, info)


def _below_the_file(path: str, info: ValidationInfo) -> str:
    """Relative paths are taken from the folder of the configuration file, where there is one; without `..` in them."""
    return os.path.normpath(info.context / path) if info.context else path


Place = Annotated[str, AfterValidator(_opened)]
"""A folder or file: a path, or an address that fsspec knows, such as s3://bucket/folder."""

LocalFolder = Annotated[str, AfterValidator(_of_this_machine)]
"""A folder of this machine; what is written there is private to its owner and appears by renames."""


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
