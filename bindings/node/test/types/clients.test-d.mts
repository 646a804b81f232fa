// Compiled, never run: what the types promise, and what they forbid.
import {
  Consumer,
  FerroMQError,
  Producer,
  PullConsumer,
  Server,
  type ErrorCode,
  type MessageQueue,
  type SendReceipt,
} from 'ferromq';
import { withServer, type TestServer } from 'ferromq/testing';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

export async function sending(): Promise<void> {
  await using server = await Server.start({ directory: '/tmp/x' });
  await using producer = await Producer.start({ namesrvAddr: server.address, sendMsgTimeout: 1000 });
  const sent = producer.send({ topic: 'T', body: 'x', tag: 'a', keys: ['k'] }, { timeoutMs: 5 });
  same<typeof sent, Promise<SendReceipt>>(true);
  const receipt = await sent;
  same<typeof receipt.queueOffset, bigint>(true);
  same<typeof receipt.status, 'OK' | 'FLUSH_DISK_TIMEOUT' | 'FLUSH_SLAVE_TIMEOUT' | 'SLAVE_NOT_AVAILABLE'>(true);
  await producer.send({ topic: 'T', body: new Uint8Array(3) }, { signal: AbortSignal.timeout(5) });
  // @ts-expect-error: a message has a body
  await producer.send({ topic: 'T' });
  // @ts-expect-error: numbers are no bodies
  await producer.send({ topic: 'T', body: 5 });
  // @ts-expect-error: a misspelt setting
  await Producer.start({ namesrvAdr: 'x' });
  // @ts-expect-error: times are numbers
  await Producer.start({ sendMsgTimeout: '5' });
  // @ts-expect-error: clients are started
  new Producer();
}

export async function consuming(): Promise<void> {
  const consumer = await Consumer.start({ consumerGroup: 'G', subscriptions: { T: '*' }, keepAlive: true });
  for await (const batch of consumer) {
    for (const message of batch) {
      same<typeof message.body, Buffer>(true);
      same<typeof message.queueOffset, bigint>(true);
      same<typeof message.bornTimestamp, number>(true);
      same<typeof message.tag, string | undefined>(true);
      message.retryLater();
      // @ts-expect-error: messages do not change
      message.topic = 'U';
    }
  }
  consumer.events.on('rebalance', (queues) => same<typeof queues, MessageQueue[]>(true));
  // @ts-expect-error: there is no such event
  consumer.events.on('message', () => {});
  // @ts-expect-error: a group is needed
  await Consumer.start({ subscriptions: {} });
  const pull = await PullConsumer.start({ consumerGroup: 'G' });
  const [queue] = await pull.topicQueues('T');
  if (queue !== undefined) {
    await pull.seek(queue, 5n);
    await pull.seek(queue, 'begin');
    // @ts-expect-error: offsets are bigint
    await pull.seek(queue, 5);
    same<Awaited<ReturnType<typeof pull.committed>>, bigint | null>(true);
  }
}

export function failing(error: unknown): void {
  if (error instanceof FerroMQError) {
    same<typeof error.code, ErrorCode>(true);
    same<typeof error.brokerCode, number | undefined>(true);
    if (error.code === 'TIMEOUT' && error.retryable) return;
    // @ts-expect-error: there is no such code
    if (error.code === 'TIMED_OUT') return;
  }
}

export const answer: Promise<number> = withServer(async (server: TestServer) => {
  same<typeof server.client.namesrvAddr, string>(true);
  return 5;
});
