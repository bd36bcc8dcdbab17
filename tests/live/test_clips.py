"""Clips: the very packets of the camera, from a key frame on, with pictures of the peak."""

from __future__ import annotations

import errno
import gc
import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from media import ENCODERS, FPS, GOP, UTC, closed, feed, notice, pictures, play, write_video
from patience import PATIENCE, until

from oddframe.live import clips
from oddframe.live.clips import ClipOptions, ClipWriter, peak_in_clip, picture_at, write_note
from oddframe.live.messages import Notice
from oddframe.live.packets import Encoded, PacketFile, StreamParameters
from oddframe.live.peaks import PeakMap, PeakMaps
from oddframe.live.ring import LATE_S, PacketRing
from oddframe.types import FrameScores, VideoInfo
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource

DELAY = 2  # packets after that of a frame which the decoder wants before it hands out the frame


def note_of(out: Path, name: str = "0123456789abcdef") -> Path:
    return out / "clips" / "gate" / f"{name}.json"


def nearest(picture: Path, source: Path) -> int:
    """The frame of a video that a picture shows."""
    shown = cv2.imread(str(picture)).astype(int)
    with VideoReader(VideoSource("source", source, "file")) as reader:
        return int(np.argmin([np.abs(frame.image - shown).mean() for frame in reader]))


class Watch:
    """A ring with clips, and what they say."""

    def __init__(self, out: Path, options: ClipOptions | None = None, seconds: float = 5.0) -> None:
        self.out, self.lines, self.told = out, list[str](), list[Notice]()
        options = options or ClipOptions(before=1.0, after=1.0)
        self.ring = PacketRing(options.before, say=self.lines.append)
        self.clips = ClipWriter(out, {"gate": self.ring}, options, self.lines.append, self.told.append)

    def file(self, name: str = "0123456789abcdef", suffix: str = ".mp4") -> Path:
        return self.out / "clips" / "gate" / f"{name}{suffix}"


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_clip_shows_the_frames_of_its_source_bit_for_bit(tmp_path: Path, kind: str) -> None:
    source = write_video(tmp_path / ("source.avi" if kind == "mjpeg" else "source.mp4"), kind)
    watch = Watch(tmp_path)
    event = notice(2.5, 3.0)
    for number, _ in enumerate(feed(watch.ring, source, end=False)):
        if number == 35:
            watch.clips.tell(event)
        if number == 50:
            watch.clips.tell(closed(event))
    until(lambda: bool(watch.told))  # it does not wait for the end of the connection
    assert watch.clips.close(20)
    whole, clip = pictures(source), pictures(watch.file())
    first = 15 if kind == "mjpeg" else GOP  # the last key frame a second before the event at 2.5 s
    if kind == "open gop":  # pictures before the key frame that need those before it cannot be shown
        assert clip and clip == whole[whole.index(clip[0]) :][: len(clip)]
        assert abs(whole.index(clip[0]) - first) <= 3
    else:
        assert clip == whole[first : first + len(clip)]
    assert 38 <= whole.index(clip[-1]) <= 43  # event to 3.0 s, a second after it; B-frames are out of order
    with VideoReader(VideoSource("clip", watch.file(), "file")) as reader:
        times = [frame.time for frame in reader]
    assert np.allclose(np.diff(times), 1 / FPS)
    assert kind == "open gop" or not reader.info.damage
    assert not watch.lines


def test_pictures_of_the_peak_and_a_note_lie_beside_the_clip(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4")
    watch = Watch(tmp_path)
    grid = np.zeros((4, 6), np.float16)
    grid[1, 2] = 9
    event = notice(2.5, 3.0, peak=2.8)
    for number, _ in enumerate(feed(watch.ring, source, end=False)):
        if number == 35:
            watch.clips.tell(event, PeakMap(grid, 1.0, 9.0, (96, 64)))
    watch.clips.tell(closed(event))
    assert watch.clips.close(20)
    shown = cv2.imread(str(watch.file(suffix=".jpg")))
    assert nearest(watch.file(suffix=".jpg"), source) == 28 - DELAY
    heat = cv2.imread(str(watch.file(suffix="").with_name("0123456789abcdef-heat.jpg")))
    assert heat.shape == shown.shape and np.abs(heat.astype(int) - shown).mean() > 1
    written = json.loads(note_of(tmp_path).read_text())
    assert written["reviewed"] is False and written["id"] == event.id and written["change"] == "closed"
    place = peak_in_clip(note_of(tmp_path))
    shown_there = picture_at(watch.file(), place or 0.0)
    assert place == written["peak_in_clip_s"] and np.abs(shown_there.astype(int) - shown).mean() < 3
    write_note(note_of(tmp_path), event)
    assert peak_in_clip(note_of(tmp_path)) == place, "what is known of the peak stays when the note is written again"
    assert [each.change for each in watch.told] == ["updated"]
    assert written["files"] == dict(watch.told[0].files) == {
        "clip": "clips/gate/0123456789abcdef.mp4",
        "thumbnail": "clips/gate/0123456789abcdef.jpg",
        "heat": "clips/gate/0123456789abcdef-heat.jpg",
    }  # fmt: skip


def test_a_connection_that_ends_ends_the_clip_and_the_last_notice_has_the_peak(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4")
    watch = Watch(tmp_path)
    event = notice(2.5, 2.6)
    for number, _ in enumerate(feed(watch.ring, source)):
        if number == 33:
            watch.clips.tell(event)
            break
    watch.ring.end()
    watch.clips.tell(replace(closed(event, 3.2), peak_utc=UTC + 3.0))
    until(lambda: bool(watch.told))
    assert pictures(watch.file()) == pictures(source)[GOP:34]
    assert nearest(watch.file(suffix=".jpg"), source) == 30 - DELAY
    watch.clips.close(20)


def test_a_clip_of_a_connection_that_ended_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "_SILENT_S", 0.1)
    source = write_video(tmp_path / "source.mp4", frames=30)
    watch = Watch(tmp_path)
    play(watch.ring, source, end=False)
    watch.clips.tell(notice(2.5, 2.6))
    watch.ring.end()
    until(lambda: bool(watch.told))
    watch.clips.tell(closed(notice(2.5, 2.6)))
    watch.clips.close(20)
    assert json.loads(note_of(tmp_path).read_text())["change"] == "closed"


def test_a_camera_that_falls_silent_after_an_event_has_a_clip(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", frames=30)
    watch = Watch(tmp_path)
    play(watch.ring, source, end=False)
    watch.clips.tell(notice(2.5, 2.8))
    watch.clips.tell(closed(notice(2.5, 2.8)))  # long ago by the clock of the machine
    until(lambda: bool(watch.told))
    assert pictures(watch.file()) == pictures(source)[GOP:]


def test_an_event_of_the_connection_before_has_a_clip_of_that_one(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", frames=30)
    watch = Watch(tmp_path)
    play(watch.ring, source)
    play(watch.ring, source, utc=UTC + 3.5, end=False)
    watch.clips.tell(notice(2.5, 2.8))
    watch.clips.tell(closed(notice(2.5, 2.8)))
    until(lambda: bool(watch.told))
    assert pictures(watch.file()) == pictures(source)[GOP:]


def test_a_long_event_has_a_clip_of_its_beginning(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", frames=80)
    watch = Watch(tmp_path, ClipOptions(before=1.0, after=1.0, most=3.0))
    event = notice(2.5, 2.6)
    for number, _ in enumerate(feed(watch.ring, source, end=False)):
        if number == 30:
            watch.clips.tell(event)
        if number > 30:
            event = replace(event, change="updated", end_utc=UTC + number / FPS, end_s=number / FPS)
            watch.clips.tell(event)
    until(lambda: bool(watch.told))
    assert 3.0 <= len(pictures(watch.file())) / FPS <= 3.4
    watch.clips.close(20)


def test_nothing_is_kept_for_a_clip_that_is_complete(tmp_path: Path) -> None:
    """A camera runs for weeks: what one event leaves behind grows with every frame."""
    source = write_video(tmp_path / "source.mp4", frames=80)
    watch = Watch(tmp_path, ClipOptions(before=0.5, after=0.5))
    for number, _ in enumerate(feed(watch.ring, source, end=False)):
        if number == 20:
            watch.clips.tell(notice(1.5, 1.9))
            (reel,) = watch.ring._reels
            watch.clips.tell(closed(notice(1.5, 1.9)))
        if number == 40:
            until(lambda: bool(watch.told))
    assert reel.ended == "done" and not reel.take() and not watch.ring._reels
    assert watch.clips.close(20)


def kept() -> int:
    """Packets in the memory of this process."""
    gc.collect()
    return sum(type(each) is Encoded for each in gc.get_objects())


@pytest.mark.slow
def test_a_clip_of_an_event_that_nobody_is_told_of_any_more_ends(tmp_path: Path) -> None:
    """Somebody walks into a place that is ignored: what comes later of the event is held, and so is its end."""
    source, now = write_video(tmp_path / "source.mp4", frames=300), time.time()
    watch, before = Watch(tmp_path, ClipOptions(before=0.5, after=0.5)), kept()
    event = replace(closed(notice(1.5, 2.5, utc=now)), held="in a place that is ignored")
    for number, _ in enumerate(feed(watch.ring, source, utc=now, end=False)):
        if number == 20:
            watch.clips.tell(notice(1.5, 1.9, utc=now))
        if number == 28:
            watch.clips.tell(event)
        if number == 40:  # what comes later finds the clip complete
            until(lambda: bool(watch.told))
    assert pictures(watch.file()) == pictures(source)[GOP:31]
    assert json.loads(note_of(tmp_path).read_text())["held"] == event.held
    ring = sum(len(group.packets) for group in watch.ring._groups)
    assert kept() - before == ring < 150 and not watch.ring._reels
    assert watch.clips.close(20)


def test_notices_of_one_event_do_not_hold_up_the_clip_of_another(tmp_path: Path) -> None:
    source, now = write_video(tmp_path / "source.mp4"), time.time()
    watch = Watch(tmp_path)
    for number, _ in enumerate(feed(watch.ring, source, utc=now, end=False)):
        if number == 28:
            watch.clips.tell(notice(2.5, 2.8, utc=now))
            watch.clips.tell(closed(notice(2.5, 2.8, utc=now)))
            time.sleep(0.1)
    other, end = replace(notice(3.0, 3.1, name="b" * 16), change="updated"), time.monotonic() + PATIENCE
    while not watch.told:
        watch.clips.tell(other)
        time.sleep(0.02)
        assert time.monotonic() < end, "it waits for a moment in which nothing is told"
    assert watch.clips.close(20)


@pytest.mark.slow
@pytest.mark.parametrize("most_bytes", [1 << 20, 2000])
def test_an_event_that_is_not_updated_keeps_no_more_than_the_longest_clip(
    tmp_path: Path, most_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "_MOST_BYTES", most_bytes)
    monkeypatch.setattr(clips, "_LOOK_S", 0.01)
    source = write_video(tmp_path / "source.mp4", frames=300)
    watch, most = Watch(tmp_path, ClipOptions(before=0.5, after=0.5, most=3.0)), 0
    for number, _ in enumerate(feed(watch.ring, source, end=False)):
        if number == 20:
            watch.clips.tell(notice(1.5, 1.9))
        open_clips = list(watch.clips._open.values())
        most = max(most, sum(len(packet.data) for clip in open_clips for packet in clip._waiting))
        if number % 10 == 9:  # a camera does not hurry: the writer has taken what came
            until(lambda: not any(reel._packets for reel in watch.ring._reels))
    until(lambda: bool(watch.told))
    shown = pictures(watch.file())
    assert shown == pictures(source)[GOP : GOP + len(shown)] and 2.9 <= len(shown) / FPS <= 3.4
    assert not watch.ring._reels and (most_bytes > 2000 or most < 20_000)
    watch.clips.tell(closed(notice(1.5, 29.0)))
    assert watch.clips.close(20) and not watch.clips._done
    assert json.loads(note_of(tmp_path).read_text())["change"] == "closed"


def test_events_that_overlap_have_clips_of_their_own(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4")
    watch = Watch(tmp_path)
    events = [notice(2.5, 3.0, name="a" * 16), notice(2.9, 3.6, name="b" * 16)]
    for number, _ in enumerate(feed(watch.ring, source, end=False)):
        if number == 38:
            for event in events:
                watch.clips.tell(event)
        if number == 45:
            for event in events:
                watch.clips.tell(closed(event))
    assert watch.clips.close(20)
    whole = pictures(source)
    clips = [pictures(watch.file(event.id)) for event in events]
    assert all(clip == whole[GOP : GOP + len(clip)] for clip in clips) and len(clips[0]) < len(clips[1])


def test_a_full_disk_is_one_line_and_later_clips_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_video(tmp_path / "source.mp4")
    watch = Watch(tmp_path)
    real = PacketFile.write

    def full(self: PacketFile, packet: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(watch.file()))

    monkeypatch.setattr(PacketFile, "write", full)
    play(watch.ring, source, end=False)
    for name in "abc":
        watch.clips.tell(closed(notice(2.5, 3.0, name=name * 16)))
        watch.clips.tell(notice(2.5, 3.0, name=name * 16))
    until(lambda: watch.clips.failed == 3)
    assert len(watch.lines) == 1 and "No space left" in watch.lines[0]
    monkeypatch.setattr(PacketFile, "write", real)
    watch.clips.tell(notice(2.5, 3.0))
    assert watch.clips.close(20)
    assert [path.name for path in (tmp_path / "clips" / "gate").glob("*.mp4")] == ["0123456789abcdef.mp4"]
    assert not list((tmp_path / "clips" / "gate").glob(".*"))


def test_what_nobody_is_told_of_has_no_clip(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4")
    watch = Watch(tmp_path)
    play(watch.ring, source, end=False)
    watch.clips.tell(replace(notice(2.5, 3.0), held="the camera was moved"))
    watch.clips.tell(replace(notice(2.5, 3.0), kind="gap"))
    watch.clips.tell(replace(notice(2.5, 3.0), camera="another"))
    assert watch.clips.close(20) and not (tmp_path / "clips").exists()


def test_telling_returns_at_once_while_the_disk_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_video(tmp_path / "source.mp4")
    watch, free = Watch(tmp_path), threading.Event()
    monkeypatch.setattr(PacketFile, "write", lambda self, packet: free.wait(20))
    play(watch.ring, source, end=False)
    slowest = 0.0
    for number in range(20):
        begun = time.perf_counter()
        watch.clips.tell(notice(2.5, 3.0, name=f"{number:016x}"))
        slowest = max(slowest, time.perf_counter() - begun)
    free.set()
    assert slowest < 2, "the disk answers after twenty seconds"


def test_a_ring_is_bounded_in_seconds_and_begins_with_a_key_frame(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", frames=300)
    ring = PacketRing(1.0)
    play(ring, source, end=False)
    reel = ring.follow_after()
    assert reel is not None
    packets = reel.take()
    assert packets[0].key
    assert 1.0 + LATE_S <= packets[-1].time - packets[0].time <= 1.0 + LATE_S + 1.2
    assert ring.bytes == sum(len(packet.data) for packet in packets)


def test_a_ring_is_bounded_in_bytes(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", frames=100)
    with av.open(str(source)) as container:
        size = sum(packet.size for packet in container.demux(video=0))
    ring = PacketRing(10.0, max_bytes=size // 2)
    for _ in feed(ring, source, end=False):
        assert ring.bytes <= size // 2
    reel = ring.follow_after()
    assert reel is not None and reel.take()[0].key


def test_a_group_of_pictures_larger_than_the_ring_is_told_once(tmp_path: Path) -> None:
    lines: list[str] = []
    ring = PacketRing(10.0, max_bytes=1000, say=lines.append)
    for _ in feed(ring, write_video(tmp_path / "source.mp4")):
        assert ring.bytes <= 1000
    assert len(lines) == 1 and "key frame" in lines[0]


@pytest.mark.slow
@pytest.mark.parametrize(("keys", "told"), [(49, 0), (120, 1)], ids=["4.9 s", "12 s"])
def test_a_long_way_from_key_frame_to_key_frame_is_told_once(tmp_path: Path, keys: int, told: int) -> None:
    """The ring of a file says nothing: nobody can set it."""
    source = write_video(tmp_path / "source.mp4", frames=250, keys=keys)
    lines: list[str] = []
    for ring in (PacketRing(5.0, say=lines.append), PacketRing(5.0, say=lines.append, live=False)):
        play(ring, source)
        play(ring, source, utc=UTC + 60)
    assert len(lines) == told and all("key frames (I-frames) in the camera to 2 seconds" in line for line in lines)


def test_a_network_that_holds_pictures_up_says_nothing_about_key_frames(tmp_path: Path) -> None:
    source, lines = write_video(tmp_path / "source.mp4", frames=30, keys=30), list[str]()
    ring = PacketRing(5.0, say=lines.append)
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        ring.begin(stream)
        for number, packet in enumerate(packet for packet in container.demux(stream) if packet.size):
            if number > 10:
                packet.pts += round(8 / stream.time_base)
                packet.dts += round(8 / stream.time_base)
            ring.add(packet, UTC + packet.pts * float(stream.time_base))
    assert not lines


def test_a_reader_that_is_too_slow_loses_the_rest_and_nobody_else(tmp_path: Path) -> None:
    ring = PacketRing(1.0)
    packets = feed(ring, write_video(tmp_path / "source.mp4", frames=100))
    next(packets)
    slow, quick = ring.follow_after(), ring.follow_after()
    assert slow is not None and quick is not None
    slow._max_bytes = 4000
    for _ in packets:
        pass
    assert slow.ended == "slow" and sum(len(packet.data) for packet in slow.take()) <= 4000
    assert quick.ended == "lost" and len(quick.take()) == 100


def test_a_clock_that_jumps_ends_the_file(tmp_path: Path) -> None:
    ring = PacketRing(30.0)
    source = write_video(tmp_path / "source.mp4", frames=40)
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        ring.begin(stream)
        for number, packet in enumerate(packet for packet in container.demux(stream) if packet.size):
            if number >= 20:
                packet.pts += 10_000_000
                packet.dts += 10_000_000
            ring.add(packet, UTC + number / FPS)
    old, new = ring.follow(UTC + 0.5), ring.follow(UTC + 2.5)
    assert old is not None and new is not None
    assert old.ended and not new.ended
    assert len(old.take()) == 20 and len(new.take()) == 20


def test_raw_pictures_are_refused_in_one_line() -> None:
    lines: list[str] = []
    ring = PacketRing(1.0, say=lines.append)
    for _ in range(2):
        with av.open("testsrc=size=64x48:rate=10:duration=1", format="lavfi") as container:
            ring.begin(container.streams.video[0])
            for packet in container.demux(video=0):
                ring.add(packet, UTC)
    assert len(lines) == 1 and "not encoded" in lines[0] and ring.follow_after() is None


@pytest.mark.slow
@pytest.mark.parametrize("fragmented", [False, True])
@pytest.mark.parametrize("stamps", ["all", "no dts", "equal dts", "offset", "first pts missing"])
def test_a_packet_file_keeps_stamps_and_pictures(tmp_path: Path, stamps: str, fragmented: bool) -> None:
    """Whatever decoding stamps a source has, pictures and their distances in time are those of the source."""
    source = write_video(tmp_path / "source.mp4")
    ring = PacketRing(100.0)
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        ring.begin(stream)
        for number, packet in enumerate(packet for packet in container.demux(stream) if packet.size):
            if stamps == "no dts":
                packet.dts = None
            elif stamps == "equal dts":
                packet.dts = packet.pts
            elif stamps == "offset":
                packet.pts, packet.dts = packet.pts + 777_777, packet.dts + 777_777
            elif stamps == "first pts missing" and not number:
                packet.pts = packet.dts = None
            ring.add(packet, UTC + number / FPS)
    reel = ring.follow_after()
    assert reel is not None
    file = PacketFile(tmp_path / "copy.mp4", reel.parameters, fragmented)
    for encoded in reel.take():
        file.write(encoded)
    file.close()
    assert pictures(tmp_path / "copy.mp4") == pictures(source)
    assert b"elst" not in (tmp_path / "copy.mp4").read_bytes()  # an edit list could hide pictures
    for number in (9, 19, 28, 29, 30):  # one can begin anywhere
        with VideoReader(VideoSource("copy", tmp_path / "copy.mp4", "file"), start=number / FPS - 0.01) as later:
            assert stamps == "first pts missing" or next(iter(later)).time == pytest.approx(number / FPS)
    with (
        VideoReader(VideoSource("copy", tmp_path / "copy.mp4", "file")) as copy,
        VideoReader(VideoSource("source", source, "file")) as original,
    ):
        there, here = [frame.time for frame in copy], [frame.time for frame in original]
    if stamps == "first pts missing":
        there, here = there[1:], here[1:]
        assert np.allclose(np.array(there) - there[0], np.array(here) - here[0])
    else:
        assert there == here
    assert not copy.info.damage and not copy.info.notes


def test_a_file_that_begins_with_an_open_group_of_pictures_shows_what_the_camera_showed(tmp_path: Path) -> None:
    """Pictures that come after the key frame and are shown before it are neither lost nor added."""
    ring = PacketRing(100.0)
    play(ring, write_video(tmp_path / "source.mp4", "open gop"), end=False)
    reel = ring.follow_after(GOP + 5)
    assert reel is not None
    packets = reel.take()
    assert packets[0].key and min(packet.pts or 0 for packet in packets) < (packets[0].pts or 0)
    file = PacketFile(tmp_path / "copy.mp4", reel.parameters)
    with av.open(str(tmp_path / "source.mp4")) as container:
        decoder = container.streams.video[0].codec_context
        shown = []
        for packet in packets:
            file.write(packet)
            own = av.Packet(packet.data)
            own.pts, own.dts = packet.pts, packet.dts
            shown += decoder.decode(own)
        shown += decoder.decode(None)
    file.close()
    with VideoReader(VideoSource("copy", tmp_path / "copy.mp4", "file")) as reader:
        frames = list(reader)
    assert len(frames) == len(shown)
    base = float(reel.parameters.time_base)
    stamps = [float(picture.pts or 0) * base for picture in shown]
    assert np.allclose(np.diff([frame.time for frame in frames]), np.diff(stamps))


def test_a_camera_that_sends_parameter_sets_with_its_key_frames_only(tmp_path: Path) -> None:
    """As cameras do over RTSP: packets with start codes, and no parameter sets in the header."""
    source = write_video(tmp_path / "source.h264")
    with av.open(str(source)) as container:
        parameters = StreamParameters(container.streams.video[0])
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    parameters.extradata = None
    ring = PacketRing(100.0)
    with av.open(str(source)) as container:
        ring.begin(container.streams.video[0])
        play(ring, source, end=False)
    reel = ring.follow_after()
    assert reel is not None and len(packets) == 60
    file = PacketFile(tmp_path / "copy.mp4", parameters)
    for encoded in reel.take():
        file.write(encoded)
    file.close()
    assert pictures(tmp_path / "copy.mp4") == pictures(source)


def test_the_scale_of_heat_follows_the_calm_frames() -> None:
    info = VideoInfo("gate", "", 96, 64, 10.0)

    def piece(first: int, score: list[float], maps: np.ndarray) -> FrameScores:
        count = len(score)
        frames = np.arange(first, first + count)
        return FrameScores("gate", frames, frames / 10, {}, np.array(score), info, map=maps.astype(np.float16))

    peaks = PeakMaps()
    calm = np.full((100, 2, 3), 1.0)
    peaks.push(piece(0, [1.0] * 100, calm), threshold=4.0)
    assert peaks.at(0.0) is None
    high = np.full((2, 2, 3), 1.0)
    high[1, 0, 0] = 8.0
    peaks.push(piece(100, [4.5, 6.0], high), threshold=4.0)
    found = peaks.at(10.1)
    assert found is not None and (found.low, found.high) == (1.0, 8.0)
    grey = np.full((64, 96, 3), 100, np.uint8)
    drawn = found.draw(grey, None)
    change = np.abs(drawn.astype(int) - grey)
    assert change[48:, 64:].max() <= 1 and change[:16, :16].max() > 50
    peaks.clear()
    assert peaks.at(10.1) is None
