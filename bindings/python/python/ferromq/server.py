"""A name server and a broker inside the process."""

from __future__ import annotations

import os
from types import TracebackType
from typing import List, Optional, Tuple, Type, Union

from . import _open
from ._errors import invalid
from ._loop import result
from ._native import NativeServer
from ._settings import Setting, pairs


def _start(
    directory: Optional[Union[str, "os.PathLike[str]"]], settings: dict[str, Setting]
) -> Tuple[Optional[str], List[Tuple[str, str]]]:
    return (None if directory is None else os.fspath(directory)), pairs(("server",), settings)


class Server:
    """A name server and a broker on free ports of the loopback interface.

    They serve when the constructor returns. Messages are kept in `directory`, or in a temporary one
    that goes with the server. Several can run in one process. Settings are those of brokers and
    stores.
    """

    def __init__(
        self,
        directory: Optional[Union[str, "os.PathLike[str]"]] = None,
        **settings: Setting,
    ) -> None:
        self._native = NativeServer.start(*_start(directory, settings)).wait()
        _open.register(self)

    @property
    def address(self) -> str:
        """The name server's address: what clients need."""
        return self._native.address

    @property
    def broker_address(self) -> str:
        """The broker's address."""
        return self._native.broker_address

    def close(self) -> None:
        """Ends both; a temporary directory is removed. Closing twice does nothing."""
        self._native.close().wait()

    def _close_at_exit(self) -> None:
        self.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


class AsyncServer:
    """`Server` for asyncio."""

    def __init__(
        self,
        directory: Optional[Union[str, "os.PathLike[str]"]] = None,
        **settings: Setting,
    ) -> None:
        self._arguments = _start(directory, settings)
        self._started: Optional[NativeServer] = None

    async def start(self) -> "AsyncServer":
        """Starts it; entering `async with` does it."""
        if self._started is None:
            self._started = await result(NativeServer.start(*self._arguments))
            _open.register(self)
        return self

    @property
    def _native(self) -> NativeServer:
        if self._started is None:
            raise invalid("the server was not started: use `async with`, or `await start()`")
        return self._started

    @property
    def address(self) -> str:
        """As `Server.address`."""
        return self._native.address

    @property
    def broker_address(self) -> str:
        """As `Server.broker_address`."""
        return self._native.broker_address

    async def close(self) -> None:
        """As `Server.close`."""
        if self._started is not None:
            await result(self._started.close())

    def _close_at_exit(self) -> None:
        if self._started is not None:
            self._started.close().wait()

    async def __aenter__(self) -> "AsyncServer":
        return await self.start()

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.close()
