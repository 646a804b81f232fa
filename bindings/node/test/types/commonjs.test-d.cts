// The same types for CommonJS.
import ferromq = require('ferromq');
import testing = require('ferromq/testing');

export const started: Promise<ferromq.Producer> = ferromq.Producer.start();
export const server: Promise<testing.TestServer> = testing.TestServer.start({ topics: { T: 4 } });
