# shellcheck shell=bash
# Sourced by the wrappers of this folder: what they check and find alike.
ROOT="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)"

# misused MESSAGE: says what is wrong and which jobs there are (JOBS, set by the wrapper), and ends.
misused() {
    local me
    me="$(basename -- "$0")"
    printf '%s: %s\nusage: bash deploy/submit/%s JOB --config FILE --as-of DATE [--run-id ID]\njobs: %s\n' \
        "$me" "$1" "$me" "$JOBS" >&2
    exit 2
}

# check_arguments JOB ARGUMENTS...: the job is one of JOBS, and the two flags without a default are there.
check_arguments() {
    [ $# -ge 1 ] || misused "no job named"
    case " $JOBS " in *" $1 "*) ;; *) misused "not a job for this wrapper: $1" ;; esac
    shift
    local needed
    for needed in --config --as-of; do
        case " $* " in *" $needed "* | *" $needed="*) ;; *) misused "$needed is missing" ;; esac
    done
}

# find_python PACKAGE: the environment of this checkout, unless the caller brings one (LTV_PYTHON is set inside env.sh).
# The package that the wrapper hands over to must be in it.
find_python() {
    if [ -z "${LTV_PYTHON:-}" ] && [ -d "$ROOT/.venv" ]; then
        # shellcheck source=../local/env.sh
        source "$ROOT/deploy/local/env.sh"
    fi
    # shellcheck disable=SC2034 # for the wrapper
    PYTHON="${LTV_PYTHON:-$(command -v python3)}"
    if ! "$PYTHON" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$1') is None)"; then
        printf '%s: no %s in %s; next: bash deploy/local/setup.sh, or name an interpreter by LTV_PYTHON\n' \
            "$(basename -- "$0")" "$1" "$PYTHON" >&2
        exit 3
    fi
}
