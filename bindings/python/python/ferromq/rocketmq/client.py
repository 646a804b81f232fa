"""`rocketmq.client` of `rocketmq-client-python`."""

from __future__ import annotations

import enum
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, NoReturn, Optional, Union

import ferromq

from .._parts import Body
from .exceptions import NotSupportedError, NullPointerException

__all__ = [
    "ConsumeStatus",
    "Message",
    "MessageModel",
    "Producer",
    "PullConsumer",
    "PushConsumer",
    "RecvMessage",
    "SendResult",
    "SendStatus",
    "TransactionMQProducer",
    "TransactionStatus",
]


class SendStatus(enum.IntEnum):
    """How far a message is safe."""

    OK = 0
    FLUSH_DISK_TIMEOUT = 1
    FLUSH_SLAVE_TIMEOUT = 2
    SLAVE_NOT_AVAILABLE = 3


class ConsumeStatus(enum.IntEnum):
    """What a callback answers."""

    CONSUME_SUCCESS = 0
    RECONSUME_LATER = 1


class TransactionStatus(enum.IntEnum):
    """What becomes of a transaction; see `TransactionMQProducer`."""

    COMMIT = 0
    ROLLBACK = 1
    UNKNOWN = 2


class MessageModel(enum.IntEnum):
    """Whether members share messages or each gets all."""

    BROADCASTING = 0
    CLUSTERING = 1


class SendResult(NamedTuple):
    """Where a message went."""

    status: SendStatus
    msg_id: str
    offset: int


class Message:
    """A message to send."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._body: Optional[Body] = None
        self._options: Dict[str, Any] = {}
        self._properties: Dict[str, str] = {}

    def set_keys(self, keys: str) -> None:
        """Keys, separated by spaces."""
        self._options["keys"] = keys

    def set_tags(self, tags: str) -> None:
        """The tag."""
        self._options["tag"] = tags

    def set_body(self, body: Union[str, bytes]) -> None:
        """The body; texts are sent as UTF-8."""
        self._body = body

    def set_property(self, key: str, value: str) -> None:
        """A property."""
        self._properties[key] = value

    def set_delay_time_level(self, delay_time_level: int) -> None:
        """When it is delivered, as a level."""
        self._options["delay_level"] = delay_time_level

    def _of(self) -> "tuple[str, Body, Dict[str, Any]]":
        if self._body is None:
            raise NullPointerException("the message has no body: call set_body first")
        return self._topic, self._body, {**self._options, "properties": self._properties}


class RecvMessage:
    """A message that was received."""

    def __init__(self, message: ferromq.ReceivedMessage) -> None:
        self._message = message

    @property
    def topic(self) -> str:
        """The topic."""
        return self._message.topic

    @property
    def tags(self) -> Optional[str]:
        """The tag."""
        return self._message.tag

    @property
    def keys(self) -> str:
        """Keys, separated by spaces."""
        return " ".join(self._message.keys)

    @property
    def body(self) -> bytes:
        """The body."""
        return self._message.body

    @property
    def id(self) -> str:
        """The id that its producer gave it."""
        return self._message.message_id

    @property
    def delay_time_level(self) -> int:
        """The level of its delay; 0 without one."""
        return int(self._message.properties.get("DELAY", 0))

    @property
    def queue_id(self) -> int:
        """The queue's number."""
        return self._message.queue.queue_id

    @property
    def reconsume_times(self) -> int:
        """How often it was handled without success."""
        return self._message.reconsume_times

    @property
    def born_timestamp(self) -> int:
        """When it was sent, in ms."""
        return self._message.born_timestamp

    @property
    def store_timestamp(self) -> int:
        """When it was stored, in ms."""
        return self._message.store_timestamp

    @property
    def queue_offset(self) -> int:
        """Its offset in the queue."""
        return self._message.queue_offset

    def get_property(self, prop: str) -> Optional[str]:
        """A property, if it has it."""
        return self._message.properties.get(prop)

    def __str__(self) -> str:
        return self._message.body.decode(errors="replace")

    def __bytes__(self) -> bytes:
        return self._message.body

    def __repr__(self) -> str:
        return f"<RecvMessage topic={self.topic} id={self.id} body={self.body!r}>"


class _Settings:
    """What producers and consumers have in common before they start."""

    def __init__(self, group_id: str) -> None:
        self._group = group_id
        self._address: Optional[str] = None
        self._settings: Dict[str, Union[str, int, bool]] = {}

    def set_namesrv_addr(self, addr: str) -> None:
        """The name servers' addresses."""
        self._address = addr.replace("http://", "")

    set_name_server_address = set_namesrv_addr

    def set_group(self, group_id: str) -> None:
        """The group."""
        self._group = group_id

    def set_instance_name(self, name: str) -> None:
        """A name that tells instances of one process apart."""
        self._settings["instance_name"] = name

    def set_namesrv_domain(self, domain: str) -> NoReturn:
        """Not here: give the addresses themselves."""
        raise NotSupportedError(
            f"name servers are not looked for behind a domain ({domain}): call set_namesrv_addr"
        )

    set_name_server_domain = set_namesrv_domain

    def set_session_credentials(
        self, access_key: str, access_secret: str, channel: str = ""
    ) -> NoReturn:
        """Not here: there is no access control yet."""
        del access_key, access_secret, channel
        raise NotSupportedError("there is no access control yet: requests cannot be signed")


class Producer(_Settings):
    """Sends messages."""

    def __init__(
        self,
        group_id: str,
        orderly: bool = False,
        timeout: Optional[int] = None,
        compress_level: Optional[int] = None,
        max_message_size: Optional[int] = None,
    ) -> None:
        super().__init__(group_id)
        del orderly  # Sends with a sharding key are in order with or without it.
        self._producer: Optional[ferromq.Producer] = None
        if timeout is not None:
            self.set_timeout(timeout)
        if compress_level is not None:
            self.set_compress_level(compress_level)
        if max_message_size is not None:
            self.set_max_message_size(max_message_size)

    def set_timeout(self, timeout: int) -> None:
        """How long a send may take, in ms."""
        self._settings["send_msg_timeout"] = timeout

    def set_compress_level(self, compress_level: int) -> None:
        """How hard bodies are compressed."""
        self._settings["compress_level"] = compress_level

    def set_max_message_size(self, max_size: int) -> None:
        """The largest body, in bytes."""
        self._settings["max_message_size"] = max_size

    def start(self) -> None:
        """Starts the producer."""
        settings = {"producer_group": self._group, **self._settings}
        self._producer = ferromq.Producer(self._address, **settings)

    def _started(self) -> ferromq.Producer:
        if self._producer is None:
            raise ferromq.InvalidArgumentError("the producer is not started: call start() first")
        return self._producer

    def _send(self, msg: Message, key: Optional[str] = None) -> SendResult:
        topic, body, options = msg._of()
        receipt = self._started().send(topic, body, ordering_key=key, **options)
        status = SendStatus(int(receipt.status))
        return SendResult(status, receipt.message_id, receipt.queue_offset)

    def send_sync(self, msg: Message) -> SendResult:
        """Sends a message and waits until it is stored."""
        return self._send(msg)

    def send_oneway(self, msg: Message) -> None:
        """Sends a message and waits for no answer."""
        topic, body, options = msg._of()
        options.pop("delay_level", None)
        self._started().send_oneway(topic, body, **options)

    def send_orderly_with_sharding_key(self, msg: Message, sharding_key: str) -> SendResult:
        """Sends a message to the queue of its key."""
        return self._send(msg, sharding_key)

    def send_orderly(self, msg: Message, arg: int, retry_times: int = 0) -> SendResult:
        """Sends a message to the queue that `arg` chooses."""
        del retry_times  # Orders would change.
        return self._send(msg, str(arg))

    def shutdown(self) -> None:
        """Ends the producer."""
        if self._producer is not None:
            self._producer.close()


class TransactionMQProducer(Producer):
    """Not here yet: making one raises `NotSupportedError`, so that an import alone does no harm."""

    def __init__(
        self,
        group_id: str,
        checker_callback: Callable[[RecvMessage], object],
        user_args: object = None,
        timeout: Optional[int] = None,
    ) -> None:
        del group_id, checker_callback, user_args, timeout
        raise NotSupportedError(
            "there are no transactions yet, neither in FerroMQ's clients nor in its broker: "
            "send with Producer, or keep rocketmq-client-python for this program"
        )


class PushConsumer(_Settings):
    """Calls back with each message."""

    def __init__(
        self,
        group_id: str,
        orderly: bool = False,
        message_model: MessageModel = MessageModel.CLUSTERING,
    ) -> None:
        super().__init__(group_id)
        self._orderly = orderly
        self._threads = 4
        self._callbacks: Dict[str, Callable[[RecvMessage], object]] = {}
        self._subscriptions: Dict[str, str] = {}
        self._consumer: Optional[ferromq.Consumer] = None
        self.set_message_model(message_model)

    def set_message_model(self, model: MessageModel) -> None:
        """Whether members share messages or each gets all."""
        self._settings["message_model"] = MessageModel(model).name

    def set_thread_count(self, thread_count: int) -> None:
        """How many threads call back."""
        self._threads = thread_count

    def subscribe(
        self, topic: str, callback: Callable[[RecvMessage], object], expression: str = "*"
    ) -> None:
        """Receives a topic; the callback answers with a `ConsumeStatus`, or with nothing."""
        self._callbacks[topic] = callback
        self._subscriptions[topic] = expression

    def start(self) -> None:
        """Joins the group and begins to call back."""
        consumer = ferromq.Consumer(
            self._group,
            self._subscriptions,
            self._address,
            ordered=self._orderly,
            **self._settings,
        )

        @consumer.on_message
        def call_back(message: ferromq.Delivery) -> None:
            answer = self._callbacks[message.topic](RecvMessage(message))
            if answer is not None and answer != ConsumeStatus.CONSUME_SUCCESS:
                message.retry_later()

        consumer.start(self._threads)
        self._consumer = consumer

    def shutdown(self) -> None:
        """Leaves the group."""
        if self._consumer is not None:
            self._consumer.close()


class PullConsumer(_Settings):
    """Gives messages to whoever asks."""

    def __init__(self, group_id: str) -> None:
        super().__init__(group_id)
        self._consumer: Optional[ferromq.PullConsumer] = None
        self._topic: Optional[str] = None

    def start(self) -> None:
        """Starts the consumer."""
        self._consumer = ferromq.PullConsumer(self._group, self._address, **self._settings)

    def pull(self, topic: str, expression: str = "*", max_num: int = 32) -> Iterator[RecvMessage]:
        """The messages of a topic that are there now, with this tag."""
        if self._consumer is None:
            raise ferromq.InvalidArgumentError("the consumer is not started: call start() first")
        if self._topic != topic:
            self._consumer.assign(self._consumer.topic_queues(topic))
            self._topic = topic
        tags: List[str] = [tag.strip() for tag in expression.split("||")]
        while messages := self._consumer.poll(max_num, 1.0):
            for message in messages:
                if "*" in tags or message.tag in tags:
                    yield RecvMessage(message)

    def shutdown(self) -> None:
        """Ends the consumer."""
        if self._consumer is not None:
            self._consumer.close()
