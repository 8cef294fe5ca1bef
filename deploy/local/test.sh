#!/usr/bin/env bash
# Every check of the project: set-up, lint, format, types, import rules, all tests.
# All steps run even when one fails; the exit code is 0 only when none did.
set -euo pipefail

HERE="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)"
[ $# -eq 0 ] || { printf 'usage: bash deploy/local/test.sh (no arguments)\n' >&2; exit 2; }
trap 'exit 130' INT

bash "$HERE/setup.sh"
# shellcheck source=env.sh
source "$HERE/env.sh"
# shellcheck source=apt.sh
source "$HERE/apt.sh"
cd -- "$LTV_ROOT"

# The pages of the reports are opened in a browser: where there is one, or can be, no test may go without it.
have_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
may_install() { can_apt && grep -qx 'ID=debian' /etc/os-release; } # elsewhere the package is only a pointer
if ! have_browser >/dev/null && may_install; then
    printf 'test: installing chromium\n'
    apt_install chromium || printf '!! apt-get could not install chromium\n'
fi
if have_browser >/dev/null || may_install; then
    export LTV_BROWSER_TESTS=required
else
    printf 'test: the pages are not looked at in a browser: install one first (apt-get install chromium)\n'
fi

FAILED=()
step() {
    local name="$1"
    shift
    printf '\n== %s\n' "$name"
    "$@" || { FAILED+=("$name"); printf '!! %s failed\n' "$name"; }
}

step "lint" python -m ruff check .
step "format" python -m ruff format --check .
step "types" python -m mypy
step "import rules" lint-imports --no-logo
step "shell scripts" shellcheck -x --source-path=SCRIPTDIR .ci/run deploy/*/*.sh

printf '\ngpu tests are left out: they need a CUDA device (run them with: .venv/bin/python -m pytest -m gpu)\n'
if [ ${#FAILED[@]} -gt 0 ]; then
    printf '!! failed before the tests: %s\n' "$(IFS=,; printf '%s' "${FAILED[*]}")"
fi

# Last, so that the run ends with the test runner's own summary line. No test at all (5) is a failure too.
printf '\n== tests\n'
TESTS=0
# Two at a time, a file never torn apart, the longest files first: a test waits for its own JVM most of the time.
python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not gpu" || TESTS=$?

if [ ${#FAILED[@]} -gt 0 ]; then
    printf '!! failed: %s\n' "$(IFS=,; printf '%s' "${FAILED[*]}")"
    exit 1
fi
exit "$TESTS"
