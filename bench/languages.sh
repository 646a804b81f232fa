#!/usr/bin/env bash
# Rust, Python and Node through one server on this machine, one after the other: a line of JSON for each figure,
# then the figures beside each other and beside what they are to be. MESSAGES=N sets how many.
# `languages.sh memory` sends and receives 10 million messages (or MESSAGES) through Python and Node instead, and
# fails when memory grows.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-speed}
target=${CARGO_TARGET_DIR:-$PWD/target}
environment=$target/python/bench

cargo build --quiet --release --package ferromq-server --bins
cargo build --quiet --release --package ferromq --example sends
[ -x "$environment/bin/maturin" ] || {
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check 'maturin>=1.9,<2'
}
rm -rf "$environment/wheels"
"$environment/bin/maturin" build --quiet --release --manifest-path bindings/python/Cargo.toml --auditwheel skip \
    --out "$environment/wheels"
"$environment/bin/pip" install --quiet --disable-pip-version-check --force-reinstall "$environment"/wheels/*.whl
(cd bindings/node && npm ci --silent --no-audit --no-fund --ignore-scripts && ./build.sh release)

work=$(mktemp -d)
"$target/release/ferromq" standalone --data "$work/data" --namesrv-port 0 --broker-port 0 > "$work/server" &
server=$!
trap 'kill $server 2> /dev/null; wait $server 2> /dev/null; rm -rf "$work"' EXIT
until grep -q 'standalone ready' "$work/server"; do
    kill -0 $server
    sleep 0.02
done
address=$(sed -n 's/.*namesrv=\([^ ]*\).*/\1/p' "$work/server")

case $what in
speed)
    {
        "$target/release/examples/sends" "$address"
        "$environment/bin/python" bench/python/bench.py "$address"
        node bench/node/bench.mjs "$address"
    } | tee "$work/figures"
    "$environment/bin/python" bench/languages.py < "$work/figures"
    ;;
memory)
    "$environment/bin/python" bench/python/memory.py "$address"
    node --expose-gc bench/node/memory.mjs "$address"
    ;;
*)
    echo "usage: $0 [speed|memory]" >&2
    exit 2
    ;;
esac
