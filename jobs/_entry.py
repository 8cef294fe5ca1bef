"""How every job starts and ends: three flags, logging, one Spark session, signals, exit codes. Nothing else."""

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from jobs._signals import Signals
from ltv_features.config import FeatureConfig
from ltv_features.errors import ConfigError, LtvError, hold, said_in
from ltv_features.strict import read
from ltv_train.config import TrainConfig

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from ltv_features.tables import Lake

log = logging.getLogger("ltv")


class Settings(FeatureConfig, TrainConfig):
    """Every section of a configuration file."""


@dataclass(frozen=True)
class Run:
    """What a job is given: settings, the night, a name for the logs, and Spark when the job needs it."""

    settings: Settings
    as_of: date
    run_id: str
    spark: "SparkSession | None" = None

    @property
    def lake(self) -> "Lake":
        """The tables of this run. Raises RuntimeError in a job that declared NEEDS_SPARK = False."""
        from ltv_features.tables import Lake
        from ltv_features.unit import hold_unit

        hold_unit(self.settings.lake.root, self.settings.shop)
        if self.spark is None:
            raise RuntimeError("this job runs without Spark and may not open Delta tables")
        return Lake(self.spark, self.settings.lake.root)


Main = Callable[[Run], None]
Ahead = Callable[[Settings], Sequence[LtvError]]
"""What is wrong already, found with nothing but the settings, in an instant."""


class Job(NamedTuple):
    """A name, what to run, whether it needs Spark, and what can be looked at before Spark is opened."""

    name: str
    main: Main
    needs_spark: bool
    ahead: Ahead | None = None


def start(main: Main, *, needs_spark: bool, ahead: Ahead | None = None, argv: Sequence[str] | None = None) -> int:
    """Runs one job from the command line and returns its exit code."""
    module = sys.modules[main.__module__]
    name = os.path.splitext(os.path.basename(getattr(module, "__file__", None) or main.__module__))[0]
    return run_jobs(lambda: [Job(name, main, needs_spark, ahead)], flags().parse_args(argv))


def run_jobs(named: Callable[[], Sequence[Job]], arguments: argparse.Namespace) -> int:
    """Runs jobs in order with one session and returns the first failure's exit code, else 0.

    They are asked for, and so imported, once the command line is known to be right.
    """
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO, stream=sys.stdout)
    for library in ("py4j", "faiss"):
        logging.getLogger(library).setLevel(logging.WARNING)
    signals = Signals()
    signals.catch()
    try:
        _run_all(named, arguments, signals)
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        if (stopped := signals.stopped_by(error)) is not None:
            return stopped
        known = error if isinstance(error, LtvError) else said_in(str(error))
        if known is None:
            raise
        print(f"error: {type(known).__name__}: {known}", file=sys.stderr)
        return known.exit_code
    return 0


def _run_all(named: Callable[[], Sequence[Job]], arguments: argparse.Namespace, signals: Signals) -> None:
    settings, jobs = _looked_over(named, arguments.config)
    spark = None
    try:
        if any(job.needs_spark for job in jobs):
            from ltv_features.session import open_session

            spark = open_session(settings.spark, "+".join(job.name for job in jobs))
            signals.catch()  # Spark has put a handler of its own
        for job in jobs:
            log.info("%s as of %s, run %s", job.name, arguments.as_of, arguments.run_id)
            job.main(Run(settings, arguments.as_of, arguments.run_id, spark if job.needs_spark else None))
    finally:
        if spark is not None and signals.received is None:
            spark.stop()


def _looked_over(named: Callable[[], Sequence[Job]], config: str) -> tuple[Settings, Sequence[Job]]:
    """The configuration and the jobs, if nothing is wrong with them that can be seen in an instant."""
    settings, problems = read(config, Settings)
    if settings is None:
        raise ConfigError(config, problems)
    jobs = named()
    ahead = [problem for job in jobs if job.ahead for problem in job.ahead(settings)]
    if problems:
        raise ConfigError(config, [*problems, *map(str, ahead)])
    hold(ahead)
    return settings, jobs


def flags(prog: str = "python -m jobs") -> argparse.ArgumentParser:
    """The three flags of every job; a command that people run by hand may add its own."""
    parser = argparse.ArgumentParser(prog=prog, allow_abbrev=False)
    parser.add_argument("--config", required=True, help="TOML file with all settings")
    parser.add_argument("--as-of", required=True, type=_date, help="the night: a UTC date such as 2026-01-01")
    parser.add_argument("--run-id", type=_run_id, default=f"run-{os.getpid()}", help="a name for logs")
    return parser


def _date(text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2026-01-01")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def _run_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", text):
        raise argparse.ArgumentTypeError(f"{text!r}: 1 to 64 of letters, digits, '.', '_', '-'; no leading dot")
    return text
