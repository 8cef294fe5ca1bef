# shellcheck shell=bash
# Sourced by setup.sh and test.sh: quiet steps, and packages of Debian where we may install them.

# A quiet step: its output is shown only when it fails.
quietly() {
    local log
    log="$(mktemp)"
    if "$@" >"$log" 2>&1; then
        rm -f -- "$log"
    else
        local status=$?
        tail -n 25 -- "$log" >&2
        rm -f -- "$log"
        return "$status"
    fi
}

can_apt() { [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null; }

apt_install() {
    quietly env DEBIAN_FRONTEND=noninteractive apt-get update &&
        quietly env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}
