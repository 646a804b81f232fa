#!/usr/bin/env bash
# Counts the instructions of the paths that every message takes, with callgrind, and compares them with
# bench/instructions.tsv: more than 3% above it fails. With --update, the file is written anew.
# Counts depend on compiler, processor and C library: those made with others are not compared, and listed as skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
update=${1:-}
target=${CARGO_TARGET_DIR:-$PWD/target}
file=bench/instructions.tsv
counted=$target/instructions.tsv
tolerance=3

command -v valgrind > /dev/null || { echo "valgrind is not installed" >&2; exit 1; }
program=$target/release/hot-path

# Which variant of its functions the C library takes depends on the processor; this is what all of them have.
export GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM
# The least of several: what other threads do beside a path varies. They get their turn as they would otherwise.
instructions() {
    for _ in 1 2 3; do
        valgrind --tool=callgrind --fair-sched=yes --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
            awk '/Collected/ { print $NF; found = 1 } END { exit !found }'
    done | sort -n | head -n 1
}

made_with="# Instructions of one step, counted by scripts/instructions.sh with Rust $(rustc --version | cut -d ' ' -f 2), $(uname -m), glibc $(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)"
if [ "$update" != --update ] && [ "$(head -n 1 "$file")" != "$made_with" ]; then
    echo "not compared: $file was made with another compiler, processor or C library; scripts/instructions.sh --update makes it anew"
    echo "instructions of the hot paths: $file was made elsewhere" >> target/skipped.txt
    exit
fi
cargo build --quiet --release --package ferromq-testkit --bin hot-path

{
    printf '%s\n' "$made_with"
    for path in $("$program" list); do
        # The difference of two counts leaves out what starting costs.
        few=$(instructions "$path" 2048)
        many=$(instructions "$path" 8192)
        printf '%s\t%d\n' "$path" $(((many - few) / 6144))
    done
} > "$counted"

if [ "$update" = --update ]; then
    cp "$counted" "$file"
    cat "$file"
    exit
fi
awk -F '\t' -v tolerance="$tolerance" '
    /^#/ { next }
    FNR == NR { before[$1] = $2; next }
    !($1 in before) { print $1 ": not in the file; run scripts/instructions.sh --update"; failed = 1; next }
    {
        change = 100 * ($2 - before[$1]) / before[$1]
        printf "%-20s %8d  %+.1f%%\n", $1, $2, change
        if (change > tolerance) { print $1 " has become slower: find out why, or accept it with scripts/instructions.sh --update"; failed = 1 }
        if (change < -tolerance) print $1 " has become faster: keep it with scripts/instructions.sh --update"
        delete before[$1]
    }
    END { for (path in before) { print path " is counted no more"; failed = 1 } exit failed }
' "$file" "$counted"
