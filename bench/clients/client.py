"""Sends through the Python package: client.py NAMESRV TOPIC SIZE WINDOW WARM_UP SECONDS

Prints `begin` after the warm-up and `end N` when N more messages have been acknowledged."""

import asyncio
import sys
import time

import ferromq

NAMESRV, TOPIC = sys.argv[1:3]
BODY, WINDOW = b"x" * int(sys.argv[3]), int(sys.argv[4])
BEGIN = time.monotonic() + float(sys.argv[5])
END = BEGIN + float(sys.argv[6])


async def main() -> None:
    sent = -1
    async with ferromq.AsyncProducer(NAMESRV) as producer:

        async def caller() -> None:
            nonlocal sent
            while (now := time.monotonic()) < END:
                await producer.send(TOPIC, BODY)
                if sent >= 0:
                    sent += 1
                elif now >= BEGIN:
                    sent = 0
                    print("begin", flush=True)

        await asyncio.gather(*(caller() for _ in range(WINDOW)))
        print("end", max(sent, 0), flush=True)


asyncio.run(main())
