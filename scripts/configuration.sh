#!/usr/bin/env bash
# Prints docs/configuration.md from the program's own tables.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --package ferromq-server
cat <<'TEXT'
# Settings

Written by `make docs` from the tables that the program itself uses; do not edit. Files are in Java's properties
format, as Apache's: `key=value` lines, given with `-c`. Times are in milliseconds and sizes in bytes unless a line says
otherwise. `port` means 0 to 65535, 0 being a free one.

TEXT
for part in namesrv broker store; do
    echo "## $part"
    echo
    # Defaults that depend on the machine are shown for nobody's in particular.
    env -u NAMESRV_ADDR -u ROCKETMQ_HOME HOME='~' target/debug/ferromq settings "$part"
    echo
done
