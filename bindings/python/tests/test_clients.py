"""What Python adds: threads, signals, processes, handlers, and objects that go away."""

from __future__ import annotations

import gc
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import List, Union

import ferromq
import pytest
from conftest import FIRST, until


def test_errors_are_classes_with_numbers(server: ferromq.Server) -> None:
    with pytest.raises(ValueError, match="did you mean `send_msg_timeout`") as found:
        ferromq.Producer(server.address, send_msg_timout=1)
    assert isinstance(found.value, ferromq.InvalidArgumentError)
    assert (found.value.name, found.value.code) == ("INVALID_ARGUMENT", -1)
    with ferromq.Producer("127.0.0.1:1", send_msg_timeout=20_000) as producer:
        with pytest.raises(ferromq.Error) as lost:
            producer.send("T", b"x")
    assert lost.value.retryable and "127.0.0.1:1" in str(lost.value)
    with pytest.raises(ferromq.ClosedError):
        producer.send("T", b"x")
    producer.close()
    with pytest.raises(ferromq.InvalidArgumentError, match="bytes or text, not int"):
        producer.send("T", 5)  # type: ignore[arg-type]
    with pytest.raises(ferromq.InvalidArgumentError, match="not both"):
        queue = ferromq.MessageQueue("T", "b", 0)
        producer.send("T", b"", ordering_key="k", queue=queue)


def test_errors_are_those_of_the_core() -> None:
    from ferromq import _errors, _native

    numbers = {name: code for code, name, _ in _native.errors()}
    assert numbers["SERVER"] == -102 and numbers["SYSTEM_BUSY"] == 2
    # These have no class of their own.
    others = {"FILE", "INTERNAL", "ABORTED", "UNPOLLED"}
    local = {name for name, code in numbers.items() if code < 0} - others
    assert local == set(_errors._CLASSES)
    for error in (_errors.invalid("x"), _errors.closed("x")):
        assert error.code == numbers[error.name]


def test_bodies_are_any_bytes(server: ferromq.Server) -> None:
    all_bodies: List[Union[bytes, bytearray, memoryview, str]] = [b"a\0b", bytearray(b"\xff"), memoryview(b"123")[1:], "ż😀"]
    with ferromq.Producer(server.address) as producer:
        for body in all_bodies:
            producer.send("Bodies", body)
    with ferromq.Consumer("bodies", {"Bodies": "*"}, server.address, **FIRST) as consumer:
        seen = set()
        for message in consumer:
            seen.add(message.body)
            assert len(message) == len(message.body) and message
            assert message.body is message.body, "a copy each time"
            if len(seen) == len(all_bodies):
                break
    assert seen == {b"a\0b", b"\xff", b"23", "ż😀".encode()}


def test_leaving_a_loop_gives_messages_back(server: ferromq.Server) -> None:
    with ferromq.Producer(server.address) as producer:
        producer.send_batch("Leaving", [str(number) for number in range(5)])
    with ferromq.Consumer("leaving", {"Leaving": "*"}, server.address, **FIRST) as consumer:
        seen: List[bytes] = []
        with pytest.raises(RuntimeError):
            for message in consumer:
                seen.append(message.body)
                if len(seen) == 3:
                    raise RuntimeError
        # The first two were acknowledged by going on; the third and the rest come again.
        again = set()
        for message in consumer:
            assert message.reconsume_times == 1
            again.add(message.body)
            message.ack()
            if len(again) == 3:
                break
    assert again.isdisjoint(seen[:2]) and len(again | set(seen[:2])) == 5


def test_a_handler_that_raises_sees_its_message_again(
    server: ferromq.Server, caplog: pytest.LogCaptureFixture
) -> None:
    times: List[int] = []
    consumer = ferromq.Consumer("handler", {"Handler": "*"}, server.address, **FIRST)

    @consumer.on_message
    def handle(message: ferromq.Delivery) -> None:
        times.append(message.reconsume_times)
        if message.reconsume_times == 0:
            raise KeyError("not yet")

    with caplog.at_level(logging.ERROR, "ferromq"):
        consumer.start(threads=2)
        with ferromq.Producer(server.address) as producer:
            producer.send("Handler", b"x")
        until("the second time", lambda: times == [0, 1])
    assert "KeyError" in caplog.text and "comes again" in caplog.text
    consumer.close()
    assert not [t for t in threading.enumerate() if t.name == "ferromq-consumer"]


def test_other_threads_go_on_during_a_poll(server: ferromq.Server) -> None:
    ticks: List[float] = []
    over = threading.Event()

    def tick() -> None:
        while not over.is_set():
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    with ferromq.Consumer("gil", {"Gil": "*"}, server.address) as consumer:
        thread.start()
        before = len(ticks)
        assert consumer.poll(1, 0.5) == []
        between = len(ticks) - before
        over.set()
        thread.join()
    # Half a second is enough for hundreds of thousands, but others may have the processor.
    assert between > 100, f"{between} ticks in half a second"


def test_ctrl_c_ends_a_poll(server: ferromq.Server) -> None:
    main = threading.main_thread().ident
    assert main is not None
    # Processes that a shell starts in the background ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with ferromq.Consumer("ctrl-c", {"CtrlC": "*"}, server.address) as consumer:
        polling = threading.Event()

        def press() -> None:
            polling.wait()
            signal.pthread_kill(main, signal.SIGINT)

        thread = threading.Thread(target=press)
        thread.start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            polling.set()
            consumer.poll(1, 60)
        thread.join()
        signal.signal(signal.SIGINT, before)
        assert time.monotonic() - start < 10
        assert consumer.poll(1, 0.01) == []


def test_closing_ends_a_poll_of_another_thread(server: ferromq.Server) -> None:
    consumer = ferromq.Consumer("ended", {"Ended": "*"}, server.address)
    ended: List[type] = []

    def poll() -> None:
        try:
            consumer.poll(1, 60)
        except ferromq.Error as error:
            ended.append(type(error))

    thread = threading.Thread(target=poll)
    thread.start()
    consumer.close()
    thread.join(10)
    assert ended == [ferromq.ClosedError]


def test_objects_may_go_while_messages_come(server: ferromq.Server) -> None:
    with ferromq.Producer(server.address) as producer:
        for turn in range(10):
            consumer = ferromq.Consumer(
                f"gone{turn}", {"Gone": "*"}, server.address, instance_name=str(turn), **FIRST
            )
            producer.send_batch("Gone", [b"x" * 100] * 100)
            consumer.poll(10, 5)
            del consumer
            gc.collect()


def test_servers_live_side_by_side_and_keep_a_directory(tmp_path: Path) -> None:
    servers = [ferromq.Server() for _ in range(3)]
    assert len({server.address for server in servers}) == 3
    for server in servers:
        server.close()
        server.close()
    with ferromq.Server(tmp_path) as first, ferromq.Producer(first.address) as producer:
        receipt = producer.send("Kept", b"kept")
    with ferromq.Server(tmp_path) as second, ferromq.PullConsumer("G", second.address) as consumer:
        consumer.assign([receipt.queue])
        consumer.seek_to_begin(receipt.queue)
        assert [message.body for message in consumer.poll(1, 10)] == [b"kept"]
    with pytest.raises(ferromq.ServerError):
        ferromq.Server("/dev/null/x")


def _in_child(address: str, queue: "multiprocessing.SimpleQueue[str]") -> None:
    try:
        ferromq.Producer(address)
        queue.put("no error")
    except ferromq.Error as error:
        queue.put(error.name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_is_told(server: ferromq.Server) -> None:
    fork = multiprocessing.get_context("fork")
    queue = fork.SimpleQueue()
    process = fork.Process(target=_in_child, args=(server.address, queue))
    process.start()
    assert queue.get() == "FORKED"
    process.join(20)
    assert process.exitcode == 0
    spawn = multiprocessing.get_context("spawn")
    queue = spawn.SimpleQueue()
    other = spawn.Process(target=_in_child, args=(server.address, queue))
    other.start()
    assert queue.get() == "no error"
    other.join(20)
    assert other.exitcode == 0


EXITS = {
    "a consumer with threads": "c.on_message(lambda m: None); c.start(2)",
    "a thread that polls": "threading.Thread(target=lambda: list(c)).start()",
    "a daemon thread that polls": "threading.Thread(target=lambda: list(c), daemon=True).start()",
    "nothing closed": "c.poll(1, 0.1)",
    "a task of asyncio": "asyncio.run(asyncio.wait_for(forever(), 0.2))",
    "an error": "c.on_message(print); c.start(); raise SystemExit(7)",
}


@pytest.mark.parametrize("what", EXITS)
def test_the_interpreter_ends_with(what: str) -> None:
    program = f"""
import asyncio, threading, ferromq
server = ferromq.Server()
p = ferromq.Producer(server.address)
c = ferromq.Consumer("G", {{"T": "*"}}, server.address)
async def forever():
    a = await ferromq.AsyncConsumer("A", {{"T": "*"}}, server.address).start()
    async for message in a: pass
p.send("T", b"x")
try:
    {EXITS[what].replace('; ', chr(10) + '    ')}
except asyncio.TimeoutError: pass
"""
    run = subprocess.run([sys.executable, "-c", program], timeout=30, capture_output=True, text=True)
    assert run.returncode == (7 if what == "an error" else 0), run.stderr
    assert "panicked" not in run.stderr and "Fatal" not in run.stderr, run.stderr


def test_closing_gives_everything_back() -> None:
    # In a process of its own, where no other test opens or keeps anything.
    cycles = int(os.environ.get("FERROMQ_CYCLES", 200))
    program = str(Path(__file__).with_name("cycles.py"))
    run = subprocess.run([sys.executable, program, str(cycles)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    print(run.stdout)
    first, *_, last = [json.loads(line) for line in run.stdout.splitlines()]
    # Files and threads of what was closed last may be about to go.
    assert last["threads"] <= first["threads"] + 2, run.stdout
    assert last["files"] <= first["files"] + 10, run.stdout
    # The first quarter warms up; what a cycle kept, be it a kibibyte, the others would show.
    kept = last["kibibytes"] - first["kibibytes"]
    assert kept < 4096 + (last["cycles"] - first["cycles"]), run.stdout


def test_what_a_pull_consumer_polled_before_an_error_comes_again(server: ferromq.Server) -> None:
    with ferromq.Producer(server.address) as producer:
        producer.send("PullFails", b"x")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            with ferromq.PullConsumer("pull-fails", server.address, **FIRST) as consumer:
                consumer.assign(consumer.topic_queues("PullFails"))
                messages = consumer.poll(1, 60)
                assert [message.body for message in messages] == [b"x"]
                1 // 0
