#!/usr/bin/env bash
# Builds the package in place: build.sh [debug|release]. TARGET_DIR says where cargo's results are.
set -euo pipefail
cd "$(dirname "$0")"
profile=${1:-debug}
root=$(cd ../.. && pwd)
flags=()
[ "$profile" = release ] && flags=(--release)
(cd "$root" && cargo build --quiet "${flags[@]}" --package ferromq-node --package ferromq-server)
built=${CARGO_TARGET_DIR:-$root/target}/$profile
platform=$(node -p 'require("./native/platform.cjs").platform')
case $(uname -s) in
Darwin) library=libferromq_node.dylib ;;
*) library=libferromq_node.so ;;
esac
mkdir -p "prebuilt/$platform"
# A file of its own each time: a process that has the old one mapped keeps it.
cp "$built/$library" "prebuilt/$platform/new.node"
mv "prebuilt/$platform/new.node" "prebuilt/$platform/ferromq.node"
cp "$built/ferromq" "prebuilt/$platform/new"
mv "prebuilt/$platform/new" "prebuilt/$platform/ferromq"

[ "${2:-}" = --update ] && node settings.cjs > ts/settings.ts
rm -rf dist
node_modules/.bin/tsc -p tsconfig.esm.json
node_modules/.bin/tsc -p tsconfig.cjs.json
echo '{"type":"module"}' > dist/esm/package.json
echo '{"type":"commonjs"}' > dist/cjs/package.json
