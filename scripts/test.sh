#!/usr/bin/env bash
# Every check and test of the project, one after the other. What cannot run because a tool is missing
# is listed at the end with the reason; with FERROMQ_REQUIRE_ALL=1 that is a failure.
set -uo pipefail
cd "$(dirname "$0")/.."

skipped=target/skipped.txt
logs=target/test-logs
mkdir -p "$logs"
: > "$skipped"
failed=()
passed=0

step() {
    local name=$1
    shift
    local start=$SECONDS
    printf '\n=== %s\n' "$name"
    # Not by a pipe: what a step leaves running must not keep the next one waiting.
    if "$@" > >(tee "$logs/${name//\//-}.log") 2>&1; then
        passed=$((passed + 1))
        printf -- '--- %s: ok, %d s\n' "$name" $((SECONDS - start))
    else
        failed+=("$name")
        printf -- '--- %s: FAILED, %d s\n' "$name" $((SECONDS - start))
    fi
}

skip() {
    echo "$1: $2" >> "$skipped"
}

step "no marks of conflicts" bash -c '! git grep -nE "^(<<<<<<<|>>>>>>>) "'
step "format" cargo fmt --all --check
step "lints" cargo clippy --quiet --workspace --all-targets --all-features -- -D warnings
step "build" cargo build --quiet --workspace --all-features
step "unit and integration tests" cargo test --quiet --workspace --all-features --exclude ferromq-interop --no-fail-fast
step "docs/configuration.md is current" diff -u docs/configuration.md <(scripts/configuration.sh)
step "demo" scripts/demo.sh
step "README" scripts/readme.sh
step "examples" scripts/examples.sh
if command -v valgrind > /dev/null; then
    step "instructions of the hot paths" scripts/instructions.sh
else
    skip "instructions of the hot paths" "valgrind is not installed"
fi
if command -v npm > /dev/null; then
    step "Node" scripts/node.sh
    step "Node packages" env PROFILE=debug scripts/npm.sh
else
    skip "Node" "npm is not installed"
fi
if command -v c++ > /dev/null; then
    step "C and C++" scripts/ffi.sh
    step "C package" env PROFILE=dev scripts/dist.sh
    for tool in valgrind pkg-config cmake dpkg-deb; do
        command -v "$tool" > /dev/null || skip "a part of C and C++" "$tool is not installed"
    done
else
    skip "C and C++" "c++ is not installed"
fi
if python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2> /dev/null; then
    step "Python" scripts/python.sh
    step "Python packages" env PROFILE=dev scripts/wheel.sh
else
    skip "Python" "there is no Python 3.9 or later that can make virtual environments"
fi
step "reference of every language" scripts/reference.sh
command -v doxygen > /dev/null || skip "reference of C and C++" "doxygen is not installed"
for tool in java mvn go; do
    command -v "$tool" > /dev/null || skip "interop with Apache's software" "$tool is not installed"
done
step "interop" cargo test --quiet --package ferromq-interop --no-fail-fast

echo
if [ -s "$skipped" ]; then
    echo "Skipped:"
    sort -u "$skipped" | sed 's/^/  /'
    if [ "${FERROMQ_REQUIRE_ALL:-}" = 1 ]; then
        failed+=("skipped tests, which are failures here")
    fi
fi
# Whoever sees the end of a long log only should see why.
for name in "${failed[@]}"; do
    printf 'Failed: %s\n' "$name"
    tail -n 40 "$logs/${name//\//-}.log" 2> /dev/null | cut -c -400 | sed 's/^/    /'
done
echo "$passed passed, ${#failed[@]} failed"
[ ${#failed[@]} -eq 0 ]
