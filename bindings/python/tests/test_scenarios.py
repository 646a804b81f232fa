"""The scenarios of core/testkit/scenarios, run by the clients that wait and by those for asyncio."""

from __future__ import annotations

import asyncio
import collections
import inspect
import threading
import time
from typing import Any, Dict, List

import ferromq
import pytest
from cluster import APACHE, SCENARIOS, Cluster

from ferromq._settings import KEYS

PATIENCE = 30.0
NAMES = {key: name for names in KEYS.values() for name, key in names.items()}


class Waiting:
    """A client for asyncio whose caller waits."""

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def __init__(self, client: Any) -> None:
        self._client = client
        self._run(client.start())

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not inspect.iscoroutinefunction(method):
            return method
        return lambda *args, **options: self._run(method(*args, **options))


def bodies(options: Dict[str, str]) -> List[bytes]:
    if "body" in options:
        return [options["body"].encode()]
    if "hex" in options:
        return [bytes.fromhex(options["hex"])]
    if "size" in options:
        return [bytes(index % 251 for index in range(int(options["size"])))]
    start, end = options["numbers"].split("..")
    return [str(number).encode() for number in range(int(start), int(end))]


class Stage:
    def __init__(self, cluster: Cluster, kind: str) -> None:
        self.cluster, self.kind = cluster, kind
        self.clients: Dict[str, Any] = {}
        self.queues: Dict[str, List[ferromq.MessageQueue]] = {}
        self.receipts: Dict[str, List[ferromq.SendReceipt]] = collections.defaultdict(list)
        self.held: List[ferromq.Delivery] = []
        self.addresses: Dict[str, str] = {}
        self.sent = time.monotonic()

    def make(self, sort: str, *args: Any, **options: Any) -> Any:
        if self.kind == "waiting":
            return getattr(ferromq, sort)(*args, **options)
        return Waiting(getattr(ferromq, "Async" + sort)(*args, **options))

    def step(self, line: str) -> None:
        verb, *words = line.split()
        options = dict(word.split("=", 1) for word in words if "=" in word)
        name = next((word for word in words if "=" not in word), "")
        start, failure = time.monotonic(), None
        try:
            self.act(verb, name, options, line)
        except ferromq.Error as error:
            failure = error
        took = time.monotonic() - start
        assert took <= float(options.get("within", 1e6)) / 1000, f"it took {took} s"
        if "fails" not in options:
            if failure is not None:
                raise failure
            return
        assert failure is not None, "it did not fail"
        assert failure.name in options["fails"].split("|"), repr(failure)

    def settings(self, name: str, options: Dict[str, str]) -> Dict[str, Any]:
        at = options.get("at")
        settings: Dict[str, Any] = {
            "address": self.addresses["cluster"] if at is None else self.addresses.get(at, at),
            "instance_name": name,
            "poll_name_server_interval": 200,
            "heartbeat_broker_interval": 500,
            "persist_consumer_offset_interval": 100,
        }
        own = {k[4:]: v for k, v in options.items() if k.startswith("set.")}
        own = {k: self.addresses["folder"] if v == "folder" else v for k, v in own.items()}
        return {**settings, **{NAMES[key]: value for key, value in own.items()}}

    def act(self, verb: str, name: str, options: Dict[str, str], line: str) -> None:
        if verb in ("cluster", "deaf", "dead", "folder"):
            self.addresses[verb] = self.cluster.obey(line)
        elif verb in ("topic", "stop", "start"):
            self.cluster.obey(line)
        elif verb == "producer":
            self.clients[name] = self.make("Producer", **self.settings(name, options))
        elif verb in ("consumer", "pull"):
            settings = self.settings(name, options)
            settings.setdefault("consume_from_where", "CONSUME_FROM_FIRST_OFFSET")
            if verb == "consumer":
                subscriptions = {options["topic"]: options.get("tags", "*")}
                settings["ordered"] = options.get("ordered") == "true"
                client = self.make("Consumer", options["group"], subscriptions, **settings)
            else:
                client = self.make("PullConsumer", options["group"], **settings)
                self.queues[name] = client.topic_queues(options["topic"])
                client.assign(self.queues[name])
            self.clients[name] = client
        elif verb == "nothing":
            found = self.clients[name].poll(32, int(options["for"]) / 1000)
            assert [message.body for message in found] == []
        elif verb == "queues":
            end = time.monotonic() + PATIENCE
            while True:
                own = [q for q in self.clients[name].queues() if q.topic == options["topic"]]
                if len(own) == int(options["count"]):
                    break
                assert time.monotonic() < end, f"it has {own}"
                time.sleep(0.005)
        elif verb == "seek":
            for queue in self.queues[name]:
                self.clients[name].seek(queue, int(options["offset"]))
        elif verb in ("commit", "close"):
            getattr(self.clients[name], verb)()
        else:
            getattr(self, verb)(name, options)

    def send(self, name: str, options: Dict[str, str]) -> None:
        client, topic, receipts = self.clients[name], options["topic"], self.receipts[name]
        more: Dict[str, Any] = {"tag": options.get("tag"), "keys": options.get("key", ())}
        if "property" in options:
            more["properties"] = dict([options["property"].split(":")])
        if "delay" in options:
            more["delay_level"] = int(options["delay"])
        how = options.get("how")
        if how == "batch":
            batch = [ferromq.Message(body, **more) for body in bodies(options)]
            receipts.append(client.send_batch(topic, batch))
        elif how == "background" and self.kind == "asyncio":

            async def all_at_once() -> Any:
                sends = [client._client.send(topic, body, **more) for body in bodies(options)]
                return await asyncio.gather(*sends)

            receipts.extend(client._run(all_at_once()))
        else:
            for body in bodies(options):
                while True:
                    try:
                        if how == "oneway":
                            client.send_oneway(topic, body, **more)
                        else:
                            key = options.get("order")
                            receipts.append(client.send(topic, body, ordering_key=key, **more))
                        break
                    except ferromq.Error:
                        if options.get("retry") != "true":
                            raise
                        time.sleep(0.02)
        self.sent = time.monotonic()

    def spread(self, name: str, options: Dict[str, str]) -> None:
        counts = collections.Counter(receipt.queue for receipt in self.receipts.pop(name))
        assert len(counts) == int(options["queues"])
        least = int(options.get("least") or options["each"])
        most = int(options.get("each", 1 << 30))
        assert all(least <= count <= most for count in counts.values()), counts

    def receive(self, name: str, options: Dict[str, str]) -> None:
        missing = collections.Counter(bodies(options))
        known, names = set(missing), name.split(",")
        last: Dict[ferromq.MessageQueue, int] = {}
        end, turn = time.monotonic() + PATIENCE, 0
        while missing:
            left = end - time.monotonic()
            assert left > 0, f"{len(missing)} bodies did not come"
            client = self.clients[names[turn % len(names)]]
            turn += 1
            for message in client.poll(32, left if len(names) == 1 else 0.02):
                self.check(message, options)
                body = message.body
                if options.get("in_order") == "true":
                    assert last.get(message.queue, -1) < int(body), f"{body!r} is out of order"
                    last[message.queue] = int(body)
                if missing[body] == 0:
                    assert options.get("repeats") == "true" and body in known, f"{body!r} came"
                    del missing[body]
                else:
                    missing[body] -= 1
                    if missing[body] == 0:
                        del missing[body]
                if isinstance(message, ferromq.Delivery):
                    settle = options.get("settle", "ack")
                    if settle == "ack":
                        assert message.ack()
                    elif settle == "later":
                        assert message.retry_later(int(options.get("level", 0)))
                    elif settle == "hold":
                        self.held.append(message)
                    # Else it is dropped with the end of this turn.
                del message

    def check(self, message: ferromq.ReceivedMessage, options: Dict[str, str]) -> None:
        if "tag" in options:
            assert message.tag == options["tag"]
        if "key" in options:
            assert message.keys == [options["key"]]
        if "property" in options:
            name, value = options["property"].split(":")
            assert message.properties[name] == value
        if "times" in options:
            assert message.reconsume_times == int(options["times"])
        if "after" in options:
            assert time.monotonic() - self.sent >= int(options["after"]) / 1000


FILES = sorted(SCENARIOS.glob("*.scenario"))
# Both kinds would meet the messages of the other there.
KINDS = ["waiting"] if APACHE else ["waiting", "asyncio"]
if APACHE:
    FILES = [file for file in FILES if "also apache" in file.read_text("utf-8").splitlines()]
assert FILES


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_scenario(file: Any, kind: str) -> None:
    stage = Stage(Cluster(), kind)
    try:
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            if not line or line.startswith("#") or line == "also apache":
                continue
            try:
                stage.step(line)
            except Exception as error:
                raise AssertionError(f"line {number}: {line}: {error!r}") from error
    finally:
        for client in stage.clients.values():
            client.close()
        stage.cluster.close()
