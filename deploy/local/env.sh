# shellcheck shell=bash
# Sourced by the other scripts after setup.sh: what every process of this checkout needs to see.
# shellcheck source=paths.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/paths.sh"
export LTV_PYTHON="$LTV_VENV/bin/python"

# The environment's own commands come first: Ray starts its jobs with the first `python` on PATH.
export VIRTUAL_ENV="$LTV_VENV" PATH="$LTV_VENV/bin:$PATH"

# Spark workers must use this interpreter, or they take the first python3 on PATH.
export PYSPARK_PYTHON="$LTV_PYTHON" PYSPARK_DRIVER_PYTHON="$LTV_PYTHON"

# A SPARK_HOME or PYTHONPATH of another installation would mix two versions; without bytecode kept, every process would
# compile this project anew.
unset SPARK_HOME PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

# The Java that setup.sh found, and the two Delta jars, comma separated as spark.jars wants them.
JAVA_HOME="$(cat -- "$LTV_VENV/java_home")"
LTV_JARS="$(printf '%s,' "$LTV_VENV"/jars/*.jar)"
LTV_JARS="${LTV_JARS%,}"
export JAVA_HOME LTV_JARS

# Spark says errors only, talks to itself over loopback, and takes its classes from the archive that setup.sh made: a
# small job takes a third less. The archive allows no folder with files on the class path: this one stays empty.
export SPARK_LOCAL_IP="${SPARK_LOCAL_IP:-127.0.0.1}"
if [ -z "${SPARK_CONF_DIR:-}" ]; then
    export SPARK_CONF_DIR="$LTV_VENV/spark"
    SPARK_SUBMIT_OPTS="-Dlog4j2.configurationFile=${LTV_VENV%/.venv}/deploy/local/log4j2.properties"
    # A job lives for minutes: Java's second compiler and its concurrent collector cost such a night more than they bring
    # (a small night took a quarter less CPU without). What loops for long is compiled all the same.
    SPARK_SUBMIT_OPTS+=" -XX:+UseParallelGC -XX:Tier4InvocationThreshold=15000 -XX:Tier4MinInvocationThreshold=3000"
    SPARK_SUBMIT_OPTS+=" -XX:Tier4CompileThreshold=45000"
    if [ -f "$LTV_VENV/spark.jsa" ]; then # nothing is said of an archive that another Java made: it is not used then
        SPARK_SUBMIT_OPTS+=" -XX:SharedArchiveFile=$LTV_VENV/spark.jsa -Xlog:disable -Xlog:all=error:stderr"
    fi
    export SPARK_SUBMIT_OPTS
fi

# One reporting zone, one mathematics thread a process: parallelism comes from processes. Threads that wait for each
# other sleep: on a machine that is shared, boosting took forty times as long where they spin.
export TZ=UTC OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE PYTHONUNBUFFERED=1
export LC_ALL="${LC_ALL:-C.UTF-8}"

# Ray listens on every address of the machine: a token made here for this run alone keeps others out of it.
if [ -z "${RAY_AUTH_MODE:-}" ]; then
    RAY_AUTH_TOKEN="$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"
    export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
fi
export RAY_USAGE_STATS_ENABLED=0 RAY_COLOR_PREFIX=0
