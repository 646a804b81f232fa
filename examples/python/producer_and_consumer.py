"""A producer and a consumer of a cluster: the one at NAMESRV_ADDR, or one made for the occasion."""

import os

import ferromq


def main(address: str) -> None:
    with ferromq.Producer(address) as producer:
        for number in range(3):
            receipt = producer.send("PythonOrders", f"order {number}", keys=[str(number)])
            print(f"sent order {number} to {receipt.queue}")

    left = 3
    with ferromq.Consumer(
        "python-billing",
        {"PythonOrders": "*"},
        address,
        consume_from_where="CONSUME_FROM_FIRST_OFFSET",
    ) as consumer:
        for message in consumer:
            print("received", message.body.decode())
            message.ack()
            left -= 1
            if left == 0:
                break


if __name__ == "__main__":
    if "NAMESRV_ADDR" in os.environ:
        main(os.environ["NAMESRV_ADDR"])
    else:
        with ferromq.Server() as server:
            main(server.address)
