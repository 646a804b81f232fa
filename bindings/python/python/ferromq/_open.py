"""Clients that are open, so that the end of the interpreter finds none."""

from __future__ import annotations

import atexit
import concurrent.futures.thread as _earlier  # Its own end must come after ours.
import threading
import weakref
from typing import Callable, Protocol

del _earlier


class Closable(Protocol):
    """What can be closed."""

    def _close_at_exit(self) -> None: ...


_open: weakref.WeakSet[Closable] = weakref.WeakSet()


def register(client: Closable) -> None:
    """The client is closed at the latest when the interpreter ends."""
    _open.add(client)


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
