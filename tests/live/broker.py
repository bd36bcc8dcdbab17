"""An MQTT broker on a port of its own, in a thread with its own loop, and a client that sees everything."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import Any

import paho.mqtt.client as mqtt
from amqtt.broker import Broker
from patience import PATIENCE, until


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningBroker:
    """Use `up` and `down`; it comes back on the same port, and has forgotten everything."""

    def __init__(self) -> None:
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        self.port = free_port()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def up(self) -> None:
        ready = threading.Event()

        def run() -> None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
            config = {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}", "max_connections": 20}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
            self._broker = Broker(config, loop=self._loop)
            self._loop.run_until_complete(self._broker.start())
            ready.set()
            self._loop.run_forever()
            self._loop.run_until_complete(self._broker.shutdown())
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert ready.wait(PATIENCE), "the broker does not start"

    def down(self) -> None:
        if self._loop is not None and self._thread is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
        self._loop = None


class Listener:
    """Sees every message; `retained` holds those that the broker had kept."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, str]] = []
        self.qos: dict[str, int] = {}
        self._subscribed = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_message = self._seen
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE)

    def _seen(self, client: Any, data: Any, message: Any) -> None:
        self.messages.append((message.topic, message.payload.decode()))
        self.qos[message.topic] = message.qos

    def of(self, topic: str) -> list[str]:
        return [body for name, body in self.messages if name == topic]

    def wait(self, topic: str, count: int = 1) -> list[str]:
        until(lambda: len(self.of(topic)) >= count)
        return self.of(topic)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
