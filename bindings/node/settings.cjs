'use strict';
// Prints ts/settings.ts: the types of all settings, from the core's own table.
const { settings } = require('./native/index.cjs');

const types = (kind) => {
  if (kind === 'boolean') return 'boolean';
  if (kind === 'string') return 'string';
  if (['int', 'long', 'port', 'double'].includes(kind)) return 'number';
  return kind.split('|').map((word) => `'${word}'`).join(' | ');
};
const titles = {
  ClientSettings: 'What all clients have in common. Times are in ms.',
  ProducerSettings: 'Settings of producers. Times are in ms, sizes in bytes.',
  ConsumerSettings: 'Settings of consumers. Times are in ms unless said otherwise.',
  BrokerSettings: 'Settings of brokers, for the embedded server.',
  StoreSettings: 'Settings of stores, for the embedded server.',
};
console.log('// Made by settings.cjs from the table of the core: do not edit, run scripts/node.sh --update.');
for (const [name, rows] of Object.entries(JSON.parse(settings()))) {
  console.log(`\n/** ${titles[name]} */\nexport interface ${name} {`);
  for (const { key, kind, help, range, default: value } of rows) {
    const also = [range && `range ${range}`, value !== '' && `default \`${value}\``].filter(Boolean);
    console.log(`  /** ${help}${also.length ? ` (${also.join(', ')})` : ''} */`);
    console.log(`  ${key}: ${types(kind)};`);
  }
  console.log('}');
}
