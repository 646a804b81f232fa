"""Consuming as a member of a group."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from typing import (
    AsyncIterator,
    Callable,
    Generator,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
)

from ._errors import ClosedError, invalid
from ._lifecycle import AsyncClosing, Closing
from ._loop import result
from ._native import Delivery, MessageQueue, NativeConsumer
from ._settings import Setting, pairs

_KINDS = ("client", "consumer")
_log = logging.getLogger("ferromq")
_LONG = 3600.0

Handler = Callable[[Delivery], object]
H = TypeVar("H", bound=Handler)


def _subscriptions(subscriptions: Mapping[str, str]) -> List[Tuple[str, str]]:
    if isinstance(subscriptions, str):
        raise invalid("subscriptions are topics with their tags, as in {'Orders': '*'}")
    return list(subscriptions.items())


def _one_by_one(messages: List[Delivery]) -> Generator[Delivery, None, None]:
    """Going on acknowledges a message; closing gives back the one looked at and all after it."""
    messages.reverse()
    while messages:
        message = messages.pop()
        try:
            yield message
        except GeneratorExit:
            # At once, not when they are collected.
            for other in (message, *messages):
                other.retry_later()
            raise
        message.ack()


class Consumer(Closing[NativeConsumer]):
    """Receives messages together with the other members of its group. Threads may share it.

    Use it in one of three ways:

    - `for message in consumer`: going on to the next message acknowledges the one before it, unless
      it is settled; leaving the loop, by `break` or by an error, gives it back;
    - a handler for each message, with `on_message` and `run` or `start`;
    - `poll`, and settle each message yourself.

    `subscriptions` are topics, each with `*` for everything or tags such as `TagA || TagB`. With
    `ordered`, the next messages of a queue come when those before them are settled.
    """

    def __init__(
        self,
        group: str,
        subscriptions: Mapping[str, str],
        address: Optional[str] = None,
        *,
        ordered: bool = False,
        **settings: Setting,
    ) -> None:
        all_settings = [*pairs(_KINDS, settings, address), ("consumerGroup", group)]
        super().__init__(
            NativeConsumer.start(all_settings, _subscriptions(subscriptions), ordered)
        )
        self._handler: Optional[Handler] = None
        self._threads: List[threading.Thread] = []

    def poll(self, max: int = 32, timeout: float = 1.0) -> List[Delivery]:
        """Up to `max` messages, waiting up to `timeout` seconds for the first; none when none came.

        Settle each of them; one that is collected without it comes again later.
        """
        return self._native.poll(max, timeout).wait()

    def ack(self, messages: Sequence[Delivery]) -> None:
        """Acknowledges messages, with less work than one at a time."""
        self._native.ack(list(messages))

    def __iter__(self) -> Iterator[Delivery]:
        """Message after message, until the consumer closes."""
        while True:
            try:
                messages = self.poll(256, _LONG)
            except ClosedError:
                return
            yield from _one_by_one(messages)

    def on_message(self, handler: H) -> H:
        """Sets what handles messages; a decorator.

        A message whose handler returns is acknowledged. One whose handler raises comes again, and
        the error is logged by the logger `ferromq`.
        """
        self._handler = handler
        return handler

    def run(self) -> None:
        """Handles messages on this thread until the consumer closes, or Ctrl-C is pressed."""
        handler = self._handler
        if handler is None:
            raise invalid("there is no handler: set one with `@consumer.on_message`")
        for message in self._each():
            try:
                handler(message)
            except Exception:
                _log.exception("a handler failed; its message comes again: %r", message)
                message.retry_later()
            else:
                message.ack()

    def _each(self) -> Iterator[Delivery]:
        while True:
            try:
                yield from self.poll(16, _LONG)
            except ClosedError:
                return

    def start(self, threads: int = 1) -> None:
        """Handles messages on threads of its own, until the consumer closes."""
        if self._handler is None:
            raise invalid("there is no handler: set one with `@consumer.on_message`")
        for _ in range(threads):
            thread = threading.Thread(target=self.run, name="ferromq-consumer")
            thread.start()
            self._threads.append(thread)

    @property
    def client_id(self) -> str:
        """The id by which brokers know this consumer."""
        return self._native.client_id

    def queues(self) -> List[MessageQueue]:
        """The queues that are this consumer's at present."""
        return self._native.queues()

    def subscribe(self, topic: str, tags: str = "*") -> None:
        """Receives messages of another topic, or with other tags."""
        self._native.subscribe(topic, tags).wait()

    def unsubscribe(self, topic: str) -> None:
        """Receives no more messages of a topic."""
        self._native.unsubscribe(topic).wait()

    def pause(self) -> None:
        """Pulls no more messages; those that are here can still be polled."""
        self._native.pause()

    def resume(self) -> None:
        """Pulls messages again."""
        self._native.resume()

    def commit(self) -> None:
        """Stores progress now, instead of every few seconds, and waits until the brokers have it."""
        self._native.commit().wait()

    def close(self) -> None:
        """Stores progress and leaves the group; waits for handlers. Closing twice does nothing.

        Messages that are not settled come again, to this or another member.
        """
        super().close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()


class AsyncConsumer(AsyncClosing[NativeConsumer]):
    """`Consumer` for asyncio: `async with AsyncConsumer(group, subscriptions) as consumer`, and
    `async for message in consumer` or `await consumer.poll()`."""

    def __init__(
        self,
        group: str,
        subscriptions: Mapping[str, str],
        address: Optional[str] = None,
        *,
        ordered: bool = False,
        **settings: Setting,
    ) -> None:
        all_settings = [*pairs(_KINDS, settings, address), ("consumerGroup", group)]
        topics = _subscriptions(subscriptions)
        super().__init__(lambda: NativeConsumer.start(all_settings, topics, ordered))

    async def poll(self, max: int = 32, timeout: float = 1.0) -> List[Delivery]:
        """As `Consumer.poll`."""
        return await result(self._native.poll(max, timeout))

    def ack(self, messages: Sequence[Delivery]) -> None:
        """As `Consumer.ack`; does not wait."""
        self._native.ack(list(messages))

    async def __aiter__(self) -> AsyncIterator[Delivery]:
        """As iterating over a `Consumer`."""
        while True:
            try:
                messages = await self.poll(256, _LONG)
            except ClosedError:
                return
            with closing(_one_by_one(messages)) as one_by_one:
                for message in one_by_one:
                    yield message

    @property
    def client_id(self) -> str:
        """As `Consumer.client_id`."""
        return self._native.client_id

    def queues(self) -> List[MessageQueue]:
        """As `Consumer.queues`."""
        return self._native.queues()

    async def subscribe(self, topic: str, tags: str = "*") -> None:
        """As `Consumer.subscribe`."""
        await result(self._native.subscribe(topic, tags))

    async def unsubscribe(self, topic: str) -> None:
        """As `Consumer.unsubscribe`."""
        await result(self._native.unsubscribe(topic))

    def pause(self) -> None:
        """As `Consumer.pause`."""
        self._native.pause()

    def resume(self) -> None:
        """As `Consumer.resume`."""
        self._native.resume()

    async def commit(self) -> None:
        """As `Consumer.commit`."""
        await result(self._native.commit())
