// Receives orders for the demonstration: consumer.mjs NAME_SERVERS GROUP COUNT
import { Consumer } from 'ferromq';

const [namesrvAddr, consumerGroup, wanted] = process.argv.slice(2);
const consumer = await Consumer.start({
  namesrvAddr,
  consumerGroup,
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  subscriptions: { Orders: 'created' },
  keepAlive: true,
});
let handled = 0;
for await (const batch of consumer) {
  for (const message of batch) console.log(`Node consumer of group ${consumerGroup} got: ${message.text()}`);
  batch.ack();
  handled += batch.length;
  if (handled >= Number(wanted)) break;
}
