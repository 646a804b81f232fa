#!/usr/bin/env bash
# Runs each example from beginning to end.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --package ferromq-examples
for example in embedded producer_and_consumer; do
    echo "\$ $example"
    timeout 60 "target/debug/$example"
done
