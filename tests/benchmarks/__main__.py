"""`python -m tests.benchmarks [ID ...] [--json FILE]`: runs benchmarks and prints their table."""

import argparse
import json
import sys
from pathlib import Path

from tests.benchmarks import bare, carried, examples, features, feeding, scaling, state, training, worlds
from tests.benchmarks.compare import Result

_MODULES = (state, carried, features, examples, feeding, training, bare, scaling, worlds)
ALL = {name: work for module in _MODULES for name, work in module.ALL.items()}


def main(argv: list[str]) -> int:
    """Runs the named benchmarks, all without a name; 1 when one misses what it must reach."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("ids", nargs="*", metavar="ID", help=f"of {', '.join(ALL)}; all without one")
    parser.add_argument("--json", type=Path, help="file to which one line a benchmark is appended")
    arguments = parser.parse_args(argv)
    if unknown := sorted(set(arguments.ids) - set(ALL)):
        parser.error(f"unknown: {', '.join(unknown)}; there are: {', '.join(ALL)}")
    results = []
    for name in arguments.ids or ALL:
        for result in ALL[name]():
            results.append(result)
            _tell(result)
            if arguments.json:
                with arguments.json.open("a") as stream:
                    stream.write(json.dumps(result.as_json()) + "\n")
    return 0 if all(result.meets_must or result.not_judged for result in results) else 1


def _tell(result: Result) -> None:
    sign = "<=" if result.at_most else ">="
    verdict = "aim met" if result.meets_aim else "must met" if result.meets_must else "MISSED"
    if result.not_judged:
        verdict = f"not judged: {result.not_judged}"
    print(
        f"{result.id:<4} {result.ratio:>7.3f}  must {sign} {result.must}, aim {sign} {result.aim}: {verdict}",
        flush=True,
    )
    print(f"     {result.what}\n     {result.detail}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
