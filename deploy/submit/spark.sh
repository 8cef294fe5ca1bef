#!/usr/bin/env bash
# Runs one Spark job through spark-submit: bash deploy/submit/spark.sh JOB --config FILE --as-of DATE [--run-id ID]
# SPARK_MASTER chooses the cluster (default local[2,4]: task retries on); on a cluster the wheel must be installed there.
set -euo pipefail

# shellcheck source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
JOBS="$(cd -- "$ROOT/jobs" && printf '%s ' [a-z]*.py | sed 's/\.py//g; s/ $//')"
check_arguments "$@"
find_python pyspark
export PYSPARK_PYTHON="${PYSPARK_PYTHON:-$PYTHON}" PYSPARK_DRIVER_PYTHON="${PYSPARK_DRIVER_PYTHON:-$PYTHON}"
export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"

# Loopback for a local master, so that nothing of the driver listens elsewhere.
MASTER="${SPARK_MASTER:-local[2,4]}"
CONF=(--conf spark.ui.enabled=false)
case "$MASTER" in local*) CONF+=(--conf spark.driver.host=127.0.0.1 --conf spark.driver.bindAddress=127.0.0.1) ;; esac
if [ -n "${LTV_JARS:-}" ]; then
    case "$MASTER" in
        local | local\[*) CONF+=(--driver-class-path "${LTV_JARS//,/:}") ;; # one JVM, whose archive of classes knows them there
        *) CONF+=(--jars "$LTV_JARS") ;;
    esac
fi

SUBMIT="$("$PYTHON" -c 'import pyspark, os; print(os.path.join(os.path.dirname(pyspark.__file__), "bin", "spark-submit"))')"
exec "$SUBMIT" --master "$MASTER" "${CONF[@]}" "$ROOT/jobs/$1.py" "${@:2}"
