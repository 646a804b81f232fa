#!/usr/bin/env bash
# Makes the reference of every language below target/reference; but for Python warnings are errors. What this machine has
# no tool for is left out, which is said; with FERROMQ_REQUIRE_ALL=1 that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
out=$PWD/target/reference
mkdir -p "$out"
left_out=()
leave_out() {
    left_out+=("$1")
    echo "Left out: $1, because $2."
}

echo "== Rust"
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --all-features \
    --package ferromq --package ferromq-client --package ferromq-model --package ferromq-protocol
rm -rf "$out/rust"
cp -r "$target/doc" "$out/rust"

echo "== C and C++"
if command -v doxygen > /dev/null; then
    rm -rf "$out/c"
    doxygen Doxyfile
else
    leave_out "C and C++" "doxygen is not installed"
fi

echo "== Python"
if python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2> /dev/null; then
    environment=$target/python/environment
    [ -x "$environment/bin/python" ] || python3 -m venv "$environment"
    [ -x "$environment/bin/pdoc" ] || "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
        --requirement bindings/python/requirements-dev.txt
    cargo build --quiet --package ferromq-python
    # The package as it is here, whatever the environment has.
    package=$(mktemp -d)
    trap 'rm -rf "$package"' EXIT
    cp -r bindings/python/python/ferromq "$package"
    for library in "$target"/debug/lib_native.{so,dylib}; do
        [ ! -e "$library" ] || cp "$library" "$package/ferromq/_native.abi3.so"
    done
    rm -rf "$out/python"
    PYTHONPATH=$package "$environment/bin/pdoc" --output-directory "$out/python" ferromq
else
    leave_out Python "there is no Python 3.9 or later that can make virtual environments"
fi

echo "== Node"
if command -v npm > /dev/null; then
    cd bindings/node
    [ -d node_modules ] || npm ci --silent --no-audit --no-fund --ignore-scripts
    rm -rf "$out/node"
    npm run --silent reference -- --out "$out/node"
    cd ../..
else
    leave_out Node "npm is not installed"
fi
ls "$out"
[ "${FERROMQ_REQUIRE_ALL:-}" != 1 ] || [ ${#left_out[@]} -eq 0 ]
