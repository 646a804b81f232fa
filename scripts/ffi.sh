#!/usr/bin/env bash
# Builds the C library and checks it: the committed header and list of symbols are current, the header
# compiles as C and C++, tests and examples run with the shared and the static library, and valgrind, where
# there is one, finds nothing. With --update, header and list are written anew.
set -Eeuo pipefail
trap 'echo "scripts/ffi.sh, line $LINENO: failed with $?: $BASH_COMMAND" >&2' ERR
cd "$(dirname "$0")/.."
update=${1:-}
target=${CARGO_TARGET_DIR:-$PWD/target}
built=$target/debug
work=$target/ffi
mkdir -p "$work"

cargo build --quiet --package ferromq-ffi --package ferromq-testkit --lib --bins
[ "$update" != --update ] || UPDATE_HEADER=1 cargo test --quiet --package ferromq-ffi
echo "== header and symbols"
cargo test --quiet --package ferromq-ffi
nm --dynamic --defined-only --format=posix "$built/libferromq.so" | awk '/^ferromq_/ {print $1}' | LC_ALL=C sort > "$work/symbols.txt"
[ "$update" != --update ] || cp "$work/symbols.txt" ffi/symbols.txt
diff -u ffi/symbols.txt "$work/symbols.txt"

warnings=(-Wall -Wextra -Werror -pedantic -Iinclude)
c=(cc -std=c11 -D_POSIX_C_SOURCE=200809L "${warnings[@]}")
cpp=(c++ -std=c++17 "${warnings[@]}")
# Programs look for the library under the name that has the number of the interface.
ln -sf "$built/libferromq.so" "$work/libferromq.so.1"
ln -sf "$built/libferromq.so" "$work/libferromq.so"
shared=("-L$work" "-Wl,-rpath,$work" -lferromq)
static=("$built/libferromq.a" -lpthread -ldl -lm)
echo '#include "ferromq.h"' | "${c[@]}" -x c -fsyntax-only -
for header in ferromq.h ferromq.hpp; do
    echo "#include \"$header\"" | "${cpp[@]}" -x c++ -fsyntax-only -
done

# Every function with NULL for every pointer and 0 for every number: none may crash.
{
    echo '#include "ferromq.h"'
    echo 'int main(void) {'
    cc -E -P include/ferromq.h | tr '\n' ' ' | grep -o 'ferromq_[a-z_]*([^()]*);' | while IFS='(' read -r name parameters; do
        parameters=${parameters%);}
        count=0
        [ "$parameters" = void ] || count=$(($(tr -cd , <<< "$parameters" | wc -c) + 1))
        arguments=$(printf ', 0%.0s' $(seq 1 "$count"))
        [ "$count" -gt 0 ] || arguments='  '
        echo "    (void)$name(${arguments:2});"
    done
    echo '    return 0;'
    echo '}'
} > "$work/nulls.c"
[ "$(grep -c '^    (void)' "$work/nulls.c")" = "$(wc -l < ffi/symbols.txt)" ] || { echo "some functions were not called with NULL" >&2; exit 1; }
"${c[@]}" "$work/nulls.c" -o "$work/nulls" "${shared[@]}"
"$work/nulls"

echo "== tests"
for kind in shared static; do
    declare -n libraries=$kind
    for test in clients callbacks; do
        "${c[@]}" -pthread "ffi/tests/$test.c" -o "$work/$test-$kind" "${libraries[@]}"
        timeout 120 "$work/$test-$kind"
    done
done
"${c[@]}" ffi/tests/unpolled.c -o "$work/unpolled" "${shared[@]}"
timeout 120 "$work/unpolled"
"${cpp[@]}" -x c++ ffi/tests/clients.c -o "$work/clients-cpp" "${shared[@]}"
timeout 120 "$work/clients-cpp"
"${cpp[@]}" ffi/tests/clients.cpp -o "$work/clients-of-layer" "${shared[@]}"
timeout 120 "$work/clients-of-layer"
for kind in shared static; do
    declare -n libraries=$kind
    "${cpp[@]}" -pthread ffi/tests/scenarios.cpp -o "$work/scenarios-$kind" "${libraries[@]}"
    timeout 300 "$work/scenarios-$kind" "$built/scenario-cluster" core/testkit/scenarios/*.scenario
done
if command -v valgrind > /dev/null; then
    echo "== valgrind"
    # Its errors and handles are nobody's.
    timeout 300 valgrind --quiet --error-exitcode=9 --leak-check=no "$work/nulls"
    for test in clients-shared callbacks-shared; do
        timeout 300 valgrind --quiet --fair-sched=try --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
            --show-leak-kinds=definite --child-silent-after-fork=yes "$work/$test"
    done
fi

echo "== examples"
cargo build --quiet --package ferromq-server
"$built/ferromq" standalone --data "$work/data-$$" --namesrv-port 0 --broker-port 0 > "$work/ready" 2> "$work/log" &
server=$!
trap 'kill -TERM "$server" 2> /dev/null; wait "$server"; rm -rf "$work/data-$$"' EXIT
until grep -q ready "$work/ready"; do
    kill -0 "$server" 2> /dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.02
done
address=$(sed -n 's/.*namesrv=\([^ ]*\).*/\1/p' "$work/ready")
run() {
    echo "\$ $*"
    timeout 60 "$work/$@"
}
for kind in c cpp; do
    declare -n compiler=$kind
    for example in embedded producer consumer; do
        lines=$(wc -l < "examples/$kind/$example.$kind")
        [ "$lines" -lt 60 ] || { echo "examples/$kind/$example.$kind has $lines lines" >&2; exit 1; }
        "${compiler[@]}" "examples/$kind/$example.$kind" -o "$work/$example-$kind" "${shared[@]}"
    done
    run "embedded-$kind"
    run "producer-$kind" "$address" 5
done
# Each group gets the orders of both producers.
run consumer-c "$address" billing 10
run consumer-cpp "$address" shipping 10

echo "== docs/c.md"
for kind in c cpp; do
    declare -n compiler=$kind
    scripts/c-docs.sh "$kind" > "$work/page.$kind"
    "${compiler[@]}" "$work/page.$kind" -o "$work/page-$kind" "${shared[@]}"
    NAMESRV_ADDR=$address timeout 60 "$work/page-$kind"
done
