"""One named error per broken promise; `exit_code` is what the process ends with (table in the README)."""

import re
from collections.abc import Sequence


class LtvError(Exception):
    """Base of all errors that a user can act on: the message says what, where, expected, actual and the next step."""

    exit_code = 1


class ConfigError(LtvError):
    """The configuration is not valid; `problems` lists everything that is wrong with it at once."""

    exit_code = 2

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"{where}: {len(self.problems)} problem(s){lines}")


class InputMissing(LtvError):
    """A file, folder, table or bundle that the job needs is not there or cannot be read."""

    exit_code = 3


class ContractBroken(LtvError):
    """Data does not have the shape, type or digest that the contract promises."""

    exit_code = 4


class RowsUnexplained(ContractBroken):
    """A hop lost or invented rows: rows in differ from rows out plus the rows accounted for."""


class FutureLeak(ContractBroken):
    """Something at or after as_of was asked for or found."""


class TooManyBadRows(LtvError):
    """The share of quarantined rows of a source is above the limit that the configuration allows."""

    exit_code = 5


class GateHeld(LtvError):
    """A guard or the gate refused to publish; yesterday stays current."""

    exit_code = 5


class TrainingFailed(LtvError):
    """Training ended without a usable model; nothing was registered."""

    exit_code = 7


class Diverged(TrainingFailed):
    """The loss of one network is no number any more; the other candidates are none the worse for it."""


class LoaderStuck(TrainingFailed):
    """The loader of training gave nothing for longer than it may take."""


class TrackingFailed(LtvError):
    """An evaluation could not be noted where people look at it: said in the log, and no reason to stop a night."""


class BundleRefused(ContractBroken):
    """A model bundle does not match its digests, the schema version, or the shapes it declares."""


class ShardsRefused(ContractBroken):
    """Shards differ from their manifest: missing, extra, truncated or changed files, or a short read."""


class ExportRefused(LtvError):
    """No export leaves: suppression list missing, empty without permission, or a row broke a rule."""

    exit_code = 8


def hold(problems: Sequence[LtvError]) -> None:
    """Nothing without problems. Raises the only one; or of several the kind of the first one, with all messages."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise type(problems[0])(f"{len(problems)} problems{lines}")


def said_in(text: str) -> LtvError | None:
    """The error of this module that a Python worker raised, found in the trace that Spark hands on; None without one.

    >>> said_in("...\\nltv_features.errors.FutureLeak: state as of 2026-02-01, asked for 2026-01-01\\n")
    FutureLeak('state as of 2026-02-01, asked for 2026-01-01')
    """
    found = re.search(rf"^{re.escape(__name__)}\.(\w+): (.*)$", text, re.MULTILINE)
    kind = globals().get(found[1]) if found else None
    if found is None or not isinstance(kind, type) or not issubclass(kind, LtvError) or kind is ConfigError:
        return None
    return kind(found[2])
