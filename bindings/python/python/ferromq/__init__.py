"""Clients for RocketMQ, and a server for your tests.

- `Producer`, `Consumer`, `PullConsumer` and `Admin` wait for what they do; `AsyncProducer`,
  `AsyncConsumer`, `AsyncPullConsumer` and `AsyncAdmin` are the same for asyncio.
- `Server` is a name server and a broker inside the process.
- Settings are keyword arguments: the names of the configuration table in snake case, as in
  `send_msg_timeout=1000`. Times in them are milliseconds; `timeout` arguments are seconds.
- Every failure is an `Error`.
"""

from ._errors import (
    BrokerError,
    ClosedError,
    ConnectError,
    Error,
    ForkedError,
    InvalidArgumentError,
    RouteError,
    ServerError,
    TimeoutError,
)
from ._native import (
    Delivery,
    MessageQueue,
    ReceivedMessage,
    SendReceipt,
    SendStatus,
    version,
)
from ._parts import ConsumeProgress, Message, QueueExtent
from .admin import Admin, AsyncAdmin
from .consumer import AsyncConsumer, Consumer
from .producer import AsyncProducer, Producer
from .pull_consumer import AsyncPullConsumer, PullConsumer
from .server import AsyncServer, Server

__version__: str = version()

__all__ = [
    "Admin",
    "AsyncAdmin",
    "AsyncConsumer",
    "AsyncProducer",
    "AsyncPullConsumer",
    "AsyncServer",
    "BrokerError",
    "ClosedError",
    "ConnectError",
    "ConsumeProgress",
    "Consumer",
    "Delivery",
    "Error",
    "ForkedError",
    "InvalidArgumentError",
    "Message",
    "MessageQueue",
    "Producer",
    "PullConsumer",
    "QueueExtent",
    "ReceivedMessage",
    "RouteError",
    "SendReceipt",
    "SendStatus",
    "Server",
    "ServerError",
    "TimeoutError",
    "__version__",
]
