#!/usr/bin/env bash
# Builds the Python package as a wheel, installs it into an environment of its own, and runs its type
# checks, tests, examples and the snippets of docs/python.md. FERROMQ_CYCLES=5000 makes and closes so many clients
# of every kind, to see that nothing is kept.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}

cargo build --quiet --package ferromq-server --package ferromq-testkit --package ferromq-interop --bins
environment=$target/python/environment
python3 -m venv "$environment"
export PATH=$environment/bin:$PATH VIRTUAL_ENV=$environment
python -m pip install --quiet --disable-pip-version-check --requirement bindings/python/requirements-dev.txt

echo "== wheel"
rm -rf "$target/python/wheels"
# The program comes along, so that `python -m ferromq` works.
mkdir -p bindings/python/python/ferromq/bin
cp "$target/debug/ferromq" bindings/python/python/ferromq/bin/ferromq
maturin build --quiet --manifest-path bindings/python/Cargo.toml --profile dev --strip true \
    --auditwheel skip --out "$target/python/wheels"
python -m pip install --quiet --disable-pip-version-check --force-reinstall "$target"/python/wheels/*.whl
# Not from the checkout: what is installed is what is tested.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -r bindings/python/tests examples/python bindings/python/pyproject.toml "$scratch"
mkdir "$scratch/examples"
mv "$scratch/python" "$scratch/examples/python"
root=$PWD
cd "$scratch"

echo "== types"
python -m mypy.stubtest ferromq --ignore-missing-stub --ignore-disjoint-bases
mypy --package ferromq
mypy tests examples
# It is a program for Node.
if command -v node > /dev/null; then
    pyright --pythonpath "$environment/bin/python" examples
    pyright --pythonpath "$environment/bin/python" --ignoreexternal --verifytypes ferromq
fi

echo "== tests"
export FERROMQ_ROOT=$root
pytest -n 6 tests

# Other interpreters, as in FERROMQ_PYTHONS="python3.9 python3.13": one wheel is for all of them.
for other in ${FERROMQ_PYTHONS:-}; do
    echo "== tests with $other"
    "$other" -m venv "$scratch/other"
    "$scratch/other/bin/python" -m pip install --quiet --disable-pip-version-check pytest pytest-xdist \
        "$target"/python/wheels/*.whl
    "$scratch/other/bin/python" -m pytest -n 6 tests
    rm -rf "$scratch/other"
done

echo "== scenarios against Apache's servers"
"$target/debug/with-apache" pytest -n 4 tests/test_scenarios.py

echo "== program"
python -m ferromq --version

echo "== examples"
for example in examples/python/[!t]*.py; do
    echo "\$ python $(basename "$example")"
    timeout 60 python "$example"
done
pytest examples/python

echo "== docs/python.md"
python "$root/scripts/python-docs.py" "$root/docs/python.md"
