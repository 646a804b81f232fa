"""Topics, groups and progress."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from ._lifecycle import AsyncClosing, Closing
from ._loop import result
from ._native import MessageQueue, NativeAdmin, ReceivedMessage
from ._parts import ConsumeProgress, QueueExtent
from ._settings import Setting, pairs

_KINDS = ("client",)


def _extents(rows: List[Tuple[MessageQueue, int, int, int]]) -> List[QueueExtent]:
    return [QueueExtent(*row) for row in rows]


def _progress(rows: List[Tuple[MessageQueue, int, int, int]]) -> List[ConsumeProgress]:
    return [ConsumeProgress(*row) for row in rows]


class Admin(Closing[NativeAdmin]):
    """Looks after topics, groups and progress of a cluster."""

    def __init__(self, address: Optional[str] = None, **settings: Setting) -> None:
        super().__init__(NativeAdmin.start(pairs(_KINDS, settings, address)))

    def create_topic(self, topic: str, queues: int = 4) -> None:
        """Makes a topic with so many queues on every master broker, or changes their number."""
        self._native.create_topic(topic, queues).wait()

    def delete_topic(self, topic: str) -> None:
        """Removes a topic from every broker and name server."""
        self._native.delete_topic(topic).wait()

    def topics(self) -> List[str]:
        """The names of all topics."""
        return self._native.topics().wait()

    def topic_stats(self, topic: str) -> List[QueueExtent]:
        """What each queue of a topic holds."""
        return _extents(self._native.topic_stats(topic).wait())

    def create_group(self, group: str) -> None:
        """Makes a group on every master broker."""
        self._native.create_group(group).wait()

    def delete_group(self, group: str) -> None:
        """Removes a group from every broker."""
        self._native.delete_group(group).wait()

    def groups(self) -> List[str]:
        """The names of all groups."""
        return self._native.groups().wait()

    def consume_stats(self, group: str, topic: Optional[str] = None) -> List[ConsumeProgress]:
        """How far a group is, in one topic or in all of them."""
        return _progress(self._native.consume_stats(group, topic).wait())

    def reset_offset(self, group: str, topic: str, timestamp: int) -> Dict[MessageQueue, int]:
        """Moves a group to messages stored at a time (ms) or later; gives the offsets."""
        return dict(self._native.reset_offset(group, topic, timestamp).wait())

    def query_messages(self, topic: str, key: str, max: int = 32) -> List[ReceivedMessage]:
        """Messages of a topic with a key."""
        return self._native.query_messages(topic, key, max).wait()

    def view_message(self, offset_message_id: str) -> ReceivedMessage:
        """The message with this `offset_message_id`."""
        return self._native.view_message(offset_message_id).wait()[0]

    def brokers(self) -> List[str]:
        """The addresses of all master brokers."""
        return self._native.brokers().wait()

    def runtime_info(self, broker: str) -> Dict[str, str]:
        """What a broker tells about itself."""
        return self._native.runtime_info(broker).wait()


class AsyncAdmin(AsyncClosing[NativeAdmin]):
    """`Admin` for asyncio."""

    def __init__(self, address: Optional[str] = None, **settings: Setting) -> None:
        all_settings = pairs(_KINDS, settings, address)
        super().__init__(lambda: NativeAdmin.start(all_settings))

    async def create_topic(self, topic: str, queues: int = 4) -> None:
        """As `Admin.create_topic`."""
        await result(self._native.create_topic(topic, queues))

    async def delete_topic(self, topic: str) -> None:
        """As `Admin.delete_topic`."""
        await result(self._native.delete_topic(topic))

    async def topics(self) -> List[str]:
        """As `Admin.topics`."""
        return await result(self._native.topics())

    async def topic_stats(self, topic: str) -> List[QueueExtent]:
        """As `Admin.topic_stats`."""
        return _extents(await result(self._native.topic_stats(topic)))

    async def create_group(self, group: str) -> None:
        """As `Admin.create_group`."""
        await result(self._native.create_group(group))

    async def delete_group(self, group: str) -> None:
        """As `Admin.delete_group`."""
        await result(self._native.delete_group(group))

    async def groups(self) -> List[str]:
        """As `Admin.groups`."""
        return await result(self._native.groups())

    async def consume_stats(
        self, group: str, topic: Optional[str] = None
    ) -> List[ConsumeProgress]:
        """As `Admin.consume_stats`."""
        return _progress(await result(self._native.consume_stats(group, topic)))

    async def reset_offset(
        self, group: str, topic: str, timestamp: int
    ) -> Dict[MessageQueue, int]:
        """As `Admin.reset_offset`."""
        offsets = await result(self._native.reset_offset(group, topic, timestamp))
        return dict(offsets)

    async def query_messages(self, topic: str, key: str, max: int = 32) -> List[ReceivedMessage]:
        """As `Admin.query_messages`."""
        return await result(self._native.query_messages(topic, key, max))

    async def view_message(self, offset_message_id: str) -> ReceivedMessage:
        """As `Admin.view_message`."""
        return (await result(self._native.view_message(offset_message_id)))[0]

    async def brokers(self) -> List[str]:
        """As `Admin.brokers`."""
        return await result(self._native.brokers())

    async def runtime_info(self, broker: str) -> Dict[str, str]:
        """As `Admin.runtime_info`."""
        return await result(self._native.runtime_info(broker))
