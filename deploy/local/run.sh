#!/usr/bin/env bash
# One night, from raw files to the CRM export. This script is the documentation, in execution order.
#   bash deploy/local/run.sh --config my.toml --as-of 2026-01-01
set -euo pipefail

HERE="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)"
USAGE="usage: bash deploy/local/run.sh --config FILE.toml --as-of YYYY-MM-DD [--run-id ID]"

misused() {
    printf 'run: %s\n%s\n' "$1" "$USAGE" >&2
    exit 2
}

CONFIG="" AS_OF="" RUN_ID=""
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) printf '%s\n' "$USAGE"; exit 0 ;;
        --config | --as-of | --run-id)
            if [ $# -lt 2 ] || [ -z "$2" ] || [[ "$2" == --* ]]; then misused "$1 needs a value"; fi
            case "$1" in
                --config) CONFIG="$2" ;;
                --as-of) AS_OF="$2" ;;
                --run-id) RUN_ID="$2" ;;
            esac
            shift 2 ;;
        *) misused "unknown argument: $1" ;;
    esac
done
[ -n "$CONFIG" ] || misused "--config is missing: the file that says where the data lies and what its columns mean"
[ -n "$AS_OF" ] || misused "--as-of is missing: the day the night is for; nothing from that day on is looked at"
[ -f "$CONFIG" ] || misused "--config: there is no file $CONFIG"
CONFIG="$(cd -- "$(dirname -- "$CONFIG")" && pwd -P)/$(basename -- "$CONFIG")"
RUN_ID="${RUN_ID:-run-$(date -u +%Y%m%dT%H%M%SZ)}"

# shellcheck source=children.sh
source "$HERE/children.sh"

# Runs one command line of jobs, says how long it took, and stops the night with its exit code when it fails.
stage() {
    local started=$SECONDS status=0
    DOING="$1"
    shift
    printf '\n== %s: %s\n' "$DOING" "$*"
    child python -m jobs "$@" --config "$CONFIG" --as-of "$AS_OF" --run-id "$RUN_ID" || status=$?
    if [ "$status" -ne 0 ]; then
        printf 'run: stage %s failed with exit code %d after %d s (run id %s)\n' \
            "$DOING" "$status" "$((SECONDS - started))" "$RUN_ID" >&2
        exit "$status"
    fi
    printf '== %s: done in %d s\n' "$DOING" "$((SECONDS - started))"
}

# The environment, Java and the Delta jars; only looks when they are there.
child bash "$HERE/setup.sh"
# shellcheck source=env.sh
source "$HERE/env.sh"
cd -- "$LTV_ROOT"

# 1. From files to examples, in one Spark session.
#    land_files      each new file once, as delivered, into raw Delta tables
#    ingest_events   raw rows -> events, users and items in the contract's words; what is refused is kept with its reason
#    build_features  events -> one compact state a user, holding only what was known before --as-of
#    build_examples  states at earlier cut-offs + what happened next -> shards that training reads
stage prepare land_files ingest_events build_features build_examples

# 2. Fitting, on Ray. No Spark here: training reads plain Parquet shards and writes bundles and predictions.
#    train              every candidate on every back-test fold, then on everything mature
#    train_recommender  who buys what next
stage train train train_recommender

# 3. Judging, scoring and handing over, in one Spark session.
#    evaluate         the back-tests choose; the refitted winner is promoted by one row in `models`
#    score_users      one row for every eligible user
#    recommend_items  the top items of every user
#    publish_night    the checks, then the one row that makes this night visible
#    export_crm       the whole night, minus everybody who asked to be left alone; manifest last
stage deliver evaluate score_users recommend_items publish_night export_crm

printf '\nrun: night %s complete in %d s (run id %s)\n' "$AS_OF" "$SECONDS" "$RUN_ID"
