"""Sending."""

from __future__ import annotations

from typing import List, Mapping, Optional, Sequence, Union

from ._errors import invalid
from ._lifecycle import AsyncClosing, Closing
from ._loop import result
from ._native import MessageQueue, NativeProducer, Operation, SendReceipt
from ._parts import Body, Keys, Message, Parts, batch_parts, parts
from ._settings import Setting, pairs

_KINDS = ("client", "producer")


def _send(
    native: NativeProducer,
    topic: str,
    message: Parts,
    ordering_key: Optional[str],
    queue: Optional[MessageQueue],
    background: bool,
) -> Operation[SendReceipt]:
    if queue is not None:
        if ordering_key is not None:
            raise invalid("a send takes a queue or an ordering key, not both")
        return native.send_to(topic, message, queue)
    if ordering_key is not None:
        return native.send_ordered(topic, message, ordering_key)
    return native.send_bounded(topic, message) if background else native.send(topic, message)


class Producer(Closing[NativeProducer]):
    """Sends messages. Threads may share it.

    `address` is that of the name servers, `host:port;host:port`, or else the environment variable
    `NAMESRV_ADDR`. Settings are those of clients and producers.
    """

    def __init__(self, address: Optional[str] = None, **settings: Setting) -> None:
        super().__init__(NativeProducer.start(pairs(_KINDS, settings, address)))

    def send(
        self,
        topic: str,
        body: Body,
        *,
        tag: Optional[str] = None,
        keys: Keys = (),
        properties: Optional[Mapping[str, str]] = None,
        delay_level: int = 0,
        flag: int = 0,
        ordering_key: Optional[str] = None,
        queue: Optional[MessageQueue] = None,
    ) -> SendReceipt:
        """Sends a message and waits until a broker has stored it.

        Messages of one `ordering_key` go to one queue, and stay in order. With `queue` the message
        goes there; otherwise the queues take turns, and another broker is tried when one fails.
        """
        message = parts(body, tag, keys, properties, delay_level, flag)
        return _send(self._native, topic, message, ordering_key, queue, False).wait()

    def send_batch(self, topic: str, messages: Sequence[Union[Body, Message]]) -> SendReceipt:
        """Sends several messages as one, to one queue: much faster. At most 4 MiB together."""
        return self._native.send_batch(topic, batch_parts(messages)).wait()

    def send_oneway(
        self,
        topic: str,
        body: Body,
        *,
        tag: Optional[str] = None,
        keys: Keys = (),
        properties: Optional[Mapping[str, str]] = None,
    ) -> None:
        """Sends a message and waits for no answer: it may be lost."""
        self._native.send_oneway(topic, parts(body, tag, keys, properties)).wait()

    def queues(self, topic: str) -> List[MessageQueue]:
        """The queues of a topic that can be written to."""
        return self._native.queues(topic).wait()


class AsyncProducer(AsyncClosing[NativeProducer]):
    """`Producer` for asyncio: `async with AsyncProducer(address) as producer`.

    Many sends may be on their way at once; `back_pressure_for_async_send_num` bounds them. A send
    whose task is cancelled may have arrived all the same.
    """

    def __init__(self, address: Optional[str] = None, **settings: Setting) -> None:
        all_settings = pairs(_KINDS, settings, address)
        super().__init__(lambda: NativeProducer.start(all_settings))

    async def send(
        self,
        topic: str,
        body: Body,
        *,
        tag: Optional[str] = None,
        keys: Keys = (),
        properties: Optional[Mapping[str, str]] = None,
        delay_level: int = 0,
        flag: int = 0,
        ordering_key: Optional[str] = None,
        queue: Optional[MessageQueue] = None,
    ) -> SendReceipt:
        """As `Producer.send`."""
        message = parts(body, tag, keys, properties, delay_level, flag)
        return await result(_send(self._native, topic, message, ordering_key, queue, True))

    async def send_batch(
        self, topic: str, messages: Sequence[Union[Body, Message]]
    ) -> SendReceipt:
        """As `Producer.send_batch`."""
        return await result(self._native.send_batch(topic, batch_parts(messages)))

    async def send_oneway(
        self,
        topic: str,
        body: Body,
        *,
        tag: Optional[str] = None,
        keys: Keys = (),
        properties: Optional[Mapping[str, str]] = None,
    ) -> None:
        """As `Producer.send_oneway`."""
        await result(self._native.send_oneway(topic, parts(body, tag, keys, properties)))

    async def queues(self, topic: str) -> List[MessageQueue]:
        """As `Producer.queues`."""
        return await result(self._native.queues(topic))
