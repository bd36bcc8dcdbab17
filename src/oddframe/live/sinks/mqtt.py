"""MQTT: events and states of cameras for home automation, and whether oddframe runs at all.

    oddframe/status           "online" or "offline" (retained; the broker says "offline" by itself when we are gone)
    oddframe/CAMERA/event     a notice as JSON, QoS 1
    oddframe/CAMERA/state     the state of a camera as JSON (retained)
    oddframe/CAMERA/anomaly   "ON" while an event is open, else "OFF" (retained)
    oddframe/CAMERA/problem   "ON" while the camera has a fault or is not seen, else "OFF" (retained)

The last two, and what Home Assistant has to know of them, are told with `home_assistant` only.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from oddframe import __version__
from oddframe.errors import InputError
from oddframe.extras import imported
from oddframe.live.messages import Notice
from oddframe.live.names import safe_name
from oddframe.live.sinks.sink import Complaints, Say, Selection, SinkCounts
from oddframe.live.sinks.webhook import parted, shown

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_LONGEST = 1000  # bytes of a prefix
_RUNNING = "running"
_SENSORS = {"anomaly": ("Anomaly", "motion"), "problem": ("Problem", "problem")}  # -> name, device class


@dataclass(frozen=True)
class MqttOptions:
    """Which broker, and what it is told.

    Attributes:
        url: mqtt://[USER:PASSWORD@]HOST[:PORT], or mqtts:// for TLS. It is neither logged nor stored.
        name: of metrics and messages.
        prefix: first part of all topics.
        updates, gaps: whether these are told too.
        home_assistant: whether Home Assistant finds the cameras by itself.
        discovery: first part of the topics in which Home Assistant looks.
        most: notices that wait in memory while the broker is not there.
    """

    url: str
    name: str = "mqtt"
    prefix: str = "oddframe"
    updates: bool = False
    gaps: bool = False
    home_assistant: bool = False
    discovery: str = "homeassistant"
    most: int = 1000

    def __repr__(self) -> str:
        return f"MqttOptions({self.name}: {shown(self.url)})"


def check_mqtt(options: MqttOptions) -> None:
    """See that there may be such a broker and such topics.

    Raises:
        InputError: the address or the first part of the topics is wrong.
    """
    if parted(options.url, _PORTS) is None:
        raise InputError(
            f"{options.name}: {shown(options.url)} is no address of a broker; give mqtt://HOST:PORT, the port up to "
            "65535"
        )
    for what, prefix in (("prefix", options.prefix), ("discovery", options.discovery)):
        if not prefix or not prefix.isprintable() or set("#+") & set(prefix) or len(prefix.encode()) > _LONGEST:
            raise InputError(
                f"{options.name}: {what} {prefix!r} cannot begin a topic; give a name such as oddframe, without # and +"
            )


class Mqtt:
    """Publishes notices and states. A `Sink`. The library's thread connects, and connects again.

    Raises:
        InputError: the address is none, or paho-mqtt is not installed.
    """

    def __init__(self, options: MqttOptions, say: Say) -> None:
        """Begin to connect; `say` is told in one line what goes wrong."""
        mqtt = imported("paho.mqtt.client", "live")
        check_mqtt(options)
        parts = parted(options.url, _PORTS)
        assert parts is not None
        self.name = options.name
        self._options = options
        self._selection = Selection(options.updates, options.gaps)
        self._complaints = Complaints(lambda line: say(f"{self.name} ({shown(options.url)}): {line}"))
        self._lock = threading.Lock()
        self._retained: dict[str, str] = {}  # topic -> payload, told again after every connection
        self._open: dict[str, dict[str, set[str]]] = {}  # camera -> sensor -> events that are open
        self._pending: dict[int, bool] = {}  # number of a message -> whether it is a notice
        self._early: set[int] = set()  # answered before `publish` returned
        self._sent = self._failed = self._dropped = 0
        self._client: Any = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        if parts.username:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            self._client.tls_set()
        self._client.will_set(self._topic("status"), "offline", qos=1, retain=True)
        self._client.max_queued_messages_set(0)  # this class bounds its notices itself
        self._client.reconnect_delay_set(1, 60)
        self._client.connect_timeout = 5.0
        self._client.on_connect, self._client.on_disconnect = self._connected, self._disconnected
        self._client.on_connect_fail = self._unreachable
        self._client.on_publish = self._published
        self._client.connect_async(parts.hostname, parts.port or _PORTS[parts.scheme], keepalive=30)
        self._client.loop_start()

    def tell(self, notice: Notice) -> None:
        if self._options.home_assistant:
            self._sense(notice)
        if not self._selection.wants(notice):
            return
        if self.counts().queued >= self._options.most:
            self._dropped += 1
            self._complaints.ill("full", f"{self._options.most} notices wait, more are not kept until it is back")
            return
        body = json.dumps({"event_id": notice.id, **notice.as_json()})
        self._publish(self._topic(safe_name(notice.camera), "event"), body, counted=True)

    def state(self, camera: str, state: str) -> None:
        """Tell the state of a camera: "connecting", "running", "stalled", "waiting" or "stopped"."""
        place = safe_name(camera)
        self._retain(self._topic(place, "state"), json.dumps({"camera": camera, "state": state}))
        if self._options.home_assistant:
            self._discover(camera)
            with self._lock:
                problems = self._sensors(camera)["problem"]
                problems.discard("state")
                if state not in (_RUNNING, "connecting"):
                    problems.add("state")
            self._show(camera)

    def counts(self) -> SinkCounts:
        with self._lock:
            return SinkCounts(sum(self._pending.values()), self._sent, self._failed, self._dropped)

    def close(self, timeout: float) -> None:
        """Tell the broker that we go, after what waits; for at most `timeout` seconds."""
        until = time.monotonic() + timeout
        if self._client.is_connected():
            self._client.publish(self._topic("status"), "offline", qos=1, retain=True)
            while self.counts().queued and time.monotonic() < until - 0.2:
                time.sleep(0.02)
            time.sleep(0.05)
        self._client.disconnect()
        # The library waits for its thread without a bound, and that may be connecting.
        ending = threading.Thread(target=self._client.loop_stop, daemon=True)
        ending.start()
        ending.join(max(0.1, until - time.monotonic()))

    def _topic(self, *parts: str) -> str:
        return "/".join((self._options.prefix, *parts))

    def _publish(self, topic: str, body: str, retain: bool = False, counted: bool = False) -> None:
        try:
            number = self._client.publish(topic, body, qos=1, retain=retain).mid
        except ValueError:  # a topic that there cannot be, or too long a message
            with self._lock:
                self._dropped += counted
            self._complaints.ill("wrong", f"what belongs to the topic {topic} cannot be sent, and is lost")
            return
        with self._lock:
            if number in self._early:
                self._early.discard(number)
                self._sent += counted
            else:
                self._pending[number] = counted

    def _retain(self, topic: str, body: str) -> None:
        """Publish what the broker keeps; after a connection it is told again, in case that the broker forgot."""
        with self._lock:
            if self._retained.get(topic) == body:
                return
            self._retained[topic] = body
        if self._client.is_connected():
            self._publish(topic, body, retain=True)

    def _connected(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._complaints.ill("down", f"the broker refuses the connection ({reason}); notices wait")
            return
        self._complaints.well("down", "connected again")
        self._complaints.well("full")
        with self._lock:
            retained = dict(self._retained)
        for topic, body in {self._topic("status"): "online", **retained}.items():
            self._publish(topic, body, retain=True)

    def _disconnected(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._complaints.ill("down", f"the connection is lost ({reason}); notices wait")

    def _unreachable(self, client: Any, data: Any) -> None:
        self._complaints.ill("down", "the broker cannot be reached; notices wait")

    def _published(self, client: Any, data: Any, number: int, reason: Any, properties: Any) -> None:
        with self._lock:
            if number in self._pending:
                self._sent += self._pending.pop(number)
            else:
                self._early.add(number)

    # Home Assistant

    def _sensors(self, camera: str) -> dict[str, set[str]]:
        return self._open.setdefault(camera, {sensor: set() for sensor in _SENSORS})

    def _sense(self, notice: Notice) -> None:
        sensor = "anomaly" if notice.kind == "anomaly" else "problem"
        self._discover(notice.camera)
        with self._lock:
            events = self._sensors(notice.camera)[sensor]
            if notice.change == "closed":
                events.discard(notice.id)
            elif notice.change == "opened" and not notice.held:
                events.add(notice.id)
        self._show(notice.camera)

    def _show(self, camera: str) -> None:
        with self._lock:
            on = {sensor: bool(events) for sensor, events in self._sensors(camera).items()}
        for sensor, is_on in on.items():
            self._retain(self._topic(safe_name(camera), sensor), "ON" if is_on else "OFF")

    def _discover(self, camera: str) -> None:
        """Tell Home Assistant of the two sensors of a camera."""
        place = safe_name(camera)
        for sensor, (name, kind) in _SENSORS.items():
            about = {
                "name": name,
                "unique_id": f"oddframe_{place}_{sensor}",
                "device_class": kind,
                "state_topic": self._topic(place, sensor),
                "json_attributes_topic": self._topic(place, "state"),
                "availability_topic": self._topic("status"),
                "device": {"identifiers": [f"oddframe_{place}"], "name": camera, "manufacturer": "oddframe"},
                "origin": {"name": "oddframe", "sw_version": __version__},
            }
            node = place.replace(".", "_")  # Home Assistant takes letters, digits, "_" and "-" there
            self._retain(f"{self._options.discovery}/binary_sensor/{node}/{sensor}/config", json.dumps(about))
