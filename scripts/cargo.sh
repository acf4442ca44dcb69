#!/bin/sh
# cargo, with the one profile, feature set, library and target folder that everything here shares.
#
# usage: scripts/cargo.sh build|test|clippy|run [ARGS...]
# Sharing them means that the program is compiled and linked once for running, testing and measuring.
#   DUCKDB_LIB_DIR    a DuckDB library of your own (default: the prebuilt one, see scripts/duckdb.sh)
#   SECNETMON_BUNDLED 1 = compile DuckDB from source even where the prebuilt library exists
#   SECNETMON_PROFILE dist = what is packaged: smaller and faster, and slow to build (default: release)
#   CARGO_TARGET_DIR  default ~/.cache/secnetmon/target
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

cache=${XDG_CACHE_HOME:-$HOME/.cache}/secnetmon
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
export CARGO_TARGET_DIR PATH

features=store,live
if [ "${SECNETMON_BUNDLED:-0}" = 1 ]; then
    unset DUCKDB_LIB_DIR
    features=store,live,bundled
elif DUCKDB_LIB_DIR=$("$here/scripts/duckdb.sh"); then
    export DUCKDB_LIB_DIR
else
    unset DUCKDB_LIB_DIR
    features=store,live,bundled
    printf '%s\n' "Compiling DuckDB from source instead: once, 30 to 40 minutes on two cores." >&2
fi

subcommand=$1
shift
cd "$here"
exec cargo "$subcommand" --locked --profile "${SECNETMON_PROFILE:-release}" --no-default-features --features "$features" "$@"
