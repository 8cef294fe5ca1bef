# shellcheck shell=bash
# Sourced by setup.sh and env.sh: where the checkout lies and by which path its environment is called.
LTV_ROOT="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)"
LTV_VENV="$LTV_ROOT/.venv"

# Ray starts workers through an unquoted shell line, so an interpreter whose path has a blank never comes up and
# training waits for ever. The environment of such a checkout is called through a link without one.
PLAIN_PATH='^[A-Za-z0-9_./+@%,=-]+$'
if ! [[ "$LTV_VENV" =~ $PLAIN_PATH ]]; then
    LTV_VENV="${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/ltv/$(printf '%s' "$LTV_ROOT" | sha256sum | cut -c1-16)/.venv"
fi
export LTV_ROOT LTV_VENV
