"""What programs for `rocketmq-client-python` catch. Each is a `ferromq.Error` by its cause too."""

from __future__ import annotations

from .._errors import Error

RocketMQException = Error
"""Every failure."""


class NotSupportedError(RocketMQException, NotImplementedError):
    """Something of the other client that is not here."""


class NullPointerException(RocketMQException):
    """A message lacks a body or topic."""
