"""A thousand messages at once, and a task that handles them."""

import asyncio

import ferromq


async def main() -> None:
    async with ferromq.AsyncServer() as server:
        async with ferromq.AsyncProducer(server.address) as producer:
            sends = (producer.send("Events", f"event {number}") for number in range(1000))
            receipts = await asyncio.gather(*sends)
            print(f"sent {len(receipts)} messages")

        first = "CONSUME_FROM_FIRST_OFFSET"
        async with ferromq.AsyncConsumer(
            "events", {"Events": "*"}, server.address, consume_from_where=first
        ) as consumer:
            received = 0
            while received < 1000:
                messages = await consumer.poll(256, timeout=10)
                consumer.ack(messages)
                received += len(messages)
            print(f"received {received} messages")


asyncio.run(main())
