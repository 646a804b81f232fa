"""Clients on an event loop."""

from __future__ import annotations

import asyncio

import ferromq
import pytest
from conftest import FIRST


def test_many_sends_at_once_and_a_loop_of_messages(server: ferromq.Server) -> None:
    async def main() -> None:
        async with ferromq.AsyncProducer(server.address) as producer:
            sends = (producer.send("Many", str(number)) for number in range(2000))
            receipts = await asyncio.gather(*sends)
        assert {receipt.status for receipt in receipts} == {ferromq.SendStatus.OK}
        subscriptions = {"Many": "*"}
        async with ferromq.AsyncConsumer("many", subscriptions, server.address, **FIRST) as consumer:
            seen = set()
            async for message in consumer:
                seen.add(message.body)
                if len(seen) == 2000:
                    break
        assert seen == {str(number).encode() for number in range(2000)}

    asyncio.run(main())


def test_the_loop_goes_on_and_cancelling_ends_a_poll(server: ferromq.Server) -> None:
    async def main() -> None:
        async with ferromq.AsyncConsumer("cancel", {"Cancel": "*"}, server.address) as consumer:
            poll = asyncio.create_task(consumer.poll(1, 60))
            ticks = 0
            while ticks < 100:
                await asyncio.sleep(0)
                ticks += 1
            assert not poll.done()
            poll.cancel()
            with pytest.raises(asyncio.CancelledError):
                await poll
            # What came for a poll that is no more comes to the next one.
            async with ferromq.AsyncProducer(server.address) as producer:
                await producer.send("Cancel", b"x")
            assert [message.body for message in await consumer.poll(1, 10)] == [b"x"]

    asyncio.run(main())


def test_closing_ends_the_loop_of_messages(server: ferromq.Server) -> None:
    async def main() -> None:
        consumer = await ferromq.AsyncConsumer("over", {"Over": "*"}, server.address).start()

        async def read() -> int:
            return len([message async for message in consumer])

        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        await consumer.close()
        assert await asyncio.wait_for(reading, 10) == 0
        with pytest.raises(ferromq.ClosedError):
            await consumer.poll()

    asyncio.run(main())


def test_what_was_not_started_says_so(server: ferromq.Server) -> None:
    async def main() -> None:
        producer = ferromq.AsyncProducer(server.address)
        with pytest.raises(ferromq.InvalidArgumentError, match="async with"):
            await producer.send("T", b"x")
        await producer.close()

    asyncio.run(main())


def test_several_loops_one_after_the_other(server: ferromq.Server) -> None:
    async def main() -> int:
        async with ferromq.AsyncAdmin(server.address) as admin:
            return len(await admin.brokers())

    assert [asyncio.run(main()) for _ in range(20)] == [1] * 20


def test_a_server_and_an_admin() -> None:
    async def main() -> None:
        async with ferromq.AsyncServer() as server:
            async with ferromq.AsyncAdmin(server.address) as admin:
                await admin.create_topic("Orders", queues=2)
                assert "Orders" in await admin.topics()
                extents = await admin.topic_stats("Orders")
                assert [extent.max_offset for extent in extents] == [0, 0]
                await admin.create_group("billing")
                assert "billing" in await admin.groups()

    asyncio.run(main())


def test_messages_of_a_poll_that_was_cancelled_when_they_had_come_are_polled_again(
    server: ferromq.Server,
) -> None:
    async def main() -> None:
        async with ferromq.AsyncProducer(server.address) as producer:
            await producer.send("PullCancel", b"x")
        async with ferromq.AsyncPullConsumer("pull-cancel", server.address, **FIRST) as consumer:
            await consumer.assign(await consumer.topic_queues("PullCancel"))
            for turn in range(3):
                poll = asyncio.create_task(consumer.poll(1, 60))
                await asyncio.sleep(0)
                # The loop does not see meanwhile that it has come.
                with ferromq.PullConsumer(f"other{turn}", server.address, **FIRST) as other:
                    other.assign(other.topic_queues("PullCancel"))
                    assert len(other.poll(1, 60)) == 1
                poll.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await poll
            assert [message.body for message in await consumer.poll(1, 10)] == [b"x"]

    asyncio.run(main())
