"""Digests of settings, versions, files and code: how a job knows that it has already done this work."""

import ast
import hashlib
import importlib.util
import json
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

from pydantic import BaseModel

from ltv_features.contract import SCHEMA_VERSION

DECIDE_NOTHING = frozenset({
    "ltv_features.commits", "ltv_features.config", "ltv_features.contract", "ltv_features.digest",
    "ltv_features.errors", "ltv_features.files", "ltv_features.ledger", "ltv_features.policies",
    "ltv_features.session", "ltv_features.sources", "ltv_features.strict", "ltv_features.tables", "ltv_train.cluster",
    "ltv_train.config", "ltv_train.progress", "ltv_train.registry", "ltv_train.watchdog",
    "ltv_features.conditions", "ltv_features.identity", "ltv_features.mapping", "ltv_features.parsing",
})  # fmt: skip
"""Modules whose code is in no digest: they carry, name or show; settings enter digests by value, the contract by its
version, and what ingest makes of a row by the version of the table that it wrote."""


def digest_of(*parts: Any) -> str:
    """16 hexadecimal digits that depend on every part (JSON values, pydantic models, dates) and on the schema version.

    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    text = json.dumps([SCHEMA_VERSION, *parts], sort_keys=True, default=_plain, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def code_of(*names: str) -> str:
    """16 hexadecimal digits of what modules compute, with all that they import of the same packages.

    Syntax trees count, docstrings and comments do not; a package counts as a whole. The source comes from the loader of
    each module, so that a wheel has the same digest as a checkout. Raises ValueError where there is no such module.
    """
    trees = {name: ast.dump(without_docstrings(source_of(name))) for name in modules_of(*names)}
    return digest_of("code", trees)


def modules_of(*names: str) -> list[str]:
    """The modules that `code_of` reads, sorted: the named ones, those below packages, and what they import."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found or _is_left_out(name):
            continue
        found.add(name)
        waiting += _below(name) if name in names else []
        waiting += _imported(ast.parse(source_of(name)))
    return sorted(found)


def source_of(name: str) -> str:
    """The source of a module, not imported for it. Raises ValueError where there is none."""
    read: Callable[[str], str | None] | None = getattr(_spec(name).loader, "get_source", None)
    text = read(name) if read else None
    if text is None:
        raise ValueError(f"module {name!r} is in the digest of a stage, and has no source")
    return text


def without_docstrings(source: str) -> ast.Module:
    """The syntax tree of a source without docstrings, those of constants included."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
    return tree


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_left_out(name: str) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in DECIDE_NOTHING)


def _below(name: str) -> Iterator[str]:
    for each in pkgutil.iter_modules(_spec(name).submodule_search_locations or [], f"{name}."):
        yield each.name
        yield from _below(each.name)


def _imported(tree: ast.Module) -> Iterator[str]:
    """The modules of the project that a tree imports, wherever in it the import stands."""
    for node in ast.walk(tree):
        named = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            named = [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
        for name in named:
            if name.split(".")[0] in _OURS and _is_module(name):
                yield name


_OURS = ("ltv_features", "ltv_train")


def _is_module(name: str) -> bool:
    return _found(name) is not None


def _spec(name: str) -> ModuleSpec:
    if (spec := _found(name)) is None:
        raise ValueError(f"module {name!r} is in the digest of a stage, and there is none of that name")
    return spec


@cache
def _found(name: str) -> ModuleSpec | None:
    """Where a module lies, found without importing the packages above it: some of them load much."""
    above, _, _ = name.rpartition(".")
    if not above:
        return importlib.util.find_spec(name)
    parent = _found(above)
    places = parent.submodule_search_locations if parent else None
    return PathFinder.find_spec(name, list(places)) if places else None


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"cannot digest a {type(value).__name__}")
