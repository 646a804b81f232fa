"""10 million messages of 128 bytes through the Python package: python bench/python/memory.py NAMESRVADDR

One thread sends batches while another receives them. Tells the process's memory at every tenth, and
fails when it grew after the first. MESSAGES=N sets how many."""

import json
import os
import sys
import threading
import time
from pathlib import Path

import ferromq

MESSAGES = int(os.environ.get("MESSAGES", 10_000_000))
TOPIC, BODY, BATCH = "MemoryPython", b"x" * 128, 200
# What may come and go between two looks: a few batches, and what the allocator keeps of them.
TOLERANCE = 32 << 10
address = sys.argv[1]


def resident() -> int:
    """In KiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


# So many batches may be on their way, or else they would lie at the broker and be read from disk.
ahead = threading.Semaphore(500)


def send() -> None:
    with ferromq.Producer(address) as producer:
        for _ in range(MESSAGES // BATCH):
            ahead.acquire()
            producer.send_batch(TOPIC, [BODY] * BATCH)


settings = {"consume_from_where": "CONSUME_FROM_FIRST_OFFSET", "pull_batch_size": 1024}
samples = []
start = time.perf_counter()
with ferromq.Consumer("memory-python", {TOPIC: "*"}, address, **settings) as consumer:
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    received = size = 0
    while received < MESSAGES:
        messages = consumer.poll(1024, 30)
        assert messages, f"only {received} of {MESSAGES} messages came"
        size += sum(len(message.body) for message in messages)
        consumer.ack(messages)
        for _ in range((received + len(messages)) // BATCH - received // BATCH):
            ahead.release()
        received += len(messages)
        if received * 10 // MESSAGES > len(samples):
            samples.append(resident())
    sender.join()
seconds = time.perf_counter() - start
growth = samples[-1] - samples[0]
figure = {
    "language": "python",
    "what": "memory",
    "messages": received,
    "perSecond": round(received / seconds),
    "rssKiB": samples,
    "growthKiB": growth,
}
print(json.dumps(figure), flush=True)
assert size >= received * len(BODY)
sys.exit(f"memory grew by {growth} KiB" if growth > TOLERANCE else 0)
