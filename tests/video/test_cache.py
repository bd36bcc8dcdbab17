from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import oddframe.video.cache as cache_module
from oddframe.errors import InputError, OddframeError, SpaceError
from oddframe.types import Window
from oddframe.video.cache import build_cache, default_cache_root
from oddframe.video.decode import Frame, VideoReader
from oddframe.video.sources import VideoSource, find_videos

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
        assert video.info == reader.info
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
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda path: usage(0, 0, need + cache_module._SPARE - 1))
    with pytest.raises(SpaceError, match=r"3 videos need 0\.00 GB.*ODDFRAME_CACHE"):
        build_cache(videos, WINDOW, tmp_path / "cache", workers=1)
    assert not (tmp_path / "cache").exists()
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda path: usage(0, 0, need + cache_module._SPARE))
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
    assert os.listdir(tmp_path / "cache") == []


def test_an_interrupt_calls_the_workers_off(videos: list[VideoSource], tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_cache(videos, WINDOW, tmp_path / "cache", workers=2, progress=interrupt)
    assert [name for name in os.listdir(tmp_path / "cache") if name.startswith(".")] == []


def test_a_damaged_entry_is_built_again(videos: list[VideoSource], tmp_path: Path) -> None:
    before = build_cache(videos, WINDOW, tmp_path / "cache", workers=1)[0][0].frames.copy()
    entries = sorted((tmp_path / "cache").iterdir())
    os.truncate(entries[0] / "frames.u8", 100)
    (entries[1] / "info.json").write_text("{")
    (entries[2] / "time.npy").unlink()
    cached, skipped = build_cache(videos, WINDOW, tmp_path / "cache", workers=1)
    assert (len(cached), skipped) == (3, [])
    assert np.array_equal(cached[0].frames, before)


def test_leftovers_of_killed_builds_are_removed_when_old(videos: list[VideoSource], tmp_path: Path) -> None:
    old, new = tmp_path / "cache" / ".building-old", tmp_path / "cache" / ".building-new"
    for part in (old, new):
        part.mkdir(parents=True)
        (part / "frames.u8").write_bytes(b"x")
    long_ago = time.time() - 2 * cache_module._STALE_S
    os.utime(old / "frames.u8", (long_ago, long_ago))
    os.utime(old, (long_ago, long_ago))
    build_cache(videos, WINDOW, tmp_path / "cache", workers=1)
    assert not old.exists()
    assert new.exists()


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
from oddframe.video.sources import find_videos
cached, skipped = build_cache(find_videos(sys.argv[1]), Window((0,), (24, 36)), Path(sys.argv[2]), workers=2)
print(sum(int(video.frames.sum()) for video in cached), skipped)
"""


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
    answers = [run.communicate(timeout=60) for run in runs]
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
            build_cache(videos[:1], WINDOW, root, workers=1)  # somebody else, in the meantime
            yield from super()._frames(first)

    monkeypatch.setattr(cache_module, "VideoReader", Slow)
    cached, skipped = build_cache(videos[:1], WINDOW, root, workers=1)
    assert (len(cached), skipped) == (1, [])
    assert len(os.listdir(root)) == 1


class Deadly(Window):
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return signal.raise_signal, (signal.SIGKILL,)


def test_a_killed_worker_is_reported_with_what_it_may_have_died_of(videos: list[VideoSource], tmp_path: Path) -> None:
    with pytest.raises(OddframeError, match=r"process was killed.*: 0, 1, 2; use fewer workers"):
        build_cache(videos, Deadly((0,), (24, 36)), tmp_path / "cache", workers=2)
    assert os.listdir(tmp_path / "cache") == []


def test_the_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "here"))
    assert default_cache_root() == tmp_path / "here"
    monkeypatch.delenv("ODDFRAME_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_root() == tmp_path / "xdg" / "oddframe" / "frames"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_root() == Path.home() / ".cache" / "oddframe" / "frames"
