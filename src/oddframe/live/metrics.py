"""What a watch counts and measures, and its page for Prometheus.

Counting needs no library; only the page does. Names of cameras are the only labels that come from a configuration.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from oddframe.errors import InputError
from oddframe.extras import imported
from oddframe.live.messages import Notice
from oddframe.live.sinks.sink import Desk

STATES = ("connecting", "running", "stalled", "waiting", "stopped")
_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


class _Latencies:
    """A histogram of seconds."""

    def __init__(self) -> None:
        self.counts, self.sum = [0] * (len(_BUCKETS) + 1), 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_BUCKETS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bounds with the number of values at or below them."""
        rows, total = [], 0
        for bound, count in zip((*map(str, _BUCKETS), "+Inf"), self.counts, strict=True):
            total += count
            rows.append((bound, float(total)))
        return rows


class Metrics:
    """The counters of one watch. Every method may be called from any thread, and returns at once."""

    def __init__(self, desk: Desk | None = None) -> None:
        """Begin at zero; `desk`: whose sinks are shown."""
        self.desk = desk
        self._lock = threading.Lock()
        self._counters: dict[str, defaultdict[str, float]] = {
            name: defaultdict(float) for name in ("frames", "dropped", "connections", "lost")
        }
        self._events: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._scores: dict[str, float] = {}
        self._states: dict[str, str] = {}
        self._latencies: defaultdict[str, _Latencies] = defaultdict(_Latencies)

    def arrived(self, camera: str, frames: int = 1) -> None:
        """Frames were decoded."""
        self._add("frames", camera, frames)

    def dropped(self, camera: str, frames: int) -> None:
        """Frames were dropped because the machine was too slow."""
        self._add("dropped", camera, frames)

    def scored(self, camera: str, score: float, latency: float) -> None:
        """A frame has its score, `latency` seconds after it arrived."""
        with self._lock:
            self._scores[camera] = score
            self._latencies[camera].add(latency)

    def state(self, camera: str, state: str) -> None:
        """A camera is in one of the `STATES`."""
        with self._lock:
            before = self._states.get(camera)
            for counter in self._counters.values():
                counter[camera] += 0  # a counter that stands at zero shows its first step
            self._counters["lost"][camera] += state == "waiting" != before
            self._counters["connections"][camera] += before == "waiting" and state in ("connecting", "running")
            self._states[camera] = state

    def event(self, notice: Notice) -> None:
        """A notice was made; those of opened events are counted."""
        if notice.change == "opened":
            with self._lock:
                self._events[notice.camera, notice.kind] += 1

    def count(self, name: str, camera: str) -> float:
        """A counter: "frames", "dropped", "connections" (made again) or "lost" (disconnections)."""
        with self._lock:
            return self._counters[name][camera]

    def _add(self, name: str, camera: str, number: float) -> None:
        with self._lock:
            self._counters[name][camera] += number

    def families(self) -> Iterator[Any]:
        """All metrics in the form of prometheus-client."""
        core = imported("prometheus_client.core", "live")
        with self._lock:
            counters = {name: dict(values) for name, values in self._counters.items()}
            events, scores, states = dict(self._events), dict(self._scores), dict(self._states)
            latencies = {camera: (each.buckets(), each.sum) for camera, each in self._latencies.items()}
        for name, words in _COUNTERS.items():
            family = core.CounterMetricFamily(f"oddframe_{words[0]}", words[1], labels=["camera"])
            for camera, value in counters[name].items():
                family.add_metric([camera], value)
            yield family
        found = core.CounterMetricFamily("oddframe_events", "Events that were opened.", labels=["camera", "kind"])
        for labels, value in events.items():
            found.add_metric(labels, value)
        yield found
        latest = core.GaugeMetricFamily("oddframe_score", "Score of the latest frame.", labels=["camera"])
        for camera, value in scores.items():
            latest.add_metric([camera], value)
        yield latest
        state = core.GaugeMetricFamily(
            "oddframe_camera_state", "1 for the state that a camera is in, else 0.", labels=["camera", "state"]
        )
        for camera, now in states.items():
            for each in STATES:
                state.add_metric([camera, each], float(each == now))
        yield state
        histogram = core.HistogramMetricFamily(
            "oddframe_latency_seconds", "From the arrival of a frame to its score.", labels=["camera"]
        )
        for camera, (buckets, total) in latencies.items():
            histogram.add_metric([camera], buckets, total)
        yield histogram
        yield from self._sinks(core)

    def _sinks(self, core: Any) -> Iterator[Any]:
        if self.desk is None:
            return
        rows = {sink.name: sink.counts() for sink in self.desk.sinks}
        queue = core.GaugeMetricFamily("oddframe_sink_queue", "Notices that wait.", labels=["sink"])
        queue.add_metric(["desk"], self.desk.queued())
        for name, counts in rows.items():
            queue.add_metric([name], counts.queued)
        yield queue
        for what, words in (("sent", "arrived"), ("failed", "were refused or failed"), ("dropped", "were not taken")):
            family = core.CounterMetricFamily(f"oddframe_sink_{what}", f"Notices that {words}.", labels=["sink"])
            if what == "dropped":
                family.add_metric(["desk"], self.desk.dropped)
            for name, counts in rows.items():
                family.add_metric([name], getattr(counts, what))
            yield family


_COUNTERS = {
    "frames": ("frames", "Frames that were decoded."),
    "dropped": ("frames_dropped", "Frames that were dropped because the machine was too slow."),
    "connections": ("reconnects", "Connections that were made again after one was lost."),
    "lost": ("disconnections", "Connections that were lost, or could not be made."),
}


class MetricsPage:
    """The page http://HOST:PORT/metrics, until `close`.

    Raises:
        InputError: the address cannot be used, or prometheus-client is not installed.
    """

    def __init__(self, address: str, metrics: Metrics) -> None:
        """Serve; `address` is HOST:PORT, and port 0 takes a free one."""
        library = imported("prometheus_client", "live")
        host, port = host_and_port(address)
        registry = library.CollectorRegistry(auto_describe=False)
        registry.register(_Collector(metrics))
        try:
            self._server, self._thread = library.start_http_server(port, addr=host, registry=registry)
        except OSError as error:
            reason = (error.strerror or "it cannot be used").lower()
            raise InputError(f"--metrics {address}: {reason}; choose another port or address") from None
        self.port: int = self._server.server_port
        self._closing = threading.Thread(target=self._server.shutdown, name="metrics-end", daemon=True)

    def close(self, timeout: float = 2.0) -> bool:
        """End the page and its thread, which looks twice a second whether it shall; whether that was done in time."""
        if self._closing.ident is None:
            self._closing.start()
        self._closing.join(timeout)
        if self._closing.is_alive():
            return False
        self._server.server_close()
        return True


class _Collector:
    """What prometheus-client asks for metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Sequence[Any]:
        return list(self._metrics.families())


def host_and_port(address: str) -> tuple[str, int]:
    """The parts of HOST:PORT; an IPv6 address stands in brackets.

    Raises:
        InputError: it is not of this form.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise InputError(f"--metrics {address}: give HOST:PORT, such as 127.0.0.1:9090")
    try:
        host.encode("idna")
    except UnicodeError:
        raise InputError(f"--metrics {address}: {host} is no name of a host; give HOST:PORT") from None
    return host.strip("[]"), int(port)
