"""A source through its life: states, losses, stalls, drops, the end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from http_camera import PASSWORD, USER, Camera, jpegs, serving
from patience import PATIENCE, until
from rtsp_server import RtspServer, Taken, free_port, write_video

from oddframe.live.address import Address
from oddframe.live.connection import Bounds, Connection
from oddframe.live.follower import Follower, Hooks
from oddframe.live.messages import Arrived, Begun, Ended
from oddframe.live.states import StateChange
from oddframe.types import Window
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource

WINDOW = Window(offsets=(0,), size=(32, 48))
QUICK = Bounds(open_s=3.0, read_s=3.0)


class Watched:
    """A follower that runs, its messages, and the states it has told."""

    def __init__(self, url: str, **options: Any) -> None:
        self.changes: list[StateChange] = []
        as_live = options.pop("as_live", False)
        environment = options.pop("environment", None)
        hooks = Hooks(state=self.changes.append, **options.pop("hooks", {}))
        address = Address.parse(url, as_live, environment)
        self.follower = Follower("gate", address, options.pop("window", WINDOW), hooks, **options)
        self.taken = Taken(self.follower)

    @property
    def states(self) -> list[str]:
        return [state for state, _ in groupby(change.state for change in self.changes)]

    def until_begun(self, stretches: int) -> None:
        self.taken.until(lambda: len(self.taken.begun) >= stretches)

    def until_frames(self, more: int = 1) -> None:
        count = len(self.taken.frames) + more
        self.taken.until(lambda: len(self.taken.frames) >= count)


@contextmanager
def watched(url: str, **options: Any) -> Iterator[Watched]:
    seen = Watched(url, **options)
    seen.follower.start()
    try:
        yield seen
    finally:
        seen.follower.stop()
        assert seen.follower.join(PATIENCE)
        assert not seen.follower.hook_fault


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RtspServer]:
    write_video(tmp_path / "x.mp4", 20)
    with RtspServer(tmp_path) as running:
        yield running


def test_the_first_ten_seconds_of_a_camera(server: RtspServer) -> None:
    with watched(server.url("x.mp4")) as seen:
        seen.until_frames(30)
        begun = seen.taken.messages[0]
        assert isinstance(begun, Begun)
        assert begun.info.fps == pytest.approx(10, rel=0.05)
        assert (begun.info.name, begun.info.width, begun.info.height) == ("gate", 96, 64)
        assert begun.info.key.startswith("live-") and len(begun.info.key) == 32
        frames = seen.taken.frames
        assert [each.frame.index for each in frames] == list(range(len(frames)))
        assert frames[0].frame.time == 0
        assert np.allclose(np.diff([each.frame.time for each in frames]), 0.1, atol=0.02)
        assert np.all(np.diff([each.at for each in frames]) >= 0)
        assert abs(frames[-1].utc - time.time()) < 30
        assert frames[0].frame.image.shape == (32, 48, 3)
        assert seen.states == ["connecting", "running"]
        seen.follower.stop()
        assert seen.follower.join(PATIENCE)
        while (message := seen.follower.take()) is not None:
            last = message
        assert isinstance(last, Ended) and last.why == "stopped"
        assert seen.states == ["connecting", "running", "stopped"]


def test_opening_does_not_wait_for_the_first_seconds(server: RtspServer) -> None:
    address, took = Address.parse(server.url("x.mp4")), []
    for short in (True, False):
        begun = time.monotonic()
        connection = Connection(address, short)
        took.append(time.monotonic() - begun)
        assert (connection.short, connection.stream.width) == (short, 96)
        connection.close()
    assert took[0] < took[1] - 1


@pytest.mark.slow
def test_a_killed_server_is_one_loss_and_its_return_is_found(server: RtspServer) -> None:
    with watched(server.url("x.mp4")) as seen:
        seen.until_frames()
        server.kill()
        seen.taken.until(lambda: seen.taken.ended)
        assert seen.taken.ended[0].why == "lost"
        seen.taken.until(lambda: seen.follower.state == "waiting")
        time.sleep(1)
        server.start()
        seen.until_begun(2)
        seen.until_frames()
        assert [type(each) for each in seen.taken.messages if not isinstance(each, Arrived)] == [Begun, Ended, Begun]
        first, second = seen.taken.begun
        assert first.info.key != second.info.key
        assert seen.follower.losses == 1
        again = next(each for each in reversed(seen.taken.frames) if each.frame.index == 0)
        assert again.frame.time == 0
        assert seen.states == ["connecting", "running", "waiting", "running"]


def test_a_stall_is_told_while_the_thread_waits_and_is_no_loss(server: RtspServer) -> None:
    with watched(server.url("x.mp4"), bounds=Bounds(10.0, 30.0)) as seen:
        seen.until_frames()
        server.stop()
        seen.taken.until(lambda: seen.follower.state == "stalled")
        server.go_on()
        seen.taken.until(lambda: seen.follower.state == "running")
        seen.until_frames()
        assert seen.states == ["connecting", "running", "stalled", "running"]
        assert len(seen.taken.begun) == 1 and not seen.taken.ended


@pytest.mark.slow
def test_a_silence_beyond_the_bound_is_a_loss(server: RtspServer) -> None:
    with watched(server.url("x.mp4"), bounds=QUICK) as seen:
        seen.until_frames()
        server.stop()
        seen.taken.until(lambda: seen.taken.ended)
        assert "no picture for 3 seconds" in seen.taken.ended[0].words
        server.go_on()
        seen.until_begun(2)
        assert len(seen.taken.ended) == 1
        assert seen.states == ["connecting", "running", "stalled", "waiting", "running"], seen.changes


def write_sound(path: Path, pictures: int) -> None:
    """Eight seconds of noise, and so many pictures at 10 in a second."""
    noise = np.random.default_rng(3)
    with av.open(str(path), "w") as out:
        sound = out.add_stream("mp2", rate=32_000, layout="mono")
        video = None
        if pictures:
            video = out.add_stream("libx264", rate=10, options={"bf": "0", "preset": "veryfast"})
            video.width, video.height, video.pix_fmt, video.gop_size = 96, 64, "yuv420p", 10
            for _ in range(pictures):
                image = noise.integers(60, 120, (64, 96, 3), np.uint8)
                out.mux(video.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
            out.mux(video.encode())
        for _ in range(8 * 32_000 // 1152):
            samples = noise.integers(-9000, 9000, (1, 1152), np.int16)
            frame = av.AudioFrame.from_ndarray(samples, "s16p", "mono")
            frame.sample_rate = 32_000
            out.mux(sound.encode(frame))


@pytest.mark.slow
def test_sound_does_not_hide_that_there_are_no_pictures(tmp_path: Path) -> None:
    write_sound(tmp_path / "x.ts", 20)
    with serving(Camera(tmp_path, [])) as address, watched(f"{address}slowly/x.ts", bounds=Bounds(3.0, 1.5)) as seen:
        seen.taken.until(lambda: seen.taken.ended)
        assert seen.taken.ended[0].words == "no picture for 1.5 seconds"
        assert len(seen.taken.frames) >= 15  # the demuxer holds the last ones back


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nothing", "no such stream (404)"),
        ("secret", "user name or password are refused (401)"),
        ("forbidden", "access is refused (403)"),
        ("words.txt", "no video that is read here"),
        ("sound.ts", "has no video stream, only audio"),
    ],
)
def test_a_camera_that_shows_nothing_says_why_in_one_line(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "words.txt").write_text("no video\n" * 99)
    write_sound(tmp_path / "sound.ts", 0)
    with serving(Camera(tmp_path, [])) as address:
        url = address.replace("//", "//joe:wr0ngwrong@") + path
        with watched(url, bounds=QUICK) as seen:
            until(lambda: seen.follower.state == "waiting")
            assert words in seen.follower.words
            assert "\n" not in seen.follower.words and "wr0ngwrong" not in repr(seen.changes)
            assert seen.taken.follower.take() is None


def test_a_play_list_of_a_camera_reads_no_file_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    secret = write_video(tmp_path / "secret.ts", 20)
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", "#EXTINF:2,", f"file://{secret}", "#EXT-X-ENDLIST"]
    (tmp_path / "web" / "x.m3u8").write_text("\n".join(lines))
    with serving(Camera(tmp_path / "web", [])) as address, watched(f"{address}x.m3u8", bounds=QUICK) as seen:
        until(lambda: seen.follower.state == "waiting")
        assert "running" not in seen.states and seen.follower.take() is None


def test_nothing_that_listens_is_one_line() -> None:
    with watched(f"rtsp://127.0.0.1:{free_port()}/x") as seen:
        until(lambda: seen.follower.state == "waiting")
        assert "connection is refused" in seen.follower.words


def test_a_camera_at_this_machine_that_is_not_there_is_one_line() -> None:
    with watched("usb:99") as seen:
        until(lambda: seen.follower.state == "waiting")
        assert seen.follower.words == "the device cannot be opened (No such file or directory)"


def test_a_password_with_odd_characters_opens_the_camera_and_is_never_told(tmp_path: Path) -> None:
    with serving(Camera(tmp_path, jpegs(100))) as address:
        url = address.replace("//", "//{CAM_USER}:{CAM_PASSWORD}@") + "secret"
        with watched(url, environment={"CAM_USER": USER, "CAM_PASSWORD": PASSWORD}) as seen:
            seen.until_frames()
            told = repr((seen.changes, seen.taken.begun, seen.follower.address))
            assert PASSWORD not in told and seen.follower.address.secrets[0] not in told


def test_a_slow_machine_drops_all_that_waits_and_says_how_many(tmp_path: Path) -> None:
    with watched("test:64x48@200", capacity=40) as seen:
        until(lambda: seen.follower.dropped > 100)
        seen.taken.until(lambda: len(seen.taken.ended) >= 1 and len(seen.taken.frames) >= 60)
        assert seen.taken.ended[0].why == "dropped"
        assert sum(each.dropped for each in seen.taken.ended) <= seen.follower.dropped
        kinds = [type(each) for each in seen.taken.messages if not isinstance(each, Arrived)]
        assert kinds[0] is Begun and Begun in kinds[1:]
        assert seen.follower.waiting <= 40
        for before, after in zip(seen.taken.messages, seen.taken.messages[1:], strict=False):
            if isinstance(after, Arrived):  # no frame follows another one across a hole
                assert isinstance(before, Begun) == (after.frame.index == 0)
                assert not isinstance(before, Arrived) or after.frame.index == before.frame.index + 1


def test_the_test_picture_keeps_time() -> None:
    with watched("test:64x48@20") as seen:
        seen.until_frames(40)
        first, last = seen.taken.frames[0], seen.taken.frames[39]
        assert last.frame.time == pytest.approx(39 / 20)
        assert last.at - first.at > 39 / 20 - 0.9  # the first may come late on a busy machine


def test_a_file_waits_for_the_scorer_and_is_what_scoring_reads(tmp_path: Path) -> None:
    path = write_video(tmp_path / "x.mp4", 30, 2)
    packets: list[int] = []
    hooks = {"packet": lambda packet, stream, utc: packets.append(packet.size)}
    with watched(str(path), capacity=4, hooks=hooks) as seen:
        until(lambda: seen.follower.waiting == 4)
        seen.taken.until(lambda: seen.follower.finished)
        with VideoReader(VideoSource("v", path, "file"), WINDOW.size) as reader:
            file = list(reader)
        live = seen.taken.frames
        assert len(live) == len(file) == len(packets) == 30
        for one, other in zip(live, file, strict=True):
            assert (one.frame.index, one.frame.time) == (other.index, other.time)
            assert np.array_equal(one.frame.image, other.image)
        assert seen.taken.begun[0].info.fps == reader.info.fps
        assert seen.taken.ended[0].why == "end" and seen.follower.dropped == 0
        assert seen.states == ["connecting", "running", "stopped"]


def test_a_file_as_a_camera_keeps_the_pace_of_its_stamps(tmp_path: Path) -> None:
    path = write_video(tmp_path / "x.mp4", 15)
    with watched(str(path), as_live=True) as seen:
        seen.taken.until(lambda: seen.taken.ended)
        arrivals = [each.at for each in seen.taken.frames]
        assert len(arrivals) == 15 and arrivals[-1] - arrivals[0] >= 0.7


def test_a_file_as_a_camera_drops_and_begins_anew(tmp_path: Path) -> None:
    path = write_video(tmp_path / "x.mp4", 80, rate=50)
    with watched(str(path), as_live=True, capacity=10) as seen:
        until(lambda: seen.follower.dropped)
        seen.taken.until(lambda: len(seen.taken.begun) == 2)
        seen.until_frames()
        assert seen.taken.ended[0].why == "dropped"
        again = seen.taken.frames[0].frame
        assert (again.index, again.time) == (0, 0.0)


def test_a_file_that_is_no_video_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(b"nothing")
    with watched(str(path)) as seen:
        until(lambda: seen.follower.finished)
        assert str(path) in seen.follower.fault and seen.states[-1] == "stopped"


def test_a_faulty_hook_does_not_end_following() -> None:
    def fails(*_: object) -> None:
        raise OSError("disk full")

    told: list[str] = []
    hooks = Hooks(fails, fails, fails, fails, told.append)
    follower = Follower("gate", Address.parse("test:64x48@50"), WINDOW, hooks)
    follower.start()
    Taken(follower).until(lambda: follower.waiting >= 3)
    follower.stop()
    assert follower.join(PATIENCE)
    assert follower.hook_fault == "OSError: disk full" and told == ["OSError: disk full"]


def test_a_file_as_a_camera_that_is_stopped_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "x.mp4", 40)
    with watched(str(path), as_live=True) as seen:
        seen.until_frames(3)
        seen.follower.stop()
        assert seen.follower.join(PATIENCE)
        seen.taken.until(lambda: seen.taken.ended)
        assert [one.why for one in seen.taken.ended] == ["stopped"]


def test_frames_held_for_their_rate_are_handed_out_when_it_is_stopped() -> None:
    follower = Follower("gate", Address.parse("test:64x48@20"), WINDOW)
    follower.start()
    until(lambda: follower._stretch is not None and len(follower._stretch._held) >= 4)
    follower.stop()
    assert follower.join(PATIENCE)
    taken = []
    while (message := follower.take()) is not None:
        taken.append(type(message))
    assert taken[0] is Begun and taken[-1] is Ended and taken.count(Arrived) >= 4


def test_pictures_of_another_size_begin_anew(tmp_path: Path) -> None:
    pictures = jpegs(20) + jpegs(200, (48, 64))
    with serving(Camera(tmp_path, pictures, rate=20)) as address, watched(f"{address}mjpeg") as seen:
        seen.taken.until(lambda: seen.taken.ended)
        assert "have changed from 96x64 to 64x48" in seen.taken.ended[0].words
        assert len(seen.taken.frames) == 20
        assert len(seen.taken.begun) == 1


def test_levels_of_deep_pictures_are_those_of_the_bundle(tmp_path: Path) -> None:
    frames = [np.full((48, 64), 100 + 10 * number, np.uint16) for number in range(20)]
    path = tmp_path / "deep.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray16le"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "gray16le")))
        out.mux(stream.encode())
    with serving(Camera(tmp_path, [])) as address, watched(f"{address}deep.mkv", levels=(100.0, 290.0)) as seen:
        seen.taken.until(lambda: seen.taken.ended)
        assert seen.taken.begun[0].info.depth == 16
        means = [each.frame.image.mean() for each in seen.taken.frames]
        assert means == pytest.approx([np.rint(number * 255 / 19) for number in range(20)], abs=0.5)


SCRIPT = """
import signal, sys, time
from oddframe.live.address import Address
from oddframe.live.follower import Follower
from oddframe.types import Window
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
follower = Follower("gate", Address.parse(sys.argv[1]), Window(offsets=(0,), size=(32, 48)))
follower.start()
last = ""
try:
    while True:
        follower.take(0.1)
        if follower.state != last:
            last = follower.state
            print(last, flush=True)
except KeyboardInterrupt:
    sys.exit(0)
finally:
    follower.stop()
    follower.join(0.5)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "stop"),
    [
        ("connecting", signal.SIGTERM),
        ("running", signal.SIGINT),
        pytest.param("stalled", signal.SIGINT, marks=pytest.mark.slow),
        ("stalled", signal.SIGTERM),
        ("waiting", signal.SIGTERM),
    ],
)
def test_a_process_leaves_within_two_seconds_in_every_state(
    server: RtspServer, state: str, stop: signal.Signals
) -> None:
    if state == "connecting":
        server.stop()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, server.url("x.mp4")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if line.strip() == "running" and state == "stalled":
                server.stop()
            elif line.strip() == "running" and state == "waiting":
                server.kill()
            if line.strip() == state:
                break
        begun = time.monotonic()
        process.send_signal(stop)
        assert process.wait(PATIENCE) == 0
        assert time.monotonic() - begun < 6  # two seconds, on a machine that has nothing else to do
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_three_deaths_and_two_stalls_leave_nothing_behind(server: RtspServer) -> None:
    own = psutil.Process()
    with watched(server.url("x.mp4"), bounds=QUICK) as seen:
        seen.until_frames()
        threads, files = threading.active_count(), own.num_fds()
        for number in range(3):
            server.kill()
            seen.taken.until(lambda: seen.follower.state == "waiting")
            server.start()
            seen.until_begun(number + 2)
        for number in range(2):
            server.stop()
            seen.taken.until(lambda: seen.follower.state == "waiting")
            server.go_on()
            seen.until_begun(number + 5)
        assert len(seen.taken.ended) == 5 and len(seen.taken.begun) == 6
        until(lambda: (threading.active_count(), own.num_fds()) == (threads, files))
