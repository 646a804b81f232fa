'use strict';
const { find, missing } = require('./platform.cjs');

const path = process.env.FERROMQ_NATIVE ?? find('ferromq.node');
if (path === undefined) throw missing('native module');
module.exports = require(path);
