"""Where a source opens a file whose reader may run what is in it; those of Python itself are forbidden by ruff."""

import ast

_NEEDED = {
    "torch.load": ("weights_only", True, False),
    "np.load": ("allow_pickle", False, False),
    "numpy.load": ("allow_pickle", False, False),
}
"""Reader -> an argument, the value with which it runs nothing, and the value that counts without the argument."""
_NEVER = ("joblib.load", "torch.jit.load", "torch.package.PackageImporter")


def unsafe_reads(source: str) -> list[str]:
    """The readers that are called, or imported by name so that nobody can tell how, in the order of their lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and not _safe(node, ast.unparse(node.func)):
            found.append((node.lineno, ast.unparse(node.func)))
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{each.name}" for each in node.names]
            found += [(node.lineno, name) for name in names if name in {*_NEEDED, *_NEVER}]
    return [name for _, name in sorted(found)]


def _safe(call: ast.Call, reader: str) -> bool:
    if reader not in _NEEDED:
        return reader not in _NEVER and not reader.endswith(".read_pickle")
    argument, wanted, without = _NEEDED[reader]
    said = next((each.value for each in call.keywords if each.arg == argument), ast.Constant(without))
    return isinstance(said, ast.Constant) and said.value is wanted
