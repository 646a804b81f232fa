"""What every client and server does: it starts, is entered and left, and closes at the latest when the
interpreter ends."""

from __future__ import annotations

import atexit
import concurrent.futures.thread as _earlier  # Its own end must come after ours.
import threading
import weakref
from types import TracebackType
from typing import Any, Callable, Generic, Optional, Protocol, Type, TypeVar, Union

from ._errors import invalid
from ._loop import result
from ._native import Operation

del _earlier


class _Native(Protocol):
    def close(self) -> Operation[None]: ...


N = TypeVar("N", bound=_Native)
S = TypeVar("S", bound="Closing[Any]")
A = TypeVar("A", bound="AsyncClosing[Any]")


class Closing(Generic[N]):
    """Something whose calls wait. `with` gives it and closes it."""

    def __init__(self, start: Operation[N]) -> None:
        self._native: N = start.wait()
        _open.add(self)

    def close(self) -> None:
        """Ends it in good order. Closing twice does nothing."""
        self._native.close().wait()

    def _close_at_exit(self) -> None:
        self._native.close().wait()

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if kind is not None:
            self._failed()
        self.close()

    def _failed(self) -> None:
        """The block that uses it ends with an error."""


class AsyncClosing(Generic[N]):
    """Something whose calls are awaited. `async with` starts it, gives it and closes it."""

    def __init__(self, start: Callable[[], Operation[N]]) -> None:
        self._start = start
        self._started: Optional[N] = None

    async def start(self: A) -> A:
        """Starts it; entering `async with` does it."""
        if self._started is None:
            self._started = await result(self._start())
            _open.add(self)
        return self

    @property
    def _native(self) -> N:
        if self._started is None:
            name = type(self).__name__
            raise invalid(f"{name} was not started: use `async with`, or `await start()`")
        return self._started

    async def close(self) -> None:
        """Ends it in good order. Closing twice does nothing."""
        if self._started is not None:
            await result(self._started.close())

    def _close_at_exit(self) -> None:
        if self._started is not None:
            self._started.close().wait()

    async def __aenter__(self: A) -> A:
        return await self.start()

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if kind is not None:
            self._failed()
        await self.close()

    def _failed(self) -> None:
        """The block that uses it ends with an error."""


_open: weakref.WeakSet[Union[Closing[Any], AsyncClosing[Any]]] = weakref.WeakSet()


def _close_all() -> None:
    for client in list(_open):
        try:
            client._close_at_exit()
        except Exception:  # noqa: BLE001 - the others are to be closed too.
            pass


# Threads that poll would be waited for before `atexit` is heard: what ends them comes before that.
_at_end: Callable[[Callable[[], None]], object] = getattr(
    threading, "_register_atexit", atexit.register
)
_at_end(_close_all)
