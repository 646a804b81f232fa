"""Consuming from queues of one's own choice."""

from __future__ import annotations

from typing import List, Optional, Sequence

from ._lifecycle import AsyncClosing, Closing
from ._loop import result
from ._native import MessageQueue, NativePullConsumer, ReceivedMessage
from ._settings import Setting, pairs

_KINDS = ("client", "consumer")


class PullConsumer(Closing[NativePullConsumer]):
    """Reads queues that are assigned to it, or those that its group gives it for a subscription.

    Progress follows what was polled, and is stored every few seconds and by `commit`. A `with` block that ends with
    an error does not count what was polled last as handled: it comes again.
    """

    def __init__(self, group: str, address: Optional[str] = None, **settings: Setting) -> None:
        all_settings = [*pairs(_KINDS, settings, address), ("consumerGroup", group)]
        super().__init__(NativePullConsumer.start(all_settings))

    def poll(self, max: int = 32, timeout: float = 1.0) -> List[ReceivedMessage]:
        """Up to `max` messages, waiting up to `timeout` seconds for the first."""
        return self._native.poll(max, timeout).wait()

    def subscribe(self, topic: str, tags: str = "*") -> None:
        """Reads a topic together with the other members of the group."""
        self._native.subscribe(topic, tags).wait()

    def unsubscribe(self, topic: str) -> None:
        """Reads a topic no more."""
        self._native.unsubscribe(topic).wait()

    def assign(self, queues: Sequence[MessageQueue]) -> None:
        """Reads these queues, and no others."""
        self._native.assign(list(queues)).wait()

    def assignment(self) -> List[MessageQueue]:
        """The queues that are read at present."""
        return self._native.assignment()

    def topic_queues(self, topic: str) -> List[MessageQueue]:
        """The queues of a topic that can be read."""
        return self._native.topic_queues(topic).wait()

    def seek(self, queue: MessageQueue, offset: int) -> None:
        """Goes on at this offset of a queue."""
        self._native.seek(queue, offset).wait()

    def seek_to_begin(self, queue: MessageQueue) -> None:
        """Goes on at a queue's first message."""
        self._native.seek_to_begin(queue).wait()

    def seek_to_end(self, queue: MessageQueue) -> None:
        """Goes on at a queue's next new message."""
        self._native.seek_to_end(queue).wait()

    def committed(self, queue: MessageQueue) -> Optional[int]:
        """The group's stored progress in a queue, if there is any."""
        return self._native.committed(queue).wait()

    def offset_for_timestamp(self, queue: MessageQueue, timestamp: int) -> int:
        """The offset of the first message stored at a time (ms) or later."""
        return self._native.offset_for_timestamp(queue, timestamp).wait()

    def pause(self, queues: Sequence[MessageQueue]) -> None:
        """Pulls no more from these queues."""
        self._native.pause(list(queues))

    def resume(self, queues: Sequence[MessageQueue]) -> None:
        """Pulls from these queues again."""
        self._native.resume(list(queues))

    def commit(self) -> None:
        """Stores progress now, and waits until the brokers have it."""
        self._native.commit().wait()

    def _failed(self) -> None:
        # What could not be handled comes again.
        self._native.forget_polled()


class AsyncPullConsumer(AsyncClosing[NativePullConsumer]):
    """`PullConsumer` for asyncio."""

    def __init__(self, group: str, address: Optional[str] = None, **settings: Setting) -> None:
        all_settings = [*pairs(_KINDS, settings, address), ("consumerGroup", group)]
        super().__init__(lambda: NativePullConsumer.start(all_settings))

    async def poll(self, max: int = 32, timeout: float = 1.0) -> List[ReceivedMessage]:
        """As `PullConsumer.poll`."""
        return await result(self._native.poll(max, timeout))

    async def subscribe(self, topic: str, tags: str = "*") -> None:
        """As `PullConsumer.subscribe`."""
        await result(self._native.subscribe(topic, tags))

    async def unsubscribe(self, topic: str) -> None:
        """As `PullConsumer.unsubscribe`."""
        await result(self._native.unsubscribe(topic))

    async def assign(self, queues: Sequence[MessageQueue]) -> None:
        """As `PullConsumer.assign`."""
        await result(self._native.assign(list(queues)))

    def assignment(self) -> List[MessageQueue]:
        """As `PullConsumer.assignment`."""
        return self._native.assignment()

    async def topic_queues(self, topic: str) -> List[MessageQueue]:
        """As `PullConsumer.topic_queues`."""
        return await result(self._native.topic_queues(topic))

    async def seek(self, queue: MessageQueue, offset: int) -> None:
        """As `PullConsumer.seek`."""
        await result(self._native.seek(queue, offset))

    async def seek_to_begin(self, queue: MessageQueue) -> None:
        """As `PullConsumer.seek_to_begin`."""
        await result(self._native.seek_to_begin(queue))

    async def seek_to_end(self, queue: MessageQueue) -> None:
        """As `PullConsumer.seek_to_end`."""
        await result(self._native.seek_to_end(queue))

    async def committed(self, queue: MessageQueue) -> Optional[int]:
        """As `PullConsumer.committed`."""
        return await result(self._native.committed(queue))

    async def offset_for_timestamp(self, queue: MessageQueue, timestamp: int) -> int:
        """As `PullConsumer.offset_for_timestamp`."""
        return await result(self._native.offset_for_timestamp(queue, timestamp))

    def pause(self, queues: Sequence[MessageQueue]) -> None:
        """As `PullConsumer.pause`."""
        self._native.pause(list(queues))

    def resume(self, queues: Sequence[MessageQueue]) -> None:
        """As `PullConsumer.resume`."""
        self._native.resume(list(queues))

    async def commit(self) -> None:
        """As `PullConsumer.commit`."""
        await result(self._native.commit())

    def _failed(self) -> None:
        # What could not be handled comes again.
        self._native.forget_polled()
