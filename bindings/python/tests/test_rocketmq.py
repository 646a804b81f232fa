"""A program written for rocketmq-client-python, with another import line."""

from __future__ import annotations

import threading
from typing import List

import ferromq
import pytest
from conftest import until

from ferromq.rocketmq.client import (
    ConsumeStatus,
    Message,
    Producer,
    PullConsumer,
    PushConsumer,
    RecvMessage,
    SendStatus,
    TransactionMQProducer,
)
from ferromq.rocketmq.exceptions import NotSupportedError, RocketMQException


def test_a_program_for_the_other_client(server: ferromq.Server) -> None:
    producer = Producer("PID-XXX")
    producer.set_namesrv_addr("http://" + server.address)
    producer.start()
    msg = Message("Compat")
    msg.set_keys("k1 k2")
    msg.set_tags("created")
    msg.set_property("color", "red")
    with pytest.raises(RocketMQException):
        producer.send_sync(msg)
    msg.set_body('{"n": 1}')
    result = producer.send_sync(msg)
    assert (result.status, result.offset) == (SendStatus.OK, 0)
    assert result.msg_id
    assert producer.send_orderly_with_sharding_key(msg, "key").status == SendStatus.OK
    producer.send_oneway(msg)

    came: List[RecvMessage] = []

    first = threading.Lock()

    def callback(message: RecvMessage) -> ConsumeStatus:
        came.append(message)
        # One thread of those that are called at the same time, and never again.
        again = message.reconsume_times == 0 and first.acquire(blocking=False)
        return ConsumeStatus.RECONSUME_LATER if again else ConsumeStatus.CONSUME_SUCCESS

    consumer = PushConsumer("CID-XXX")
    consumer.set_namesrv_addr(server.address)
    consumer._settings["consume_from_where"] = "CONSUME_FROM_FIRST_OFFSET"
    consumer.subscribe("Compat", callback, "created")
    consumer.start()
    until("three messages and one again", lambda: len(came) == 4)
    consumer.shutdown()
    last = came[-1]
    assert (last.reconsume_times, last.tags, last.keys) == (1, "created", "k1 k2")
    assert (last.get_property("color"), str(last)) == ("red", '{"n": 1}')

    puller = PullConsumer("CID-PULL")
    puller.set_namesrv_addr(server.address)
    puller._settings["consume_from_where"] = "CONSUME_FROM_FIRST_OFFSET"
    puller.start()
    assert len(list(puller.pull("Compat", "created"))) == 3
    puller.shutdown()
    producer.shutdown()


def test_what_is_not_there_says_so() -> None:
    with pytest.raises(NotSupportedError, match="no transactions yet") as found:
        TransactionMQProducer("PID-XXX", lambda message: None)
    assert isinstance(found.value, ferromq.Error)
    with pytest.raises(NotSupportedError, match="set_namesrv_addr"):
        Producer("PID-XXX").set_namesrv_domain("http://example.org")
    with pytest.raises(NotImplementedError, match="access control"):
        PushConsumer("CID-XXX").set_session_credentials("key", "secret", "ALIYUN")
