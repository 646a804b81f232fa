#!/usr/bin/env bash
# Builds the clients that are measured: build.sh c|python|node. The one of Rust is a program of the crate.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
work=$target/bench
mkdir -p "$work"

case $1 in
c)
    cargo build --quiet --release --package ferromq-ffi
    # Programs look for the library under the name that has the number of the interface.
    ln -sf "$target/release/libferromq.so" "$work/libferromq.so.1"
    ln -sf "$target/release/libferromq.so" "$work/libferromq.so"
    cc -O2 -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -Iinclude bench/clients/client.c \
        -o "$work/client-c" "-L$work" "-Wl,-rpath,$work" -lferromq
    ;;
python)
    python3 -m venv "$work/python"
    export PATH=$work/python/bin:$PATH
    python -m pip install --quiet --disable-pip-version-check 'maturin>=1.9,<2'
    # The package has the program in it.
    mkdir -p bindings/python/python/ferromq/bin
    cp "$target/release/ferromq" bindings/python/python/ferromq/bin/ferromq
    rm -rf "$work/wheels"
    maturin build --quiet --manifest-path bindings/python/Cargo.toml --profile release --auditwheel skip --out "$work/wheels"
    python -m pip install --quiet --disable-pip-version-check --force-reinstall "$work"/wheels/*.whl
    ;;
node)
    cd bindings/node
    npm ci --silent --no-audit --no-fund --ignore-scripts
    ./build.sh release
    ;;
*)
    echo "usage: build.sh c|python|node" >&2
    exit 2
    ;;
esac
