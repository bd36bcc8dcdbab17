"""Continuous recording: segments without a hole, whole after a kill, and within their limits."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from media import GOP, UTC, feed, notice, pictures, play, write_video
from patience import until

from oddframe.errors import SpaceError
from oddframe.live import packets, recording
from oddframe.live.clips import write_note
from oddframe.live.limits import KeepLimits, begun, prune, segment_name
from oddframe.live.packets import PacketFile
from oddframe.live.recording import Recorder, RecordOptions, complete_bytes, repair
from oddframe.live.ring import PacketRing


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_LOOK_S", 0.02)


def segments(out: Path) -> list[Path]:
    return sorted((out / "recordings" / "gate").glob("*"))


def test_segments_hold_every_frame_once_and_are_named_by_their_time(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", frames=80)
    ring = PacketRing(1.0)
    recorder = Recorder(tmp_path, {"gate": ring}, {"gate": RecordOptions(segment_s=2.0)})
    play(ring, source, end=False)
    until(lambda: recorder.written == 3)
    assert [path.name for path in segments(tmp_path)][-1].endswith(".part.mp4")
    assert recorder.close(20)
    whole = pictures(source)
    assert [pictures(path) for path in segments(tmp_path)] == [whole[n : n + 2 * GOP] for n in (0, 20, 40, 60)]
    assert [begun(path.name) for path in segments(tmp_path)] == [UTC, UTC + 2, UTC + 4, UTC + 6]


def test_a_connection_that_is_lost_ends_the_segment_and_the_next_begins_one(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", frames=30)
    ring, lines = PacketRing(1.0), list[str]()
    recorder = Recorder(tmp_path, {"gate": ring}, {"gate": RecordOptions()}, lines.append)
    play(ring, source)
    until(lambda: recorder.written == 1)
    play(ring, source, utc=UTC + 100, end=False)
    assert recorder.close(20)
    assert [pictures(path) for path in segments(tmp_path)] == [pictures(source)] * 2 and not lines


def test_after_a_hole_nothing_is_written_twice(tmp_path: Path) -> None:
    source, lines = write_video(tmp_path / "source.mp4", frames=60), list[str]()
    ring = PacketRing(1.0)
    recorder = Recorder(tmp_path, {"gate": ring}, {"gate": RecordOptions()}, lines.append)
    kept = recorder._recordings["gate"]
    for number, _ in enumerate(feed(ring, source, end=False)):
        if number == 24:
            until(lambda: kept._written == 25)
            assert kept._reel is not None
            kept._reel.end("slow")
            until(lambda: bool(lines))
    assert recorder.close(20)
    whole = pictures(source)
    first, second = [pictures(path) for path in segments(tmp_path)]
    assert first[:20] == whole[:20] and second == whole[30:] and not set(first) & set(second)
    assert lines == ["gate: the recording has a gap, because the disk is too slow for it"]


DIES = """
import sys, time
from pathlib import Path
from media import feed
from oddframe.live import recording
from oddframe.live.recording import Recorder, RecordOptions
from oddframe.live.ring import PacketRing
recording._LOOK_S = 0.02
ring = PacketRing(1.0)
recorder = Recorder(Path(sys.argv[1]), {"gate": ring}, {"gate": RecordOptions(segment_s=100.0)})
for number, _ in enumerate(feed(ring, Path(sys.argv[2]), end=False)):
    if number >= 55:
        break
time.sleep(60)
"""


def test_what_a_killed_process_leaves_can_be_played_and_is_kept(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", frames=60)
    start = f"import sys; sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}\n"
    process = subprocess.Popen([sys.executable, "-c", start + DIES, str(tmp_path), str(source)])
    until(lambda: bool(segments(tmp_path)) and complete_bytes(segments(tmp_path)[0]) > 0)
    process.kill()
    process.wait()
    (left,) = segments(tmp_path)
    assert ".part." in left.name and pictures(left)  # before it is repaired
    foreign = tmp_path / "recordings" / "gate" / "holiday.part.mp4"
    foreign.write_bytes(b"mine")
    with left.open("ab") as file:
        file.write((1000).to_bytes(4, "big") + b"moof" + b"torn")
    assert [path.name for path in repair(tmp_path / "recordings" / "gate")] == [left.name.replace(".part", "")]
    assert complete_bytes(segments(tmp_path)[0]) == segments(tmp_path)[0].stat().st_size
    there = pictures(segments(tmp_path)[0])
    assert len(there) >= GOP and there == pictures(source)[: len(there)] and foreign.read_bytes() == b"mine"


def test_a_segment_without_a_picture_is_removed_at_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "recordings" / "gate"
    folder.mkdir(parents=True)
    empty = folder / f"{segment_name(UTC)}.part.mp4"
    empty.write_bytes(b"\0\0\0\x10ftypisom")
    recorder = Recorder(tmp_path, {"gate": PacketRing(1.0)}, {"gate": RecordOptions()})
    until(lambda: not empty.exists())
    assert recorder.close(20) and not list(folder.iterdir())


def test_a_full_disk_is_one_line_and_recording_goes_on_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_WAIT_S", 0.05)
    source, lines = write_video(tmp_path / "source.mp4"), list[str]()
    real = PacketFile.write

    def full(self: PacketFile, packet: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "there")

    monkeypatch.setattr(PacketFile, "write", full)
    ring = PacketRing(1.0)
    recorder = Recorder(tmp_path, {"gate": ring}, {"gate": RecordOptions()}, lines.append)
    play(ring, source, end=False)
    until(lambda: bool(lines))
    time.sleep(0.3)
    monkeypatch.setattr(PacketFile, "write", real)
    until(lambda: any(path.stat().st_size > 1000 for path in segments(tmp_path)))
    assert recorder.close(20)
    assert len(lines) == 1 and "not recorded" in lines[0] and "No space left" in lines[0]
    assert pictures([path for path in segments(tmp_path) if ".part." not in path.name][-1]) == pictures(source)


def kept_files(out: Path) -> set[str]:
    return {path.name for path in out.rglob("*") if path.is_file()}


def a_segment(out: Path, day: float, size: int = 1000) -> Path:
    utc = UTC + 86_400 * day
    path = out / "recordings" / "gate" / f"{segment_name(utc)}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (utc + 300, utc + 300))
    return path


def a_clip(out: Path, day: float, name: str, reviewed: bool, size: int = 1000) -> Path:
    path = out / "clips" / "gate" / f"{name * 16}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    path.with_name(f"{name * 16}-heat.jpg").write_bytes(b"x")
    note = path.with_suffix(".json")
    write_note(note, notice(10.0, 20.0, name=name * 16, utc=UTC + 86_400 * day))
    if reviewed:
        note.write_text(json.dumps({**json.loads(note.read_text()), "reviewed": True}))
    return path


def test_the_oldest_go_first_and_what_nobody_has_reviewed_goes_last(tmp_path: Path) -> None:
    old_clip, seen_clip = a_clip(tmp_path, 0, "a", reviewed=False), a_clip(tmp_path, 1, "b", reviewed=True)
    shows = a_segment(tmp_path, 0)  # the event of the first clip
    later = [a_segment(tmp_path, day) for day in (0.5, 2, 3)]
    order = []
    for gigabytes in (5.9e-6, 4.9e-6, 3.9e-6, 3.0e-6, 2.0e-6, 1.0e-6, 0.0):
        removed = prune(tmp_path, "gate", KeepLimits(gigabytes=gigabytes))
        order += [path.name for path in removed if path.suffix == ".mp4"]
    wanted = [later[0], seen_clip, later[1], later[2], shows, old_clip]
    assert order[:4] == [path.name for path in wanted[:4]] and set(order[4:]) == {shows.name, old_clip.name}
    assert not kept_files(tmp_path)


def test_a_limit_in_days_holds_for_everything(tmp_path: Path) -> None:
    a_clip(tmp_path, 0, "a", reviewed=False)
    kept = [a_segment(tmp_path, 0), a_segment(tmp_path, 2), a_clip(tmp_path, 2, "b", reviewed=True)][1:]
    prune(tmp_path, "gate", KeepLimits(days=1.5), now=UTC + 3 * 86_400)
    assert {path.name for path in kept} == {name for name in kept_files(tmp_path) if name.endswith(".mp4")}
    assert prune(tmp_path, "gate", KeepLimits()) == []


def test_nothing_of_others_is_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(b"x" * 1000)
    folder = a_segment(tmp_path, 0).parent
    clips = a_clip(tmp_path, 0, "a", reviewed=True).parent
    foreign = [folder / "holiday.mp4", folder / "20250101T000000.000Z.mp4.txt", clips / "notes.json", clips / "A.mp4"]
    for path in foreign:
        path.write_bytes(b"mine")
    (folder / f"{segment_name(UTC - 86_400)}.mp4").symlink_to(outside)
    (folder / f"{segment_name(UTC - 2 * 86_400)}.mp4").mkdir()
    other = tmp_path / "recordings" / "another"
    other.mkdir()
    (other / f"{segment_name(UTC)}.mp4").write_bytes(b"x")
    prune(tmp_path, "gate", KeepLimits(days=0, gigabytes=0))
    assert all(path.exists() for path in foreign) and outside.exists()
    assert (other / f"{segment_name(UTC)}.mp4").exists() and len(list(folder.iterdir())) == 4


def test_a_folder_that_is_a_link_is_left_alone(tmp_path: Path) -> None:
    elsewhere = a_segment(tmp_path / "elsewhere", 0).parent
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "gate").symlink_to(elsewhere)
    assert prune(tmp_path, "gate", KeepLimits(gigabytes=0)) == [] and len(list(elsewhere.iterdir())) == 1


def test_a_running_recorder_keeps_within_its_limit(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", frames=100)
    ring = PacketRing(1.0)
    size = source.stat().st_size
    recorder = Recorder(
        tmp_path, {"gate": ring}, {"gate": RecordOptions(segment_s=1.0, limits=KeepLimits(gigabytes=size / 2 / 1e9))}
    )
    for number, _ in enumerate(feed(ring, source)):
        if number % 10 == 9:  # the recorder keeps up
            until(lambda number=number: recorder.written >= number // 10 - 1)
    until(lambda: recorder.written >= 8)
    assert recorder.close(20)
    assert 0 < sum(path.stat().st_size for path in segments(tmp_path)) <= size / 2
    assert all(begun(path.name) is not None for path in segments(tmp_path))
    assert (begun(segments(tmp_path)[-1].name) or 0.0) >= UTC + 8


def test_a_clip_that_was_reviewed_stays_so(tmp_path: Path) -> None:
    path = a_clip(tmp_path, 0, "a", reviewed=True).with_suffix(".json")
    write_note(path, replace(notice(10.0, 20.0), change="closed"))
    assert json.loads(path.read_text())["reviewed"] is True


class Full:
    """A disk with so much room for every file."""

    def __init__(self, room: int) -> None:
        self.room = room

    def limit(self, file: packets._Written) -> None:
        plain, disk, used = file._file, self, 0

        class Limited:
            def write(self, data: memoryview) -> int:
                nonlocal used
                fits = min(len(data), disk.room - used)
                if fits <= 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                used += fits
                return plain.write(data[:fits])

            def __getattr__(self, name: str) -> object:
                return getattr(plain, name)

        file._file = Limited()  # type: ignore[assignment]


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Full:
    disk, begin = Full(1 << 40), packets._Written.__init__

    def limited(self: packets._Written, path: Path) -> None:
        begin(self, path)
        disk.limit(self)

    monkeypatch.setattr(packets._Written, "__init__", limited)
    return disk


def test_a_full_disk_is_told_and_leaves_what_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: Full) -> None:
    monkeypatch.setattr(recording, "_WAIT_S", 0.05)
    source, lines = write_video(tmp_path / "source.mp4", frames=80), list[str]()
    full.room = source.stat().st_size // 2
    ring = PacketRing(60.0)
    recorder = Recorder(tmp_path, {"gate": ring}, {"gate": RecordOptions(segment_s=100.0)}, lines.append)
    play(ring, source)
    until(lambda: bool(lines))
    full.room = 1 << 40
    play(ring, source, utc=UTC + 100)
    until(lambda: recorder.written > 0)
    assert recorder.close(20)
    whole, found = pictures(source), segments(tmp_path)
    assert len(lines) == 1 and os.strerror(errno.ENOSPC) in lines[0]
    assert found and not any(".part." in path.name for path in found)
    assert all(complete_bytes(path) <= path.stat().st_size for path in found)
    first = pictures(found[0])
    assert GOP <= len(first) < 80 and first == whole[: len(first)]
    assert pictures(found[-1]) == whole


@pytest.mark.parametrize("fragmented", [True, False])
def test_a_write_that_ffmpeg_does_not_report_is_an_error(tmp_path: Path, full: Full, fragmented: bool) -> None:
    source = write_video(tmp_path / "source.mp4", frames=60)
    full.room = 4000
    ring = PacketRing(60.0)
    play(ring, source)
    reel = ring.follow_after(0)
    assert reel is not None
    file = PacketFile(tmp_path / "out.mp4", reel.parameters, fragmented)

    def write() -> None:
        assert reel is not None
        for packet in reel.take():
            file.write(packet)
        file.close()

    with pytest.raises(SpaceError, match=r"out\.mp4: "):
        write()
    file.discard()
