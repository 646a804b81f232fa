#!/usr/bin/env bash
# Feeds every decoder random bytes for so many seconds each (default 60), two decoders at a time. A crash
# leaves its input in fuzz/artifacts, which is printed, and fails the run.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}

if ! rustc +nightly --version > /dev/null 2>&1; then
    echo "fuzzing: a nightly Rust compiler is not installed"
    mkdir -p ../target
    echo "fuzzing: a nightly Rust compiler is not installed" >> ../target/skipped.txt
    [ "${FERROMQ_REQUIRE_ALL:-}" != 1 ]
    exit
fi

host=$(rustc +nightly -vV | sed -n 's/^host: //p')
# What cargo-fuzz sets, without having to install it.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address -Ccodegen-units=1"
cargo +nightly build --quiet --release --target "$host"

mkdir -p artifacts
fuzz() {
    mkdir -p "corpus/$1"
    if "target/$host/release/$1" "corpus/$1" -artifact_prefix="artifacts/$1-" -max_total_time="$seconds" \
        -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 > "artifacts/$1.log" 2>&1; then
        echo "fuzzed $1: $(sed -n 's/^stat::number_of_executed_units: *//p' "artifacts/$1.log") inputs"
    else
        tail -n 40 "artifacts/$1.log"
        echo "fuzzing $1 FAILED; the input is in fuzz/artifacts"
        return 1
    fi
}
export -f fuzz
export host seconds
printf '%s\n' frames headers bodies records batches expansion | xargs -P 2 -I TARGET bash -c 'fuzz TARGET'
