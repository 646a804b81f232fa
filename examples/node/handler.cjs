// CommonJS, and a handler for each message: one that fails gets its message again.
const { Consumer, Producer, Server } = require('ferromq');

async function main() {
  const server = await Server.start({ messageDelayLevel: '1s 1s 1s 1s 1s' });
  const producer = await Producer.start({ namesrvAddr: server.address });
  await producer.sendBatch(['a', 'b', 'c'].map((body) => ({ topic: 'Letters', body })));
  const consumer = await Consumer.start({
    namesrvAddr: server.address,
    consumerGroup: 'readers',
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
    subscriptions: { Letters: '*' },
    keepAlive: true,
  });
  consumer.events.on('error', (error, message) => console.log(`${message.text()}: ${error.message}`));
  let handled = 0;
  await consumer.run((message) => {
    if (message.text() === 'b' && message.reconsumeTimes === 0) throw new Error('not now');
    console.log(`readers got ${message.text()}`);
    handled += 1;
    if (handled === 3) setImmediate(() => consumer.close());
  });
  await producer.close();
  await server.close();
}

main();
