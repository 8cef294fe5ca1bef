#!/usr/bin/env bash
# Makes everything that this checkout needs to run: .venv with the pinned packages, a Java, two Delta jars, and an
# archive that lets Spark start quickly.
# Safe to call again: when nothing changed it only looks (under a second).
# Exit codes: 3 = something must be installed first (one line says what), 1 = a step failed.
set -euo pipefail

# shellcheck source=paths.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/paths.sh"
# shellcheck source=apt.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/apt.sh"
ROOT="$LTV_ROOT"
VENV="$LTV_VENV"
PYTHON="$VENV/bin/python"
STAMP="$VENV/setup.stamp"

# Spark loads these two and no others; the digests hold, whatever repository they come from.
DELTA_VERSION=4.4.0
DELTA_MODULES=(delta-spark_4.2_2.13 delta-storage)
DELTA_DIGESTS="27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead  delta-spark_4.2_2.13-4.4.0.jar
c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc  delta-storage-4.4.0.jar"

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$2" >&2; exit "$1"; }

# ---- Python 3.11 and the environment ----

find_python() {
    local name
    for name in python3.11 python3 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    fail 3 "Python 3.11 is needed and none is on PATH: install it (Debian 12: apt-get install python3 python3-venv)"
}

make_venv() {
    local base="$1"
    if ! "$base" -c 'import ensurepip, venv' 2>/dev/null; then
        local package=python3.11-venv
        can_apt || fail 3 "this Python has no venv module: install it (apt-get install $package)"
        say "installing $package"
        apt_install "$package" || fail 1 "apt-get could not install $package"
    fi
    if [ "$VENV" != "$ROOT/.venv" ]; then
        [[ "$VENV" =~ $PLAIN_PATH ]] || fail 3 "neither $ROOT nor $VENV is free of blanks: set XDG_CACHE_HOME to a folder that is"
        mkdir -p -- "$(dirname -- "$(dirname -- "$VENV")")"
        ln -sfn -- "$ROOT" "$(dirname -- "$VENV")"
    fi
    "$base" -m venv --clear "$VENV" || fail 1 "could not make $VENV"
    printf '%s\n' "$VENV" >"$VENV/made_at"
}

# An environment keeps its own path inside its scripts: one that was copied or moved is made anew.
have_venv() {
    [ "$(cat -- "$VENV/made_at" 2>/dev/null || true)" = "$VENV" ] &&
        "$PYTHON" -c 'import pip, sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null
}

# Everything that decides what is installed, and where.
fingerprint() {
    { cat -- "$ROOT/deploy/constraints.txt" "$ROOT/pyproject.toml" && printf '%s' "$VENV"; } |
        sha256sum | cut -d' ' -f1
}

# One setting of pip's own configuration (environment before files), or nothing.
pip_setting() {
    local values
    values="$("$PYTHON" -m pip config list | sed -n "s/^[^=]*[.]$1='\(.*\)'\$/\1/p")"
    printf '%s' "${values%%$'\n'*}"
}

# uv does not read pip's configuration: hand over this machine's index and certificates, unless uv has its own.
tell_uv_about_this_machine() {
    local index extra cert
    index="$(pip_setting index-url)" extra="$(pip_setting extra-index-url)" cert="$(pip_setting cert)"
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    [ -z "$extra" ] || export UV_INDEX="${UV_INDEX:-$extra}"
    [ -z "$cert" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$cert}"
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
}

install_packages() {
    local base started=$SECONDS
    if ! have_venv; then
        base="$(find_python)"
        say "making .venv with $base"
        make_venv "$base"
    fi
    say "installing $(grep -c '==' "$ROOT/deploy/constraints.txt") pinned packages (7 GB on disk; one to five minutes the first time)"
    quietly "$PYTHON" -m pip install --disable-pip-version-check -c "$ROOT/deploy/constraints.txt" uv ||
        fail 1 "pip could not install uv"
    tell_uv_about_this_machine
    # sync: exactly the pinned set, nothing resolved anew and nothing left over; compiled once here, as every process
    # would otherwise compile what it imports again on a machine that keeps no bytecode
    if ! quietly "$PYTHON" -m uv pip sync --compile-bytecode --python "$PYTHON" "$ROOT/deploy/constraints.txt"; then
        say "uv did not manage it (lines above); trying with pip, which takes longer"
        quietly "$PYTHON" -m pip install --disable-pip-version-check --no-deps -r "$ROOT/deploy/constraints.txt" ||
            fail 1 "the pinned packages could not be installed"
    fi
    # the project itself, editable; its needs are all there already
    quietly "$PYTHON" -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e "$ROOT" ||
        fail 1 "the project itself could not be installed"
    say "packages installed in $((SECONDS - started)) s"
}

# ---- Java 17 or 21 ----

# True when the folder holds a Java that this Spark runs on.
usable_java() {
    local version
    version="$("$1/bin/java" -version 2>&1)" && [[ "$version" =~ version\ \"(17|21)[.\"] ]]
}

find_java() {
    local home on_path
    on_path="$(readlink -f -- "$(command -v java || true)" 2>/dev/null || true)"
    for home in "${JAVA_HOME:-}" "${on_path%/bin/java}" /usr/lib/jvm/*; do
        if [ -n "$home" ] && usable_java "$home"; then
            printf '%s\n' "$home"
            return
        fi
    done
    return 1
}

need_java() {
    local home
    if ! home="$(find_java)"; then
        can_apt || fail 3 "Java 17 or 21 is needed: install it (apt-get install openjdk-17-jre-headless) or set JAVA_HOME"
        say "installing openjdk-17-jre-headless"
        apt_install openjdk-17-jre-headless || fail 3 "apt-get could not install openjdk-17-jre-headless"
        home="$(find_java)" || fail 3 "openjdk-17-jre-headless is installed, but no Java 17 was found: set JAVA_HOME"
    fi
    printf '%s\n' "$home" >"$VENV/java_home"
}

# ---- the two Delta jars ----

have_jars() { cd -- "$1" 2>/dev/null && sha256sum --check --status <<<"$DELTA_DIGESTS"; }

# Ivy comes with Spark: it resolves the two jars once, and every session then starts from local paths.
fetch_jars() {
    local ivy work module
    say "fetching the two Delta jars"
    ivy="$("$PYTHON" -c 'import pyspark, pathlib; print(*pathlib.Path(pyspark.__file__).parent.glob("jars/ivy-*.jar"))')"
    work="$VENV/jars.part"
    rm -rf -- "$work"
    for module in "${DELTA_MODULES[@]}"; do
        quietly "$(cat -- "$VENV/java_home")/bin/java" -jar "$ivy" -cache "$work/cache" -confs default -notransitive \
            -dependency io.delta "$module" "$DELTA_VERSION" -retrieve "$work/jars/[artifact]-[revision].[ext]" ||
            fail 1 "io.delta:$module:$DELTA_VERSION could not be fetched"
    done
    (have_jars "$work/jars") || fail 1 "the fetched Delta jars are not the pinned ones: their SHA-256 differs"
    rm -rf -- "$VENV/jars"
    mv -- "$work/jars" "$VENV/jars"
    rm -rf -- "$work"
}

# ---- the classes of Spark, as Java has them in memory ----

# What an archive is good for: these packages, this Java.
archive_stamp() {
    local home
    home="$(cat -- "$VENV/java_home")"
    printf '%s %s %s' "$WANTED" "$home" "$("$home/bin/java" -version 2>&1 | sha256sum | cut -d' ' -f1)"
}

# A small Spark job spends nearly a third of its CPU time on reading and verifying classes. Without the archive everything
# works, only later.
make_archive() {
    local stamp="$1" started=$SECONDS
    say "keeping Spark's classes as Java has them in memory (0.2 GB)"
    rm -f -- "$VENV/spark.jsa" "$VENV/spark.jsa.part"
    mkdir -p -- "$VENV/spark"
    # of a shell that sourced env.sh before, the options that name the former archive would still be there
    # shellcheck source=env.sh
    if (unset SPARK_CONF_DIR SPARK_SUBMIT_OPTS && source "$ROOT/deploy/local/env.sh" &&
        quietly "$PYTHON" "$ROOT/deploy/local/spark_classes.py" "$VENV/spark.jsa.part") && [ -s "$VENV/spark.jsa.part" ]; then
        mv -- "$VENV/spark.jsa.part" "$VENV/spark.jsa"
        say "kept in $((SECONDS - started)) s"
    else
        say "this Java made no archive of them: Spark starts all the same, more slowly"
    fi
    printf '%s\n' "$stamp" >"$VENV/spark.jsa.stamp" # either way it is not tried again
}

# ---- in order ----

[ $# -eq 0 ] || fail 2 "usage: bash deploy/local/setup.sh (no arguments)"
unset PYTHONPATH PYTHONHOME SPARK_HOME
# What is made anew here is emptied first: through a link that would be somebody else's.
[ ! -L "$VENV" ] || fail 3 "$VENV is a link to $(readlink -- "$VENV"), which would be made anew: remove the link"

WANTED="$(fingerprint)"
if [ "$(cat -- "$STAMP" 2>/dev/null || true)" != "$WANTED" ] || ! [ -x "$PYTHON" ]; then
    install_packages
    printf '%s\n' "$WANTED" >"$STAMP" # last: an installation that was cut off is done again
fi
need_java
(have_jars "$VENV/jars") || fetch_jars
STAMP_OF_ARCHIVE="$(archive_stamp)"
[ "$(cat -- "$VENV/spark.jsa.stamp" 2>/dev/null || true)" = "$STAMP_OF_ARCHIVE" ] || make_archive "$STAMP_OF_ARCHIVE"
say "ready: $("$PYTHON" --version), Java at $(cat -- "$VENV/java_home")"
