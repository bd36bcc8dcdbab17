"""The end of watching: everything within one deadline, and what it does not reach is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
from patience import PATIENCE, until
from rtsp_server import write_video
from watching import Program, make_run

import oddframe
from oddframe.live import ending as ending_module
from oddframe.live import scores as scores_module
from oddframe.live.ending import DISK_S, STOP_S, Ending
from oddframe.live.loop import _compute
from oddframe.live.scores import ScoreThread
from oddframe.live.sinks.sink import Desk, SinkCounts


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("watched")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(folder / "cache"))
        yield make_run(folder)


class Sink:
    """Takes all the time that it gets."""

    name = "slow"

    def __init__(self) -> None:
        self.closed = threading.Event()

    def tell(self, notice: object) -> None: ...

    def counts(self) -> SinkCounts:
        return SinkCounts()

    def close(self, timeout: float) -> None:
        time.sleep(timeout)
        self.closed.set()


def ended(work: Callable[[], None], stopped: Callable[[], float | None]) -> tuple[float, list[str], bool]:
    """How long an ending lasts whose writer has work to do; what is told as lost; whether the sinks are closed."""
    lines, sink, files = list[str](), Sink(), ScoreThread()
    ending = Ending(lines.append)
    ending.stopped_at = stopped
    ending.add_desk(Desk([sink], lines.append))
    ending.add(files, "scores are lost")
    files.submit(work)
    begun = time.monotonic()
    ending.close()
    lasted = time.monotonic() - begun
    ending.close()
    assert ending.lost == lines and time.monotonic() - begun < lasted + 5, "a second call does nothing"
    return lasted, lines, sink.closed.wait(PATIENCE)


def test_a_writer_that_hangs_and_a_sink_that_is_slow_share_the_time_of_a_stop() -> None:
    free, stopped = threading.Event(), time.monotonic()
    lasted, lines, closed = ended(lambda: free.set() if free.wait(30) else None, lambda: stopped)
    free.set()
    assert lasted < STOP_S + 10 and lines == ["scores are lost"] and closed


def test_without_a_stop_files_have_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending_module, "SINKS_S", 0.1)
    assert ended(lambda: time.sleep(STOP_S + 0.2), lambda: None)[1:] == ([], True)


def test_a_stop_while_files_are_written_shortens_their_time() -> None:
    free, begun = threading.Event(), time.monotonic()

    def stopped() -> float | None:  # a second before, as of 0.3 s from now on
        return begun - 1.0 if time.monotonic() > begun + 0.3 else None

    lasted, lines, closed = ended(lambda: free.set() if free.wait(DISK_S) else None, stopped)
    free.set()
    assert 0.3 < lasted < DISK_S / 2 and lines == ["scores are lost"] and closed


def test_a_stop_does_not_wait_for_all_windows_of_a_round() -> None:
    asked: list[Sequence[Any]] = []

    def score(chunks: Sequence[Any]) -> list[Any]:
        asked.append(chunks)
        return list(chunks)

    network: Any = SimpleNamespace(runtime=SimpleNamespace(batch=4), score=score)
    job: Any = network, [(None, [1, 2, 3]), (None, [4, 5, 6]), (None, [7, 8, 9])]
    assert _compute(lambda: False, job) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert asked == [[1, 2, 3, 4], [5, 6, 7, 8], [9]]
    assert _compute(lambda: len(asked) == 4, job) == [1, 2, 3, 4]


def test_a_disk_that_hangs_does_not_hold_up_the_end(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    monkeypatch.setattr(scores_module, "save_scores", lambda *_: free.wait(60))
    begun = time.monotonic()
    watched = oddframe.watch(run, "test:96x64@10", tmp_path / "out", seconds=1.0)
    lasted = time.monotonic() - begun
    free.set()
    assert watched.unfinished == ("scores that were not on the disk in time are lost",) and not watched.whole
    assert lasted < 40, "without the deadline it would wait for a minute"
    assert "lost" in (tmp_path / "out" / "log.jsonl").read_text()


def lengthened(video: Path, times: int, out: Path) -> Path:
    """The packets of a video, so many times over."""
    with av.open(str(out), "w") as target:
        stream = None
        for number in range(times):
            with av.open(str(video)) as source:
                own = source.streams.video[0]
                stream = stream or target.add_stream_from_template(own)
                for packet in source.demux(own):
                    if packet.size:
                        packet.pts, packet.dts = packet.pts + number * own.duration, packet.dts + number * own.duration
                        packet.stream = stream
                        target.mux(packet)
    return out


def busyness() -> float:
    """How many times longer work takes than it would on a machine that has nothing else to do."""
    begun, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.3:
        pass
    return max(1.0, (time.monotonic() - begun) / 0.3)


@pytest.mark.slow
def test_five_cameras_as_fast_as_the_machine_can_end_within_two_seconds(run: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "film.mp4", 200)
    long = lengthened(tmp_path / "film.mp4", 200, tmp_path / "long.mp4")
    names = [word for number in range(5) for word in ("--name", f"gate{number}")]
    words = (run, *[long] * 5, *names, "--quantile", 0.5, "--record", "--metrics", "127.0.0.1:0")
    busy = busyness()
    with Program(*words, out=tmp_path / "out") as program:
        until(lambda: program.gone() or len(program.log("begun")) == 5, 300)
        time.sleep(2)
        assert not program.gone()
        begun = time.monotonic()
        status, out, err = program.end(15, within=120)
        lasted = time.monotonic() - begun
    busy = max(busy, busyness())
    assert status == 143 and "Traceback" not in err and lasted < 2.5 * busy, (lasted, busy, out, err)
    assert busy > 2 or (len(list((tmp_path / "out" / "scores").rglob("*.npz"))) >= 5 and "lost" not in out), out
