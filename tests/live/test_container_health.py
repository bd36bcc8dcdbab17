"""The health check of the container: healthy while the metrics answer and a camera sends frames."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oddframe.live.metrics import Metrics, MetricsPage

CHECK = Path(__file__).resolve().parents[2] / "docker" / "healthcheck.py"


@pytest.fixture
def page() -> Iterator[MetricsPage]:
    pytest.importorskip("prometheus_client", reason="needs the extra live")
    metrics = Metrics()
    page = MetricsPage("127.0.0.1:0", metrics)
    page.metrics = metrics  # type: ignore[attr-defined]
    yield page
    page.close()


def check(port: int) -> subprocess.CompletedProcess[str]:
    environment = {"ODDFRAME_METRICS": f"127.0.0.1:{port}"}
    return subprocess.run([sys.executable, str(CHECK)], env=environment, capture_output=True, text=True)


def test_one_running_camera_is_enough(page: MetricsPage) -> None:
    page.metrics.state("gate", "waiting")  # type: ignore[attr-defined]
    assert check(page.port).returncode == 1 and "no camera is connected" in check(page.port).stderr
    page.metrics.state("yard", "running")  # type: ignore[attr-defined]
    assert check(page.port).returncode == 0
    page.metrics.state("yard", "stopped")  # type: ignore[attr-defined]
    assert check(page.port).returncode == 1


def test_without_metrics_it_is_unhealthy(page: MetricsPage) -> None:
    page.close()
    answer = check(page.port)
    assert answer.returncode == 1 and "does not answer" in answer.stderr
