"""MQTT with a real broker: events, states, a last will, Home Assistant, and a broker that goes and comes back."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from broker import Listener, RunningBroker
from media import closed, notice
from patience import until

from oddframe.errors import InputError
from oddframe.live.sinks.mqtt import Mqtt, MqttOptions


@pytest.fixture
def broker() -> Iterator[RunningBroker]:
    one = RunningBroker()
    one.up()
    yield one
    one.down()


@pytest.fixture
def listener(broker: RunningBroker) -> Iterator[Listener]:
    one = Listener(broker.port)
    yield one
    one.close()


def test_events_and_states_are_published(broker: RunningBroker, listener: Listener) -> None:
    sink = Mqtt(MqttOptions(broker.url), print)
    event = notice(1, 2)
    sink.tell(event)
    sink.tell(replace(event, change="updated"))
    sink.tell(closed(event))
    sink.state("gate", "running")
    told = [json.loads(body) for body in listener.wait("oddframe/gate/event", 2)]
    assert [(row["event_id"], row["change"]) for row in told] == [(event.id, "opened"), (event.id, "closed")]
    assert told[0] == {"event_id": event.id, **json.loads(json.dumps(event.as_json()))}
    assert listener.qos["oddframe/gate/event"] == 1
    assert json.loads(listener.wait("oddframe/gate/state")[0]) == {"camera": "gate", "state": "running"}
    assert listener.wait("oddframe/status")[0] == "online"
    until(lambda: sink.counts().sent == 2)
    sink.close(20)
    assert listener.wait("oddframe/status", 2)[1] == "offline"
    late = Listener(broker.port)  # the broker has kept these
    late.wait("oddframe/gate/state")
    assert set(late.wait("oddframe/status")) == {"offline"} and not late.of("oddframe/gate/event")
    late.close()


def test_what_happens_while_the_broker_is_away_is_told_when_it_is_back() -> None:
    broker, lines = RunningBroker(), list[str]()
    sink = Mqtt(MqttOptions(broker.url, most=5), lines.append)
    sink._client.reconnect_delay_set(1, 1)
    begun = time.perf_counter()
    for number in range(7):
        sink.tell(notice(1, 2, name=f"{number:016x}"))
    sink.state("gate", "stalled")
    assert time.perf_counter() - begun < 5, "nobody waits for the broker"
    assert (sink.counts().queued, sink.counts().dropped) == (5, 2)
    until(lambda: any("cannot be reached" in line for line in lines))
    broker.up()
    until(lambda: sink.counts().sent == 5)
    listener = Listener(broker.port)
    assert json.loads(listener.wait("oddframe/gate/state")[0])["state"] == "stalled"
    listener.close()
    broker.down()  # and once more, after a connection
    sink.tell(notice(1, 2, name="f" * 16))
    broker.up()
    listener = Listener(broker.port)
    rows = [json.loads(body) for body in listener.wait("oddframe/gate/event")]
    assert rows[-1]["event_id"] == "f" * 16
    listener.wait("oddframe/gate/state")  # the broker has lost what it had kept
    until(lambda: sink.counts().queued == 0)
    sink.close(2)
    listener.close()
    broker.down()


DIES = """
import sys, time
from oddframe.live.sinks.mqtt import Mqtt, MqttOptions
sink = Mqtt(MqttOptions(sys.argv[1]), print)
while not sink._client.is_connected():
    time.sleep(0.01)
print("connected", flush=True)
time.sleep(60)
"""


def test_the_broker_says_that_a_killed_watch_is_offline(broker: RunningBroker, listener: Listener) -> None:
    start = f"import sys; sys.path[:0] = {sys.path!r}\n"
    process = subprocess.Popen([sys.executable, "-c", start + DIES, broker.url], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"connected\n"
    assert listener.wait("oddframe/status")[-1] == "online"
    process.kill()
    process.wait()
    assert listener.wait("oddframe/status", 2)[-1] == "offline"
    process.stdout.close()


def test_home_assistant_finds_two_sensors_of_every_camera(broker: RunningBroker, listener: Listener) -> None:
    sink = Mqtt(MqttOptions(broker.url, home_assistant=True), print)
    sink.state("back door", "running")
    event = replace(notice(1, 2), camera="back door")
    fault = replace(notice(1, 2, name="f" * 16), camera="back door", kind="covered")
    held = replace(notice(1, 2, name="a" * 16), camera="back door", held="camera covered")
    place = next(topic for topic, _ in iter_until(listener, "/state")).split("/")[1]
    assert place.startswith("back_door-")
    for each, topic, value in (
        (event, "anomaly", "ON"), (closed(event), "anomaly", "OFF"),
        (fault, "problem", "ON"), (held, "", ""), (closed(held), "", ""), (closed(fault), "problem", "OFF"),
    ):  # fmt: skip
        sink.tell(each)
        if topic:
            until(lambda topic=topic, value=value: listener.of(f"oddframe/{place}/{topic}")[-1:] == [value])
    sink.state("back door", "waiting")
    until(lambda: listener.of(f"oddframe/{place}/problem")[-1:] == ["ON"])
    assert listener.of(f"oddframe/{place}/anomaly") == ["OFF", "ON", "OFF"]
    for sensor, kind in (("anomaly", "motion"), ("problem", "problem")):
        about = json.loads(listener.wait(f"homeassistant/binary_sensor/{place}/{sensor}/config")[0])
        assert about["device_class"] == kind and about["availability_topic"] == "oddframe/status"
        assert about["state_topic"] == f"oddframe/{place}/{sensor}"
        assert about["device"]["name"] == "back door" and about["unique_id"] == f"oddframe_{place}_{sensor}"
    sink.close(2)


def iter_until(listener: Listener, ending: str) -> list[tuple[str, str]]:
    until(lambda: any(topic.endswith(ending) for topic, _ in listener.messages))
    return [row for row in listener.messages if row[0].endswith(ending)]


def test_closing_is_soon_while_the_broker_does_not_answer() -> None:
    lines: list[str] = []
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        sink = Mqtt(MqttOptions(f"mqtt://user:hunter2@127.0.0.1:{silent.getsockname()[1]}"), lines.append)
        sink.tell(notice(1, 2))
        begun = time.monotonic()
        sink.close(1)
        assert time.monotonic() - begun < 4
    assert "hunter2" not in "".join(lines) + repr(sink._options)


@pytest.mark.parametrize(
    "url", ["http://there", "mqtt://", "there:1883", "mqtt://u:hunter2@[::1", "mqtt://h:99999", "mqtt://a..b"]
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="no address of a broker") as error:
        Mqtt(MqttOptions(url), print)
    assert "hunter2" not in str(error.value) + repr(MqttOptions(url))


@pytest.mark.parametrize("prefix", ["", "a/#", "+", "a\0b", "\udcff", "x" * 2000])
def test_a_prefix_that_no_topic_has_is_refused(prefix: str) -> None:
    with pytest.raises(InputError, match="cannot begin a topic"):
        Mqtt(MqttOptions("mqtt://127.0.0.1", prefix=prefix), print)


def test_a_notice_that_the_library_does_not_take_is_counted_and_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    sink = Mqtt(MqttOptions("mqtt://127.0.0.1:1"), lines.append)

    def refuse(*given: object, **more: object) -> None:
        raise ValueError("Invalid topic")

    monkeypatch.setattr(sink._client, "publish", refuse)
    sink.tell(notice(1, 2))
    sink.tell(closed(notice(1, 2)))
    counts = sink.counts()
    sink.close(1)
    assert (counts.dropped, counts.queued) == (2, 0)
    assert sum("oddframe/gate/event cannot be sent, and is lost" in line for line in lines) == 1
