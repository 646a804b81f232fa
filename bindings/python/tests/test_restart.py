"""A broker that goes and comes back while clients are at work: nothing that was acknowledged is missing."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from typing import Any, Dict, Iterator, List, Set

import ferromq
import pytest
from cluster import Cluster
from conftest import FIRST, until

QUICK: Dict[str, Any] = {
    "poll_name_server_interval": 200,
    "heartbeat_broker_interval": 500,
    "persist_consumer_offset_interval": 100,
}
ROUNDS = 3


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


class Load:
    """What was acknowledged, what failed, and what has come."""

    def __init__(self) -> None:
        self.numbers = itertools.count()
        self.acknowledged: Set[bytes] = set()
        self.failures: List[ferromq.Error] = []
        self.seen: Set[bytes] = set()
        self.over = False

    def missing(self) -> Set[bytes]:
        return self.acknowledged - self.seen

    def restart(self, cluster: Cluster) -> None:
        """Takes the broker away and brings it back, each time in the midst of messages."""
        for _ in range(ROUNDS):
            before, seen = len(self.acknowledged), len(self.seen)
            until("messages", lambda: len(self.acknowledged) > before + 100)
            failed = len(self.failures)
            cluster.obey("stop broker 0")
            until("failures", lambda: len(self.failures) > failed)
            cluster.obey("start broker 0")
            after = len(self.acknowledged)
            until("messages again", lambda: len(self.acknowledged) > after + 100)
            until("deliveries again", lambda: len(self.seen) > seen + 100)
        self.over = True

    def check(self) -> None:
        assert len(self.acknowledged) > 200 * ROUNDS
        strange = [error for error in self.failures if not error.retryable]
        assert strange == []


def begin(cluster: Cluster) -> str:
    address = cluster.obey("cluster names=1 brokers=1")
    cluster.obey("topic Restart queues=4")
    return address


def test_threads_go_on_while_a_broker_restarts(cluster: Cluster) -> None:
    address, load = begin(cluster), Load()
    producer = ferromq.Producer(address, send_msg_timeout=1000, **QUICK)
    consumer = ferromq.Consumer("restart", {"Restart": "*"}, address, **FIRST, **QUICK)

    def send() -> None:
        while not load.over:
            body = str(next(load.numbers)).encode()
            try:
                producer.send("Restart", body)
                load.acknowledged.add(body)
            except ferromq.Error as error:
                load.failures.append(error)

    @consumer.on_message
    def handle(message: ferromq.Delivery) -> None:
        load.seen.add(message.body)

    consumer.start(threads=2)
    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        load.restart(cluster)
    finally:
        load.over = True
        for thread in threads:
            thread.join()
    until("the rest", lambda: not load.missing())
    consumer.close()
    producer.close()
    load.check()


def test_an_event_loop_goes_on_while_a_broker_restarts(cluster: Cluster) -> None:
    address, load = begin(cluster), Load()

    async def main() -> None:
        async with ferromq.AsyncProducer(address, send_msg_timeout=1000, **QUICK) as producer:

            async def send() -> None:
                while not load.over:
                    body = str(next(load.numbers)).encode()
                    try:
                        await producer.send("Restart", body)
                        load.acknowledged.add(body)
                    except ferromq.Error as error:
                        load.failures.append(error)

            async def receive(consumer: ferromq.AsyncConsumer) -> None:
                async for message in consumer:
                    load.seen.add(message.body)

            topics, settings = {"Restart": "*"}, {**FIRST, **QUICK}
            async with ferromq.AsyncConsumer("restart", topics, address, **settings) as consumer:
                receiving = asyncio.create_task(receive(consumer))
                senders = [asyncio.create_task(send()) for _ in range(16)]
                try:
                    await asyncio.to_thread(load.restart, cluster)
                finally:
                    load.over = True
                    await asyncio.gather(*senders)
                end = time.monotonic() + 60
                while load.missing():
                    assert time.monotonic() < end, f"missing: {load.missing()}"
                    await asyncio.sleep(0.005)
            await receiving

    asyncio.run(main())
    load.check()
