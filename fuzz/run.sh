#!/usr/bin/env bash
# Feeds every decoder random bytes: fuzz/run.sh [SECONDS_PER_TARGET [TARGET...]], 60 seconds by default.
#
# Two targets run at a time. Needs a nightly toolchain, a C++ compiler, and nothing else. Fails when
# a target does, and prints the input that broke it; fuzz/target/<host>/debug/TARGET INPUT shows it
# again. What one run finds out stays in fuzz/corpus for the next.
set -euo pipefail

seconds=${1:-60}
targets=("${@:2}")
cd "$(dirname "$0")"
if [ ${#targets[@]} -eq 0 ]; then
    targets=(command headers bodies records properties compressed)
fi

if ! rustc +nightly --version > /dev/null 2>&1; then
    echo "fuzzing: a nightly Rust compiler is not installed"
    mkdir -p ../target
    echo "fuzzing: a nightly Rust compiler is not installed" >> ../target/skipped.txt
    [ "${FERROMQ_REQUIRE_ALL:-}" != 1 ]
    exit
fi
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
# What cargo-fuzz sets: coverage for libFuzzer, and the address sanitizer. With --target they do not
# reach build scripts.
flags="--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=" -Cllvm-args=-sanitizer-coverage-$option"
done
RUSTFLAGS=$flags cargo +nightly build --quiet --target "$host" --target-dir target
programs=target/$host/debug
"$programs/seeds" seeds

fuzz() {
    local target=$1 log=artifacts/$1.log
    mkdir -p "corpus/$target" "artifacts/$target" "seeds/$target"
    rm -f "artifacts/$target"/*
    if "$programs/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=4096 \
        -print_final_stats=1 -artifact_prefix="artifacts/$target/" \
        "corpus/$target" "seeds/$target" > "$log" 2>&1
    then
        echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, none breaks it"
    else
        echo "$target: broken by $(find "$PWD/artifacts/$target" -type f | head -n 1)"
        grep -A 3 -m 1 -E 'panicked at|ERROR: ' "$log" || tail -n 40 "$log"
        echo "$target: all of it is in $PWD/$log"
        return 1
    fi
}

# Every `wait -n` takes the verdict of one of them, so there must be one for each.
failed=0
running=0
for target in "${targets[@]}"; do
    if [ "$running" -eq 2 ]; then
        wait -n || failed=1
        running=1
    fi
    fuzz "$target" &
    running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
done
exit $failed
