#!/usr/bin/env bash
# Fuzzes parsers, one after the other, with libFuzzer.
#
# usage: fuzz/run.sh SECONDS [PROTOCOL...]     (default: every protocol that has a parser; `fuzz/run.sh list` names them)
# Works with the stable toolchain: coverage is asked of LLVM by flags, and no sanitizer is needed, because unsafe code is forbidden.
# Inputs that found something new are kept in fuzz/corpus, those that broke something in fuzz/artifacts. Ends with 1 when one did.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:?how many seconds each?}
shift
target=$(rustc -vV | sed -n 's/^host: //p')
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
coverage="$coverage -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
build() { cargo build --release --target "$target" --bin "$@" >&2; }
out=${CARGO_TARGET_DIR:-target}/$target/release

# Without coverage for the list: it needs no fuzzer's runtime.
build names
names=$("$out/names")
[ "$seconds" = list ] && { echo "$names"; exit; }
# --target keeps the flags from build scripts.
RUSTFLAGS="$coverage --cfg fuzzing" build parser
status=0
for name in ${@:-$names}; do
    mkdir -p "corpus/$name" artifacts
    echo "== $name"
    SECNETMON_FUZZ=$name "$out/parser" "corpus/$name" -max_total_time="$seconds" -max_len=8192 -timeout=5 -rss_limit_mb=1024 \
        -artifact_prefix="artifacts/$name-" -verbosity=0 -print_final_stats=1 2>&1 | grep -E '^stat::(number_of_executed|peak)|panicked|ERROR|ALARM' ||
        true
    ls "artifacts/$name-"* 2>/dev/null && status=1
done
exit $status
