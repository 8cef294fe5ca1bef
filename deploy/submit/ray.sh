#!/usr/bin/env bash
# Runs one Ray job on a running cluster: bash deploy/submit/ray.sh JOB --config FILE --as-of DATE [--run-id ID]
# RAY_API_ADDRESS names the cluster (default http://127.0.0.1:8265). Where the cluster asks for a token, set
# RAY_AUTH_MODE=token and RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH). The package must be installed on the cluster; paths in
# the configuration must mean the same there, and it must say [train.ray] address = "auto".
set -euo pipefail

# shellcheck source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
JOBS="train train_recommender"
check_arguments "$@"
find_python ray
PATH="$(dirname -- "$PYTHON"):$PATH"
export PATH
JOB="$1"
shift

# A relative --config would be looked for in Ray's own working folder.
ARGUMENTS=()
while [ $# -gt 0 ]; do
    case "$1" in --config=*) set -- --config "${1#*=}" "${@:2}" ;; esac
    if [ "$1" = --config ] && [ $# -ge 2 ] && [ -f "$2" ]; then
        ARGUMENTS+=(--config "$(cd -- "$(dirname -- "$2")" && pwd -P)/$(basename -- "$2")")
        shift 2
    else
        ARGUMENTS+=("$1")
        shift
    fi
done

exec ray job submit --address "${RAY_API_ADDRESS:-http://127.0.0.1:8265}" \
    --runtime-env-json "{\"env_vars\": {\"PYTHONPATH\": \"$ROOT\"}}" \
    -- python -m jobs "$JOB" "${ARGUMENTS[@]}"
