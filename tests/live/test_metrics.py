"""Metrics: what the page says, and that it ends with the watch."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from media import closed, notice
from prometheus_client.parser import text_string_to_metric_families

from oddframe.errors import InputError
from oddframe.live.config import WatchConfig
from oddframe.live.metrics import Metrics, MetricsPage
from oddframe.live.sinks.lines import EventLines
from oddframe.live.sinks.sink import Desk
from oddframe.workflow import watch_plan
from oddframe.workflow.watch_plan import WatchOptions, WatchPlan


def page(port: int) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}


def test_the_page_has_every_metric(tmp_path: Path) -> None:
    desk = Desk([EventLines(tmp_path)], print)
    metrics = Metrics(desk)
    served = MetricsPage("127.0.0.1:0", metrics)
    camera = (("camera", 'the "gate"\n'),)
    name = camera[0][1]
    metrics.arrived(name, 30)
    metrics.dropped(name, 4)
    metrics.scored(name, 1.5, 0.02)
    metrics.scored(name, 2.5, 0.4)
    for state in ("connecting", "running", "waiting", "waiting", "running", "stalled", "running"):
        metrics.state(name, state)
    event = notice(1, 2)
    for each in (event, closed(event)):
        metrics.event(each)
        desk.tell(each)
    desk.close()
    found = page(served.port)
    assert found["oddframe_frames_total", camera] == 30 and found["oddframe_frames_dropped_total", camera] == 4
    assert found["oddframe_reconnects_total", camera] == 1 and found["oddframe_disconnections_total", camera] == 1
    assert found["oddframe_score", camera] == 2.5
    assert found["oddframe_latency_seconds_count", camera] == 2
    assert found["oddframe_latency_seconds_sum", camera] == pytest.approx(0.42)
    assert found["oddframe_latency_seconds_bucket", (*camera, ("le", "0.02"))] == 1
    assert found["oddframe_latency_seconds_bucket", (*camera, ("le", "+Inf"))] == 2
    assert found["oddframe_camera_state", (*camera, ("state", "running"))] == 1
    assert found["oddframe_camera_state", (*camera, ("state", "waiting"))] == 0
    assert found["oddframe_events_total", (("camera", "gate"), ("kind", "anomaly"))] == 1
    assert found["oddframe_sink_sent_total", (("sink", "events.jsonl"),)] == 2
    assert found["oddframe_sink_queue", (("sink", "desk"),)] == 0
    assert found["oddframe_sink_dropped_total", (("sink", "desk"),)] == 0
    served.close()
    with pytest.raises(httpx.ConnectError):
        page(served.port)


def test_a_port_in_use_and_a_wrong_address_are_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"--metrics 127.0.0.1:{port}: .*in use; choose another port"):
            MetricsPage(f"127.0.0.1:{port}", Metrics())
    for address in ("9090", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999", "a..b:80"):
        with pytest.raises(InputError, match="HOST:PORT"):
            MetricsPage(address, Metrics())


@pytest.mark.parametrize(
    "options",
    [
        WatchOptions(webhook="http://u:hunter2@[::1"), WatchOptions(webhook="http://u:hunter2@h:99999999/x"),
        WatchOptions(mqtt="mqtt://u:hunter2@[::1"), WatchOptions(mqtt="mqtt://u:hunter2@h:99999"),
        WatchOptions(metrics="a..b:80"),
    ],
)  # fmt: skip
def test_a_plan_refuses_those_who_cannot_be_told(tmp_path: Path, options: WatchOptions) -> None:
    with pytest.raises(InputError) as error:
        watch_plan._with_sinks(WatchPlan((), tmp_path), None, options)
    assert "hunter2" not in str(error.value) and "\n" not in str(error.value)


def test_a_source_whose_name_is_not_utf_8_is_one_line() -> None:
    with pytest.raises(InputError, match="not UTF-8"):
        watch_plan._part("caf\udce9.mp4", WatchOptions())
    with pytest.raises(InputError) as error:
        watch_plan._part("rtsp://u:hunter2@h/\udce9", WatchOptions())
    assert "hunter2" not in str(error.value)


def test_a_webhook_of_the_configuration_is_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = WatchConfig.model_validate({
        "cameras": {"a": {"source": "test:", "bundle": "run"}}, "out": "out",
        "on_event": {"webhook": {"url": "http://127.0.0.1:1/x"}},
    })  # fmt: skip
    for secret in ("", "hush"):
        monkeypatch.setenv("ODDFRAME_WEBHOOK_SECRET", secret)
        plan = watch_plan._with_sinks(WatchPlan((), tmp_path), read, WatchOptions())
        assert plan.webhook is not None and plan.webhook.secret == secret


def test_what_never_happened_stands_at_zero() -> None:
    """A rate of increase over a counter that begins with its first step would miss that step."""
    metrics = Metrics()
    metrics.state("gate", "connecting")
    with closing(MetricsPage("127.0.0.1:0", metrics)) as served:
        found = page(served.port)
    assert found["oddframe_frames_dropped_total", (("camera", "gate"),)] == 0
