"""`python -m jobs JOB [JOB ...] --config X --as-of D`: several jobs in order, in one process and one Spark session."""

import importlib
import sys
from pathlib import Path

from jobs._entry import Job, flags, run_jobs


def main(argv: list[str]) -> int:
    """Runs the named jobs and returns the exit code."""
    known = sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py"))
    first = next((place for place, word in enumerate(argv) if word.startswith("-")), len(argv))
    names = argv[:first]
    unknown = [name for name in names if name not in known]
    if not names or unknown:
        print("usage: python -m jobs JOB [JOB ...] --config FILE --as-of DATE [--run-id ID]", file=sys.stderr)
        print(f"unknown: {', '.join(unknown) or 'no job named'}; jobs: {', '.join(known)}", file=sys.stderr)
        return 2
    return run_jobs(lambda: [_job(name) for name in names], flags().parse_args(argv[first:]))


def _job(name: str) -> Job:
    module = importlib.import_module(f"jobs.{name}")
    return Job(name, module.main, module.NEEDS_SPARK, getattr(module, "ahead", None))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
