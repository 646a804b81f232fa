"""A test with a server of its own: `pytest test_with_a_server.py`."""

import ferromq


def test_a_message_arrives(ferromq_server: ferromq.Server) -> None:
    with ferromq.Producer(ferromq_server.address) as producer:
        producer.send("Orders", "order 17")
    with ferromq.PullConsumer("test", ferromq_server.address) as consumer:
        consumer.assign(consumer.topic_queues("Orders"))
        for queue in consumer.assignment():
            consumer.seek_to_begin(queue)
        [message] = consumer.poll(timeout=10)
        assert message.body == b"order 17"
