"""`python -m jobs.operate VERB THING --config X --as-of D [--reason TEXT]`: what a person decides about a night."""

import argparse
import getpass
import logging
import sys
from collections.abc import Callable

from jobs._entry import Job, Run, flags, run_jobs
from ltv_features import controls
from ltv_features.errors import ConfigError

log = logging.getLogger("ltv.operate")


def main(argv: list[str]) -> int:
    """Runs one command and returns its exit code."""
    parser = flags("python -m jobs.operate")
    parser.add_argument("verb", choices=sorted(VERBS), help="; ".join(VERBS[verb][1] for verb in sorted(VERBS)))
    parser.add_argument("thing", help="what it is about")
    parser.add_argument("--reason", default="", help="why, of hold and release; kept beside your account's name")
    arguments = parser.parse_args(argv)
    act, _ = VERBS[arguments.verb]
    return run_jobs(lambda: [Job(f"operate {arguments.verb}", lambda run: act(run, arguments), True)], arguments)


def _control(run: Run, arguments: argparse.Namespace) -> None:
    sources = [f"ingest/{name}" for name in run.settings.sources] if arguments.verb == controls.RELEASE else []
    _hold_known(arguments, [controls.NIGHT, *sources])
    if not arguments.reason.strip():
        raise ConfigError("command line", [f"{arguments.verb} {arguments.thing}: --reason is missing: why, in words"])
    reason, who = arguments.reason.strip(), getpass.getuser()
    controls.say(run.lake, run.as_of, arguments.thing, arguments.verb, reason=reason, who=who)
    log.info("%s of %s on %s is noted for %s", arguments.verb, arguments.thing, run.as_of, who)


def _replay(run: Run, arguments: argparse.Namespace) -> None:
    from ltv_features.replay import replay

    _hold_known(arguments, _mapped(run))
    hops = replay(run.lake, run.settings, arguments.thing, as_of=run.as_of, run_id=run.run_id)
    for hop in hops:
        rest = ", ".join(f"{rows} {name}" for name, rows in sorted(hop.accounted.items()))
        log.info("%s: %d quarantined rows = %d out + %s", hop.name, hop.rows_in, hop.rows_out, rest)
    if not hops:
        log.info("%s has no quarantined row", arguments.thing)


def _rebuild(run: Run, arguments: argparse.Namespace) -> None:
    from ltv_features.rebuild import rebuild

    _hold_known(arguments, _mapped(run))
    for hop in rebuild(run.lake, run.settings, arguments.thing, as_of=run.as_of, run_id=run.run_id):
        rest = ", ".join(f"{rows} {name}" for name, rows in sorted(hop.accounted.items()))
        log.info("%s: %d rows = %d out + %s", hop.name, hop.rows_in, hop.rows_out, rest)


def _mapped(run: Run) -> list[str]:
    sources = run.settings.sources.items()
    return [name for name, source in sources if source.events or source.users or source.items or source.links]


def _hold_known(arguments: argparse.Namespace, known: list[str]) -> None:
    """Raises ConfigError with what there is where the thing is not among it."""
    if arguments.thing not in known:
        problem = f"{arguments.verb} {arguments.thing!r}: expected {', '.join(known) or 'nothing, there is none'}"
        raise ConfigError("command line", [problem])


VERBS: dict[str, tuple[Callable[[Run, argparse.Namespace], None], str]] = {
    controls.HOLD: (_control, "hold night: publish nothing of this date until it is released"),
    controls.RELEASE: (_control, "release night, or release ingest/SOURCE that a check of this date holds"),
    "rebuild": (_rebuild, "rebuild SOURCE: all of its rows once more, its events replaced in one commit"),
    "replay": (_replay, "replay SOURCE: its quarantined rows once more, after the mapping was corrected"),
}

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
