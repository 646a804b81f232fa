#!/usr/bin/env bash
# Packs the npm package: target/npm/ferromq-VERSION.tgz with the native parts of this machine inside, and
# ferromq-PLATFORM-VERSION.tgz with those alone, for a release that has several platforms. Then installs
# each way into an empty project and runs an example from ESM and CommonJS. PROFILE=debug is quicker.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
profile=${PROFILE:-release}
out=$root/target/npm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd bindings/node && npm ci --silent --no-audit --no-fund --ignore-scripts && ./build.sh "$profile")
platform=$(node -p 'require("./bindings/node/native/platform.cjs").platform')
rm -rf "$out"
mkdir -p "$out"

# The package for this machine.
mkdir "$work/whole" "$work/thin"
cd bindings/node
for kind in whole thin; do
    cp -r package.json dist native bin "$work/$kind"
    cp README.md "$root/LICENSE" "$work/$kind"
done
mkdir "$work/whole/prebuilt"
cp -r "prebuilt/$platform" "$work/whole/prebuilt"
if [ "$profile" = release ] && command -v strip > /dev/null; then
    strip --strip-debug "$work/whole/prebuilt/$platform/"*
fi
cd "$root"

# The package of the platform, and the one that asks for it: how a release for several is laid out.
mkdir "$work/platform"
cp "$work/whole/prebuilt/$platform/"* LICENSE "$work/platform"
node - "$work" "$platform" <<'JS'
const { readFileSync, writeFileSync } = require('node:fs');
const [work, platform] = process.argv.slice(2);
const [os, cpu, libc] = platform.split('-');
for (const kind of ['whole', 'thin']) {
  const file = `${work}/${kind}/package.json`;
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  delete manifest.devDependencies;
  delete manifest.scripts;
  if (kind === 'thin') manifest.optionalDependencies = { [`@ferromq/${platform}`]: manifest.version };
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
}
const { version, license, repository } = JSON.parse(readFileSync(`${work}/whole/package.json`, 'utf8'));
const own = {
  name: `@ferromq/${platform}`, version, description: `The native parts of ferromq for ${platform}`,
  license, repository, os: [os], cpu: [cpu],
  ...(libc && { libc: [libc === 'gnu' ? 'glibc' : 'musl'] }),
};
writeFileSync(`${work}/platform/package.json`, `${JSON.stringify(own, null, 2)}\n`);
JS
(cd "$work/whole" && npm pack --silent --pack-destination "$out" > /dev/null)
(cd "$work/platform" && npm pack --silent --pack-destination "$out" > /dev/null)
(cd "$work/thin" && npm pack --silent --pack-destination "$work" > /dev/null)

try() {
    local project=$work/$1
    shift
    mkdir "$project"
    cd "$project"
    echo '{"private":true}' > package.json
    npm install --silent --no-audit --no-fund --offline --omit=optional "$@"
    # From inside the project, where only the installed package can be found.
    cp "$root/examples/node/"*.mjs "$root/examples/node/"*.cjs .
    for example in *.mjs *.cjs; do
        echo "\$ node $example"
        timeout 60 node "$example"
    done
    npx --no-install ferromq --version
    cd "$root"
}
echo "== one package"
try one "$out"/ferromq-[0-9]*.tgz
echo "== a package and that of the platform"
try two "$work"/ferromq-[0-9]*.tgz "$out"/ferromq-"$platform"-*.tgz
ls -l "$out"
