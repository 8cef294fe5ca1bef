# shellcheck shell=bash
# Sourced by run.sh and demo.sh: commands that end when the script is told to end, and the exit code for it.
CHILD="" DOING="setup"

# Runs a command as a child and returns its exit code. A script that waits in the foreground would be ended by a signal
# and leave the command behind; one that waits for a child hears the signal at once and can hand it on.
child() {
    local status=0
    # Job control gives the child a group of its own: it does not ignore Ctrl-C, and hears it once, from us.
    set -m
    "$@" </dev/null &
    CHILD=$!
    set +m
    wait "$CHILD" || status=$?
    CHILD=""
    return "$status"
}

# Hands a signal on, waits for the child, and ends as a shell does that was ended by that signal.
stop_by() {
    local name="$1" number="$2" passed="$3"
    trap '' INT TERM HUP
    if [ -n "$CHILD" ]; then
        kill -s "$passed" "$CHILD" 2>/dev/null || true
        wait "$CHILD" || true
    fi
    printf '\n%s: stopped by %s during %s\n' "$(basename -- "$0" .sh)" "$name" "$DOING" >&2
    exit "$((128 + number))"
}

trap 'stop_by "Ctrl-C" 2 INT' INT
trap 'stop_by "SIGTERM" 15 TERM' TERM
trap 'stop_by "the end of its terminal" 1 TERM' HUP
