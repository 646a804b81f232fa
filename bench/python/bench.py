"""Messages a second of 128 bytes through the Python package: python bench/python/bench.py [NAMESRVADDR]

Without an address, an embedded server. Prints a line of JSON for each way to send and receive.
MESSAGES=N sets how many. The wheel of `make wheel` must be installed; `make bench-languages` does
that, and measures the other languages beside it."""

import asyncio
import json
import os
import platform
import resource
import sys
import time
from typing import Dict

import ferromq

MESSAGES = int(os.environ.get("MESSAGES", 200_000))
TOPIC, BODY = "BenchPython", b"x" * 128
server = None if sys.argv[1:] else ferromq.Server(mapped_file_size_commit_log=1 << 30)
address = sys.argv[1] if server is None else server.address
sent = 0


def report(what: str, count: int, start: float) -> None:
    seconds = time.perf_counter() - start
    line: Dict[str, object] = {
        "language": "python",
        "what": what,
        "messages": count,
        "perSecond": round(count / seconds),
        "maxRssMiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        "server": "embedded" if server else address,
        "version": ferromq.__version__,
        "runtime": platform.python_version(),
        "cpus": os.cpu_count(),
    }
    print(json.dumps(line), flush=True)


with ferromq.Producer(address) as producer:
    for _ in range(1000):
        producer.send(TOPIC, BODY)
    start = time.perf_counter()
    alone = min(MESSAGES, 20_000)
    for _ in range(alone):
        producer.send(TOPIC, BODY)
    report("one after the other", alone, start)
    batch = [BODY] * 100
    start = time.perf_counter()
    for _ in range(MESSAGES // 100):
        producer.send_batch(TOPIC, batch)
    report("batches of 100", MESSAGES // 100 * 100, start)
    sent += 1000 + alone + MESSAGES // 100 * 100


async def side_by_side() -> None:
    async with ferromq.AsyncProducer(address) as producer:

        async def worker(count: int) -> None:
            for _ in range(count):
                await producer.send(TOPIC, BODY)

        start = time.perf_counter()
        await asyncio.gather(*(worker(MESSAGES // 512) for _ in range(512)))
        report("512 at a time", MESSAGES // 512 * 512, start)


asyncio.run(side_by_side())
sent += MESSAGES // 512 * 512

settings = {
    "consume_from_where": "CONSUME_FROM_FIRST_OFFSET",
    "pull_batch_size": 1024,
    "pull_threshold_for_queue": 20_000,
    "consume_concurrently_max_span": 60_000,
}
with ferromq.Consumer(f"bench-{os.getpid()}", {TOPIC: "*"}, address, **settings) as consumer:
    received = size = 0
    start = time.perf_counter()
    while received < sent:
        messages = consumer.poll(1024, 10)
        for message in messages:
            size += len(message.body)
        consumer.ack(messages)
        received += len(messages)
    report("received", received, start)
assert size == received * len(BODY)
