"""A name server and a broker inside the process."""

from __future__ import annotations

import os
from typing import List, Optional, Tuple, Union

from ._lifecycle import AsyncClosing, Closing
from ._native import NativeServer
from ._settings import Setting, pairs


def _start(
    directory: Optional[Union[str, "os.PathLike[str]"]], settings: dict[str, Setting]
) -> Tuple[Optional[str], List[Tuple[str, str]]]:
    return (None if directory is None else os.fspath(directory)), pairs(("server",), settings)


class Server(Closing[NativeServer]):
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
        super().__init__(NativeServer.start(*_start(directory, settings)))

    @property
    def address(self) -> str:
        """The name server's address: what clients need."""
        return self._native.address

    @property
    def broker_address(self) -> str:
        """The broker's address."""
        return self._native.broker_address


class AsyncServer(AsyncClosing[NativeServer]):
    """`Server` for asyncio."""

    def __init__(
        self,
        directory: Optional[Union[str, "os.PathLike[str]"]] = None,
        **settings: Setting,
    ) -> None:
        arguments = _start(directory, settings)
        super().__init__(lambda: NativeServer.start(*arguments))

    @property
    def address(self) -> str:
        """As `Server.address`."""
        return self._native.address

    @property
    def broker_address(self) -> str:
        """As `Server.broker_address`."""
        return self._native.broker_address
