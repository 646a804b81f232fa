"""Results of operations on an event loop."""

from __future__ import annotations

import asyncio
import weakref
from typing import TypeVar

from ._native import Arrivals, Operation

T = TypeVar("T")
_arrivals: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Arrivals] = (
    weakref.WeakKeyDictionary()
)


def _of(loop: asyncio.AbstractEventLoop) -> Arrivals:
    arrivals = _arrivals.get(loop)
    if arrivals is None:
        arrivals = _arrivals[loop] = Arrivals()
        loop.add_reader(arrivals.fileno(), arrivals.collect)
    return arrivals


async def result(operation: Operation[T]) -> T:
    """The operation's result; cancelling the task that waits cancels the operation."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    task = _of(loop).begin(operation, future)
    try:
        return await future
    except asyncio.CancelledError:
        task.cancel()
        raise
