#!/usr/bin/env bash
# Runs one Spark job through spark-submit: bash deploy/submit/spark.sh JOB --config FILE --as-of DATE [--run-id ID]
# SPARK_MASTER chooses the cluster (default local[2,4]: task retries on); on a cluster the wheel must be installed there.
set -euo pipefail

HERE="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)"
ROOT="$(cd -- "$HERE/../.." && pwd -P)"

misused() {
    printf 'spark.sh: %s\nusage: bash deploy/submit/spark.sh JOB --config FILE --as-of DATE [--run-id ID]\njobs:' "$1" >&2
    (cd -- "$ROOT/jobs" && printf ' %s' [a-z]*.py | sed 's/\.py//g') >&2
    printf '\n' >&2
    exit 2
}

[ $# -ge 1 ] || misused "no job named"
JOB="$1"
shift
case "$JOB" in *[!a-z_]* | _*) misused "not a job: $JOB" ;; esac
[ -f "$ROOT/jobs/$JOB.py" ] || misused "not a job: $JOB"
for NEEDED in --config --as-of; do
    case " $* " in *" $NEEDED "* | *" $NEEDED="*) ;; *) misused "$NEEDED is missing" ;; esac
done

# The environment of this checkout, unless the caller brings one (LTV_PYTHON is set inside env.sh).
if [ -z "${LTV_PYTHON:-}" ] && [ -d "$ROOT/.venv" ]; then
    # shellcheck source=../local/env.sh
    source "$ROOT/deploy/local/env.sh"
fi
PYTHON="${LTV_PYTHON:-$(command -v python3)}"
export PYSPARK_PYTHON="${PYSPARK_PYTHON:-$PYTHON}" PYSPARK_DRIVER_PYTHON="${PYSPARK_DRIVER_PYTHON:-$PYTHON}"
export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"

# Loopback for a local master, so that nothing of the driver listens elsewhere.
MASTER="${SPARK_MASTER:-local[2,4]}"
CONF=(--conf spark.ui.enabled=false)
case "$MASTER" in local*) CONF+=(--conf spark.driver.host=127.0.0.1 --conf spark.driver.bindAddress=127.0.0.1) ;; esac
if [ -n "${LTV_JARS:-}" ]; then CONF+=(--jars "$LTV_JARS"); fi

SUBMIT="$("$PYTHON" -c 'import pyspark, os; print(os.path.join(os.path.dirname(pyspark.__file__), "bin", "spark-submit"))')"
exec "$SUBMIT" --master "$MASTER" "${CONF[@]}" "$ROOT/jobs/$JOB.py" "$@"
