// A server inside this process, a producer and a consumer.
import { Consumer, Producer, Server } from 'ferromq';

const server = await Server.start();
const producer = await Producer.start({ namesrvAddr: server.address });
for (let order = 1; order <= 3; order++) {
  const { queue, queueOffset } = await producer.send({ topic: 'Orders', body: `order ${order}`, tag: 'created' });
  console.log(`sent order ${order} to queue ${queue.queueId} at ${queueOffset}`);
}

const consumer = await Consumer.start({
  namesrvAddr: server.address,
  consumerGroup: 'billing',
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  subscriptions: { Orders: 'created || paid' },
  keepAlive: true,
});
let count = 0;
for await (const batch of consumer) {
  for (const message of batch) console.log(`billing got ${message.text()} with tag ${message.tag}`);
  batch.ack();
  count += batch.length;
  if (count === 3) break; // Leaving the loop closes the consumer.
}
await producer.close();
await server.close();
