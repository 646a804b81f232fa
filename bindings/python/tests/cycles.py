"""Makes and closes clients of every kind, again and again, and tells what the process held in between, as
a line of JSON a quarter: python cycles.py CYCLES"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from pathlib import Path
from typing import Any, Dict

import ferromq

FIRST: Dict[str, Any] = {"consume_from_where": "CONSUME_FROM_FIRST_OFFSET"}


def waiting(address: str, number: int) -> None:
    group = f"waiting{number % 10}"
    with ferromq.Producer(address) as producer, ferromq.Admin(address) as admin:
        producer.send("Cycles", b"x" * 1000)
        admin.brokers()
        with ferromq.Consumer(group, {"Cycles": "*"}, address, **FIRST) as consumer:
            consumer.ack(consumer.poll(1, 10))
        with ferromq.PullConsumer(group, address) as puller:
            puller.assign(puller.topic_queues("Cycles"))
    # One that nobody closes, and one whose handler is at work.
    ferromq.Producer(address)
    consumer = ferromq.Consumer(group, {"Cycles": "*"}, address)
    consumer.on_message(lambda message: None)
    consumer.start()
    consumer.close()


async def awaited(address: str, number: int) -> None:
    async with ferromq.AsyncProducer(address) as producer:
        await producer.send("Cycles", b"x" * 1000)
        group, topics = f"awaited{number % 10}", {"Cycles": "*"}
        async with ferromq.AsyncConsumer(group, topics, address, **FIRST) as consumer:
            consumer.ack(await consumer.poll(1, 10))
            poll = asyncio.create_task(consumer.poll(1, 60))
            await asyncio.sleep(0)
            poll.cancel()


def held() -> Dict[str, int]:
    gc.collect()
    status = Path("/proc/self/status").read_text()
    values = dict(line.split(":", 1) for line in status.splitlines())
    return {
        # What is mapped belongs to the server's store, not to the clients.
        "kibibytes": int(values["RssAnon"].split()[0]),
        "threads": int(values["Threads"]),
        "files": len(list(Path("/proc/self/fd").iterdir())),
    }


def main(cycles: int) -> None:
    with ferromq.Server() as server:
        for number in range(cycles):
            waiting(server.address, number)
            asyncio.run(awaited(server.address, number))
            if number % 10 == 0:
                with ferromq.Server() as other, ferromq.Producer(other.address) as producer:
                    producer.send("Cycles", b"x")
            if (number + 1) % (cycles // 4) == 0:
                print(json.dumps({"cycles": number + 1, **held()}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
