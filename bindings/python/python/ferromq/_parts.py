"""What is sent, and what is told about queues."""

from __future__ import annotations

from typing import List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from ._errors import invalid
from ._native import MessageQueue

Body = Union[bytes, bytearray, memoryview, str]
Keys = Union[str, Sequence[str]]
Parts = Tuple[bytes, Optional[List[Tuple[str, str]]], int]


class Message:
    """A message of a batch, with more than a body. Texts are sent as UTF-8."""

    __slots__ = ("_parts",)

    def __init__(
        self,
        body: Body,
        *,
        tag: Optional[str] = None,
        keys: Keys = (),
        properties: Optional[Mapping[str, str]] = None,
        delay_level: int = 0,
        flag: int = 0,
    ) -> None:
        self._parts = parts(body, tag, keys, properties, delay_level, flag)

    def __repr__(self) -> str:
        body = self._parts[0]
        more = "..." if len(body) > 40 else ""
        return f"Message({body[:40]!r}{more})"


def parts(
    body: Body,
    tag: Optional[str] = None,
    keys: Keys = (),
    properties: Optional[Mapping[str, str]] = None,
    delay_level: int = 0,
    flag: int = 0,
) -> Parts:
    """A message as the core takes it."""
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        try:
            body = bytes(memoryview(body))
        except TypeError:
            raise invalid(f"a body is bytes or text, not {type(body).__name__}") from None
    if tag is None and not keys and properties is None and delay_level == 0:
        return body, None, flag
    all_properties = list(properties.items()) if properties else []
    if tag is not None:
        all_properties.append(("TAGS", tag))
    if keys:
        joined = keys if isinstance(keys, str) else " ".join(keys)
        all_properties.append(("KEYS", joined))
    if delay_level:
        all_properties.append(("DELAY", str(delay_level)))
    return body, all_properties, flag


def batch_parts(messages: Sequence[Union[Body, Message]]) -> List[Parts]:
    """A batch as the core takes it."""
    return [m._parts if isinstance(m, Message) else parts(m) for m in messages]


class QueueExtent(NamedTuple):
    """What a queue holds: offsets from `min_offset` up to, but not with, `max_offset`."""

    queue: MessageQueue
    min_offset: int
    max_offset: int
    last_update_timestamp: int
    """When the last message was stored, in ms; 0 without messages."""


class ConsumeProgress(NamedTuple):
    """How far a group is in a queue."""

    queue: MessageQueue
    broker_offset: int
    """The offset of the next message to be stored."""
    consumer_offset: int
    """The offset of the next message to be handled."""
    last_timestamp: int
    """When the last handled message was stored, in ms."""
