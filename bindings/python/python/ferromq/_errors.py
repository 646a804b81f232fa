"""What can go wrong."""

from __future__ import annotations

import builtins
from typing import Optional, Sequence


class Error(Exception):
    """Every failure of ferromq."""

    code: int = 0
    """The number of the error: negative when this side found it, else a broker's response code."""
    name: str = "UNKNOWN"
    """The name of the error, the same in every language."""
    retryable: bool = False
    """Whether the same call may succeed when it is made again."""
    broker_code: Optional[int] = None
    """The response code of the broker that refused, if one did."""
    causes: Sequence[str] = ()
    """What lies behind it, outermost first."""


class InvalidArgumentError(Error, ValueError):
    """An argument or a setting is not usable."""


class RouteError(Error, LookupError):
    """There is no topic, no queue of it, or no broker to go to."""


class ConnectError(Error, ConnectionError):
    """A server could not be reached, or said something that cannot be understood."""


class TimeoutError(Error, builtins.TimeoutError):
    """It took longer than it may."""


class ClosedError(Error):
    """The client has been closed."""


class ForkedError(Error):
    """The client, or one before it, was made before `fork`; start processes with `spawn` instead."""


class BrokerError(Error):
    """A server refused; `broker_code` says why."""


class ServerError(Error):
    """The embedded server did not start."""


_CLASSES: dict[str, type[Error]] = {
    "INVALID_ARGUMENT": InvalidArgumentError,
    "NO_NAME_SERVER": InvalidArgumentError,
    "NAME_SERVERS_DOWN": ConnectError,
    "TOPIC_NOT_FOUND": RouteError,
    "NO_WRITABLE_QUEUE": RouteError,
    "BROKER_UNKNOWN": RouteError,
    "NO_BROKER": RouteError,
    "TIMEOUT": TimeoutError,
    "CONNECTION": ConnectError,
    "MALFORMED": ConnectError,
    "CLOSED": ClosedError,
    "FORKED": ForkedError,
    "SERVER": ServerError,
}


def _raised(
    name: str,
    code: int,
    text: str,
    retryable: bool = False,
    broker_code: Optional[int] = None,
    causes: Sequence[str] = (),
) -> Error:
    """The exception of an error of the core."""
    known = _CLASSES.get(name, BrokerError if broker_code is not None else Error)
    error = known(text)
    error.name, error.code, error.retryable = name, code, retryable
    error.broker_code, error.causes = broker_code, tuple(causes)
    return error


def invalid(text: str) -> InvalidArgumentError:
    """An argument that is wrong before the core has seen it."""
    error = _raised("INVALID_ARGUMENT", -1, text)
    assert isinstance(error, InvalidArgumentError)
    return error


def closed(text: str) -> ClosedError:
    """Use after close, found on this side."""
    error = _raised("CLOSED", -10, text)
    assert isinstance(error, ClosedError)
    return error
