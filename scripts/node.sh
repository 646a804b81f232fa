#!/usr/bin/env bash
# Builds the npm package, and runs its tests, type tests, examples and the snippets of docs/node.md.
# With --update, what is generated and committed (bindings/node/api, ts/settings.ts) is written anew.
set -euo pipefail
cd "$(dirname "$0")/.."
update=${1:-}

target=${CARGO_TARGET_DIR:-$PWD/target}

cargo build --quiet --package ferromq-testkit --package ferromq-interop --bins
cd bindings/node
npm ci --silent --no-audit --no-fund --ignore-scripts
if grep -q '"resolved"' package-lock.json; then
    echo "package-lock.json records where packages were loaded from: run npm install with omit-lockfile-registry-resolved" >&2
    exit 1
fi
./build.sh debug $update

echo "== the committed types are current"
if [ "$update" = --update ]; then
    rm -rf api
    mkdir api
    cp dist/esm/*.d.ts api/
fi
diff -u ts/settings.ts <(node settings.cjs)
for file in dist/esm/*.d.ts dist/cjs/*.d.ts; do
    diff -u "api/$(basename "$file")" "$file"
done
for file in api/*.d.ts; do
    test -e "dist/esm/$(basename "$file")" || { echo "$file is no more" >&2; exit 1; }
done

echo "== types"
node_modules/.bin/tsc -p test/types

echo "== tests"
node --test test/*.test.mjs

echo "== scenarios against Apache's servers"
"$target/debug/with-apache" node --test test/scenarios.test.mjs

echo "== examples"
cd ../../examples/node
# The package as an application has it, but for the packing: scripts/npm.sh does that.
mkdir -p node_modules
ln -sfn ../../../bindings/node node_modules/ferromq
for example in *.mjs *.cjs; do
    echo "\$ node $example"
    timeout 60 node --unhandled-rejections=strict "$example"
done

echo "== docs/node.md"
node ../../scripts/node-docs.mjs ../../docs/node.md
