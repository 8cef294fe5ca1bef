"""Which lines of a module read a table of the log as it stands, found in its syntax tree."""

import ast
from collections.abc import Iterator

LOG = {"EVENTS": "events", "USERS": "users", "ITEMS": "items", "LINKS": "links"}
"""Tables that are read as of a date: their name in the contract, and on disk."""
_OF_LAKE = {"read", "feed", "changes", "path", "at_night"}
_OF_SPARK = {"read", "sql", "table"}


def raw_reads(source: str) -> list[tuple[int, str]]:
    """Line and words of every place where a source text reads such a table past the door to time.

    That is a read or a change read of a lake by its name; the same by a variable, in a module that knows such a name;
    its folder; and a session that reads by itself, whatever it reads.
    """
    tree = ast.parse(source)
    knows = any(_named(node) for node in ast.walk(tree))
    return sorted({(node.lineno, ast.unparse(node)) for node in _suspects(tree, knows)})


def _suspects(tree: ast.AST, knows: bool) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr in _OF_SPARK
            and _last(node.value) in ("spark", "sparkSession")
        ):
            yield node
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _OF_LAKE:
            given = [*node.args, *(word.value for word in node.keywords)][:1]
            if given and (_named(given[0]) or (knows and isinstance(given[0], ast.Name))):
                yield node


def _named(node: ast.AST) -> bool:
    """Whether it is `EVENTS`, `EVENTS.name`, `contract.EVENTS.name` or "events", of any of the tables."""
    if isinstance(node, ast.Constant):
        return node.value in LOG.values()
    return _last(node.value if isinstance(node, ast.Attribute) and node.attr == "name" else node) in LOG


def _last(node: ast.AST) -> str:
    """The last word of `a.b.c`; nothing for what is no name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
