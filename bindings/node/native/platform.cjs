'use strict';
// Where the native parts of this platform are: beside this package when it was packed for it, or in
// a package of its own (`@ferromq/linux-x64-gnu` and so on), which npm installs where it fits.
const { existsSync } = require('node:fs');
const { join } = require('node:path');

function libc() {
  if (process.platform !== 'linux') return '';
  const report = process.report?.getReport();
  return report?.header?.glibcVersionRuntime ? '-gnu' : '-musl';
}

/** Such as `linux-x64-gnu`. */
const platform = `${process.platform}-${process.arch}${libc()}`;

/** The path of a native file, or undefined when no package has it. */
function find(file) {
  const beside = join(__dirname, '..', 'prebuilt', platform, file);
  if (existsSync(beside)) return beside;
  try {
    return require.resolve(`@ferromq/${platform}/${file}`);
  } catch {
    return undefined;
  }
}

function missing(what) {
  return new Error(
    `ferromq has no ${what} for ${platform}: neither is it in this package, nor is the package ` +
      `@ferromq/${platform} installed. If npm was told to omit optional packages, install that one; ` +
      `otherwise build from source, see docs/node.md of the project.`,
  );
}

module.exports = { platform, find, missing };
