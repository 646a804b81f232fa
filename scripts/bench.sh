#!/usr/bin/env bash
# Builds what is measured, without debug checks, and measures it: scripts/bench.sh [options of ferromq-bench; --help lists
# them]. What this machine has no tool for (Java and Maven, a C compiler, Python, Node) is left out of the figures, and said.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}

echo "Building..." >&2
cargo build --quiet --release --package ferromq-server --package ferromq-bench
# All rows, or the one that needs them.
wanted=" $* "
if [[ $wanted != *" --only "* || $wanted == *" --only clients "* ]]; then
    for language in c python node; do
        bench/clients/build.sh "$language" || echo "the $language client cannot be built here" >&2
    done
fi
exec "$target/release/ferromq-bench" "$@"
