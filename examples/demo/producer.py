"""Sends orders for the demonstration: producer.py NAME_SERVERS ORDER..."""

import sys

import ferromq

with ferromq.Producer(sys.argv[1]) as producer:
    for order in sys.argv[2:]:
        receipt = producer.send("Orders", order, tag="created")
        print(f"Python producer sent: {order}  (queue {receipt.queue.queue_id})", flush=True)
