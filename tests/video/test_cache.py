from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from power_cuts import PowerCuts

import oddframe.video.cache as cache_module
from oddframe import disk
from oddframe.errors import InputError, SpaceError
from oddframe.locks import Lock
from oddframe.places import default_cache_root
from oddframe.types import Window
from oddframe.video.cache import build_cache
from oddframe.video.decode import Frame, VideoReader
from oddframe.video.identity import content_key
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource

WINDOW = Window(offsets=(0,), size=(24, 36))


@pytest.fixture
def videos(tmp_path: Path, video_tools: Any) -> list[VideoSource]:
    """Three videos of 5, 6 and 7 frames and different content."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for n in range(3):
        images = [video_tools.numbered(10 * n + k, 48, 72) for k in range(5 + n)]
        video_tools.write_video(folder / f"{n}.mkv", images)
    return find_videos(folder)


def test_cached_frames_are_the_decoded_ones(videos: list[VideoSource], tmp_path: Path) -> None:
    cached, skipped = build_cache(videos, WINDOW, tmp_path / "cache", workers=2)
    assert skipped == []
    assert [video.source for video in cached] == videos
    for video in cached:
        with VideoReader(video.source, WINDOW.size) as reader:
            frames = list(reader)
        assert np.array_equal(video.frames, np.stack([frame.image for frame in frames]))
        assert video.time.tolist() == [frame.time for frame in frames]
        assert video.info == replace(reader.info, key=content_key(video.source))
    with pytest.raises(ValueError, match="read-only"):
        cached[0].frames[0] = 0


def test_the_second_time_nothing_is_decoded(
    videos: list[VideoSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = build_cache(videos, WINDOW, tmp_path / "cache", workers=1)
    monkeypatch.setattr(cache_module, "VideoReader", None)
    monkeypatch.setattr(cache_module, "probe", None)
    moved = videos[0].path.rename(tmp_path / "elsewhere.mkv")
    again, _ = build_cache([VideoSource("new name", moved, "file"), *videos[1:]], WINDOW, tmp_path / "cache", workers=1)
    assert again[0].info == replace(first[0].info, name="new name", path=str(moved))
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(first, again, strict=True))


def test_size_colour_interpolation_and_content_make_separate_entries(
    videos: list[VideoSource], tmp_path: Path, video_tools: Any
) -> None:
    root = tmp_path / "cache"
    ways = [
        WINDOW,
        replace(WINDOW, size=(12, 36)),
        replace(WINDOW, colour="gray"),
        replace(WINDOW, colour="rgb"),
        replace(WINDOW, resize="area"),
    ]
    shapes = [build_cache(videos[:1], way, root, workers=1)[0][0].frames.shape for way in ways]
    assert shapes == [(5, 24, 36, 3), (5, 12, 36, 3), (5, 24, 36, 1), (5, 24, 36, 3), (5, 24, 36, 3)]
    assert len(os.listdir(root)) == 5
    build_cache(videos[:1], replace(WINDOW, offsets=(-3, 0, 3), context=(1,)), root, workers=1)
    assert len(os.listdir(root)) == 5, "what a window looks at does not change its frames"
    video_tools.write_video(videos[0].path, [video_tools.numbered(63, 48, 72)] * 5)
    changed, _ = build_cache(videos[:1], WINDOW, root, workers=1)
    assert len(os.listdir(root)) == 6
    assert video_tools.number_of(changed[0].frames[0]) == 63


def test_frame_folders_are_cached_and_told_apart(tmp_path: Path) -> None:
    for name, grey in (("a", 50), ("b", 60)):
        (tmp_path / "sets" / name).mkdir(parents=True)
        for n in range(6):
            cv2.imwrite(str(tmp_path / "sets" / name / f"{n}.bmp"), np.full((30, 40, 3), grey + n, np.uint8))
    cached, _ = build_cache(find_videos(tmp_path / "sets"), WINDOW, tmp_path / "cache", workers=1)
    assert [video.frames[:, 3, 3, 0].tolist() for video in cached] == [list(range(50, 56)), list(range(60, 66))]


@pytest.mark.parametrize("changed", [range(11, 19), range(17, 18), range(39, 40)])
def test_images_changed_in_place_are_decoded_again(tmp_path: Path, video_tools: Any, changed: range) -> None:
    """All images have one size, as those of Ped2 have, and their times are put back."""
    folder = tmp_path / "sets" / "cam"
    folder.mkdir(parents=True)

    def write(frame: int, number: int) -> None:
        cv2.imwrite(str(folder / f"{frame:03}.bmp"), video_tools.numbered(number, 48, 72))
        os.utime(folder / f"{frame:03}.bmp", (1, 1))

    for frame in range(40):
        write(frame, frame)
    build_cache(find_videos(folder), WINDOW, tmp_path / "cache", workers=1)
    for frame in changed:
        write(frame, 63 - frame)
    cached, _ = build_cache(find_videos(folder), WINDOW, tmp_path / "cache", workers=1)
    expected = [63 - frame if frame in changed else frame for frame in range(40)]
    assert [video_tools.number_of(np.array(image)) for image in cached[0].frames] == expected


def test_a_few_bytes_changed_in_a_file_make_another_entry(
    videos: list[VideoSource], tmp_path: Path, video_tools: Any
) -> None:
    path, root = videos[0].path, tmp_path / "cache"
    before = path.stat()
    build_cache(videos[:1], WINDOW, root, workers=1)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    build_cache(videos[:1], WINDOW, root, workers=1)
    assert len(os.listdir(root)) == 2


def test_broken_videos_are_skipped_with_the_reason(videos: list[VideoSource], tmp_path: Path) -> None:
    empty = tmp_path / "videos" / "empty.mp4"
    empty.write_bytes(b"")
    gone = VideoSource("gone", tmp_path / "gone.mp4", "file")
    sources = [gone, *find_videos(tmp_path / "videos")]
    cached, skipped = build_cache(sources, WINDOW, tmp_path / "cache", workers=1)
    assert [video.source.name for video in cached] == ["0", "1", "2"]
    assert [source.name for source, _ in skipped] == ["gone", "empty"]
    assert "No such file" in skipped[0][1]
    assert "the file is empty" in skipped[1][1]


def test_the_same_video_twice_is_decoded_once(videos: list[VideoSource], tmp_path: Path) -> None:
    copy = tmp_path / "copy.mkv"
    copy.write_bytes(videos[0].path.read_bytes())
    cached, _ = build_cache([videos[0], VideoSource("copy", copy, "file")], WINDOW, tmp_path / "cache", workers=2)
    assert [video.info.name for video in cached] == ["0", "copy"]
    assert len(os.listdir(tmp_path / "cache")) == 1


def test_progress_ends_with_everything(videos: list[VideoSource], tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    build_cache(videos, WINDOW, tmp_path / "cache", workers=1, progress=lambda *state: seen.append(state))
    assert seen[-1] == (18, 18)
    assert all(0 <= done <= total == 18 for done, total in seen)


def test_too_little_space_is_found_before_anything_is_written(
    videos: list[VideoSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    need = 18 * 24 * 36 * 3
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: usage(0, 0, need + cache_module._SPARE - 1))
    with pytest.raises(SpaceError, match=r"3 videos need 0\.05 MB.*ODDFRAME_CACHE"):
        build_cache(videos, WINDOW, tmp_path / "cache", workers=1)
    assert not (tmp_path / "cache").exists()
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: usage(0, 0, need + cache_module._SPARE))
    assert len(build_cache(videos, WINDOW, tmp_path / "cache", workers=1)[0]) == 3


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), ZeroDivisionError()])
def test_a_failure_half_way_leaves_no_corpse(
    videos: list[VideoSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    class Failing(VideoReader):
        def _frames(self, first: Any) -> Iterator[Frame]:  # type: ignore[override]
            frames = super()._frames(first)
            yield next(frames)
            raise failure

    monkeypatch.setattr(cache_module, "VideoReader", Failing)
    expected = SpaceError if isinstance(failure, OSError) else ZeroDivisionError
    with pytest.raises(expected):
        build_cache(videos, WINDOW, tmp_path / "cache", workers=1)
    assert not (tmp_path / "cache").exists()


def test_an_interrupt_calls_the_workers_off(videos: list[VideoSource], tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_cache(videos, WINDOW, tmp_path / "cache", workers=2, progress=interrupt)
    assert not list(tmp_path.glob("cache/.*"))


def _flip(path: Path) -> None:
    """One bit in the middle of a file; its time is put back, as a failing disk does not change it."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _longer(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(24 * 36 * 3))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _file_instead(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.write_bytes(b"?")


def _link_instead(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.symlink_to("nowhere")


def _of_older_version(path: Path) -> None:
    about = json.loads(path.read_text())
    path.write_text(json.dumps({"shape": about["shape"], "info": about["info"]}))


FILES = ("frames.u8", "time.npy", "info.json")
DAMAGES: dict[str, Callable[[Path], object]] = {
    **{f"{name} cut off": lambda entry, name=name: os.truncate(entry / name, 100) for name in FILES},  # type: ignore[misc]
    **{f"{name} empty": lambda entry, name=name: os.truncate(entry / name, 0) for name in FILES},  # type: ignore[misc]
    **{f"{name} gone": lambda entry, name=name: (entry / name).unlink() for name in FILES},  # type: ignore[misc]
    **{f"{name} a folder": lambda entry, name=name: _folder(entry / name) for name in FILES},  # type: ignore[misc]
    **{f"a bit of {name}": lambda entry, name=name: _flip(entry / name) for name in FILES},  # type: ignore[misc]
    "frames.u8 longer": lambda entry: _longer(entry / "frames.u8"),
    "info.json []": lambda entry: (entry / "info.json").write_text("[]"),
    "info.json {": lambda entry: (entry / "info.json").write_text("{"),
    "info.json deep": lambda entry: (entry / "info.json").write_text("[" * 100_000),
    "info.json old": lambda entry: _of_older_version(entry / "info.json"),
    "a file in its place": _file_instead,
    "a link to nowhere in its place": _link_instead,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_built_again(tmp_path: Path, video_tools: Any, damage: str) -> None:
    video_tools.write_video(tmp_path / "v.mkv", [video_tools.numbered(k, 48, 72) for k in range(5)])
    videos, root = find_videos(tmp_path / "v.mkv"), tmp_path / "cache"
    before = build_cache(videos, WINDOW, root, workers=1)[0][0]
    frames, seconds = before.frames.copy(), before.time.copy()
    (entry,) = root.iterdir()
    DAMAGES[damage](entry)
    cached, skipped = build_cache(videos, WINDOW, root, workers=1)
    assert (len(cached), skipped, list(root.iterdir())) == (1, [], [entry])
    assert np.array_equal(cached[0].frames, frames) and np.array_equal(cached[0].time, seconds)


def test_after_a_power_cut_at_any_step_an_entry_is_whole_or_built_again(
    tmp_path: Path, video_tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_tools.write_video(tmp_path / "v.mkv", [video_tools.numbered(k, 48, 72) for k in range(3)])
    videos, disk = find_videos(tmp_path / "v.mkv"), tmp_path / "disk"
    disk.mkdir()
    cuts = PowerCuts(disk)
    with cuts.watching(monkeypatch):
        frames = build_cache(videos, WINDOW, disk, workers=1)[0][0].frames.copy()
    whole = 0
    for left in cuts.all_left(tmp_path / "left"):
        whole += any(cache_module._load(path, videos[0]) is not None for path in left.iterdir() if path.name[0] != ".")
        cached, skipped = build_cache(videos, WINDOW, left, workers=1)
        assert skipped == [] and np.array_equal(cached[0].frames, frames)
        assert len(os.listdir(left)) == 1
    assert 0 < whole < 2 * len(cuts.moments)


def test_frames_are_read_for_their_checksum_only_after_they_changed_from_outside(
    videos: list[VideoSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, whole = tmp_path / "cache", cache_module._crc_of_file
    read: list[Path] = []

    def noted(path: Path) -> int:
        read.append(path)
        return whole(path)

    monkeypatch.setattr(cache_module, "_crc_of_file", noted)
    build_cache(videos, WINDOW, root, workers=1)
    build_cache(videos, WINDOW, root, workers=1)
    assert read == []
    copy = shutil.copytree(root, tmp_path / "copy")
    monkeypatch.setattr(cache_module, "VideoReader", None)
    for _ in range(2):
        assert len(build_cache(videos, WINDOW, copy, workers=1)[0]) == 3
        assert len(read) == 3, "once"


def test_leftovers_of_killed_builds_are_removed_and_those_of_living_ones_stay(
    videos: list[VideoSource], tmp_path: Path
) -> None:
    root = tmp_path / "cache"
    dead, alive = root / f".building-{0:032x}", root / f".building-{1:032x}"
    for part in (dead, alive):
        part.mkdir(parents=True)
        (part / "frames.u8").write_bytes(b"x")
    lock = Lock(alive, folder=True)
    build_cache(videos, WINDOW, root, workers=1)
    assert (dead.exists(), alive.exists()) == (False, True)
    lock.release()
    (root / "keys").mkdir()
    (root / "keys" / f".{0:016x}.{0:08x}.part").write_bytes(b"x")
    shutil.rmtree(next(path for path in root.iterdir() if not path.name.startswith(".") and path.name != "keys"))
    build_cache(videos, WINDOW, root, workers=1)
    assert not alive.exists()
    assert os.listdir(root / "keys") == []


def test_a_root_that_cannot_be_written_is_refused(videos: list[VideoSource], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="frame cache cannot be written"):
        build_cache(videos, WINDOW, tmp_path / "file" / "cache", workers=1)


def test_a_cached_video_travels_to_other_processes_without_its_frames(
    videos: list[VideoSource], tmp_path: Path
) -> None:
    video = build_cache(videos, replace(WINDOW, size=(240, 360)), tmp_path / "cache", workers=1)[0][2]
    sent = pickle.dumps(video)
    assert len(sent) < 2000
    received = pickle.loads(sent)
    assert received.info == video.info
    assert np.array_equal(received.frames, video.frames)


# A script without a `__main__` guard, as people write them.
SCRIPT = """
import sys
from pathlib import Path
from oddframe.types import Window
from oddframe.video.cache import build_cache
from oddframe.video.search import find_videos
cached, skipped = build_cache(find_videos(sys.argv[1]), Window((0,), (24, 36)), Path(sys.argv[2]), workers=2)
print(sum(int(video.frames.sum()) for video in cached), skipped)
"""


@pytest.mark.slow
def test_two_scripts_may_build_the_same_cache_at_once(videos: list[VideoSource], tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(tmp_path / "videos"), str(tmp_path / "cache")]
    source = str(Path(cache_module.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": source}
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    answers = [run.communicate(timeout=120) for run in runs]
    assert [error for _, error in answers] == ["", ""]
    assert answers[0] == answers[1]
    expected = sum(int(video.frames.sum()) for video in build_cache(videos, WINDOW, tmp_path / "cache", workers=1)[0])
    assert answers[0][0].split() == [str(expected), "[]"]
    assert len(os.listdir(tmp_path / "cache")) == 3


def test_the_loser_of_a_race_uses_the_winners_frames(
    videos: list[VideoSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "cache"

    class Slow(VideoReader):
        def _frames(self, first: Any) -> Iterator[Frame]:  # type: ignore[override]
            monkeypatch.setattr(cache_module, "VideoReader", VideoReader)
            # Somebody else, in the meantime; who wants the very same videos would wait.
            build_cache(videos[:2], WINDOW, root, workers=1)
            yield from super()._frames(first)

    monkeypatch.setattr(cache_module, "VideoReader", Slow)
    cached, skipped = build_cache(videos[:1], WINDOW, root, workers=1)
    assert (len(cached), skipped) == (1, [])
    assert len(os.listdir(root)) == 2


class Deadly(VideoSource):
    """Ends the process that unpickles it."""

    def __init__(self, source: VideoSource) -> None:
        super().__init__(source.name, source.path, source.kind)

    def __reduce__(self) -> tuple[Any, ...]:
        return signal.raise_signal, (signal.SIGSEGV,)


@pytest.mark.slow
def test_a_video_that_kills_its_worker_is_skipped_and_the_others_are_cached(
    videos: list[VideoSource], tmp_path: Path
) -> None:
    cached, skipped = build_cache([videos[0], Deadly(videos[1]), videos[2]], WINDOW, tmp_path / "cache", workers=2)
    assert [video.source.name for video in cached] == ["0", "2"]
    [(source, reason)] = skipped
    assert (source.name, reason) == ("1", f"{source.path}: the process that worked on it was killed 2 times (SIGSEGV)")
    assert not list((tmp_path / "cache").glob(".*"))


def test_the_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "here"))
    assert default_cache_root() == tmp_path / "here"
    monkeypatch.delenv("ODDFRAME_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_root() == tmp_path / "xdg" / "oddframe" / "frames"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_root() == Path.home() / ".cache" / "oddframe" / "frames"


def test_a_header_that_promises_too_much_blocks_no_other_video(
    tmp_path: Path, videos: list[VideoSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cache_module.probe
    monkeypatch.setattr(cache_module, "probe", lambda s: replace(real(s), frames=10**12) if s.name == "1" else real(s))
    cached, skipped = build_cache(videos, WINDOW, tmp_path / "cache", workers=1)
    assert [len(video.frames) for video in cached] == [5, 6, 7] and not skipped
