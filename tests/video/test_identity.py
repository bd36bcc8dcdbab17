"""The key of a video: every byte of its content counts, and nothing else does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import oddframe.video.identity as identity
from oddframe.errors import VideoError
from oddframe.video.identity import content_key, content_of
from oddframe.video.sources import ArrayVideo, VideoSource

LARGE = 3 * identity.REMEMBERED
LONG_AGO = 1_700_000_000


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are remembered at once, as those of files that were written long ago."""
    monkeypatch.setattr(identity, "SETTLED_NS", 0)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The videos whose content is read, in order."""
    seen: list[Path] = []
    true = identity._read

    def recording(source: VideoSource, *more: object) -> str:
        seen.append(source.path)
        return true(source, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(identity, "_read", recording)
    return seen


def file_of(path: Path, size: int = 1000, seed: int = 0) -> VideoSource:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.random.default_rng(seed).bytes(size))
    return VideoSource(path.stem, path, "file")


def folder_of(path: Path, greys: range) -> VideoSource:
    path.mkdir(parents=True)
    for number, grey in enumerate(greys):
        cv2.imwrite(str(path / f"{number:03}.bmp"), np.full((8, 12, 3), grey, np.uint8))
    return VideoSource(path.name, path, "frames")


def edit_in_place(path: Path, place: int, change: bytes) -> None:
    """Overwrite some bytes, and put both times of the file back that can be put back."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(place)
        assert file.read(len(change)) != change
        file.seek(place)
        file.write(change)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize("size", [1000, LARGE])
@pytest.mark.parametrize("place", [0, 0.1234, 0.5, 0.789, 1])
def test_an_edit_of_three_bytes_is_seen_wherever_it_is(tmp_path: Path, size: int, place: float, settled: None) -> None:
    source = file_of(tmp_path / "a.mp4", size)
    os.utime(source.path, (LONG_AGO, LONG_AGO))
    key = content_key(source)
    assert content_key(source) == key and len(key) == identity.DIGITS and int(key, 16)
    edit_in_place(source.path, min(round(size * place), size - 3), b"odd")
    assert content_key(source) != key


@pytest.mark.parametrize("size", [1000, LARGE])
@pytest.mark.parametrize("tie", [shutil.copy, os.link, os.symlink], ids=["copy", "hard link", "symbolic link"])
def test_an_equal_file_under_another_name_is_the_same_video(
    tmp_path: Path, size: int, tie: Callable[[Path, Path], object], settled: None
) -> None:
    source = file_of(tmp_path / "a.mp4", size)
    tie(source.path, tmp_path / "b.avi")
    assert content_key(VideoSource("b", tmp_path / "b.avi", "file")) == content_key(source)


def test_a_renamed_and_a_touched_file_are_the_same_video(tmp_path: Path, settled: None) -> None:
    source = file_of(tmp_path / "a.mp4", LARGE)
    key = content_key(source)
    os.utime(source.path, (1, 1))
    moved = source.path.rename(tmp_path / "b.mp4")
    assert content_key(VideoSource("b", moved, "file")) == key


@pytest.mark.parametrize("size", [1000, LARGE])
def test_a_file_replaced_under_its_name_is_another_video(tmp_path: Path, size: int, settled: None) -> None:
    source = file_of(tmp_path / "a.mp4", size)
    key, stat = content_key(source), source.path.stat()
    file_of(tmp_path / "new.mp4", size, seed=1).path.replace(source.path)
    os.utime(source.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert content_key(source) != key


def test_a_link_that_points_elsewhere_now_is_another_video(tmp_path: Path, settled: None) -> None:
    one, other = (file_of(tmp_path / f"{seed}.mp4", LARGE, seed) for seed in (1, 2))
    link = VideoSource("link", tmp_path / "link.mp4", "file")
    link.path.symlink_to(one.path)
    assert content_key(link) == content_key(one)
    link.path.unlink()
    link.path.symlink_to(other.path)
    assert content_key(link) == content_key(other) != content_key(one)


def test_a_file_that_grew_or_was_cut_is_another_video(tmp_path: Path, settled: None) -> None:
    source = file_of(tmp_path / "a.ts", LARGE)
    keys = {content_key(source)}
    with source.path.open("ab") as file:
        file.write(bytes(188))
    keys.add(content_key(source))
    with source.path.open("r+b") as file:
        file.truncate(LARGE - 188)
    keys.add(content_key(source))
    assert len(keys) == 3


def test_one_changed_image_makes_another_frame_folder(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "a", range(40, 80))
    key = content_key(source)
    copied = Path(shutil.copytree(source.path, tmp_path / "b"))
    assert content_key(VideoSource("b", copied, "frames")) == key
    image = source.path / "017.bmp"
    edit_in_place(image, image.stat().st_size - 1, b"\xff")
    assert content_key(source) != key


def test_images_that_are_added_removed_or_in_another_order_make_another_video(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "a", range(40, 46))
    keys = [content_key(source)]
    (source.path / "005.bmp").rename(tmp_path / "aside.bmp")
    keys.append(content_key(source))
    (tmp_path / "aside.bmp").rename(source.path / "0001.bmp")  # between 000 and 001 in natural order
    keys.append(content_key(source))
    shutil.copy(source.path / "000.bmp", source.path / "900.bmp")
    keys.append(content_key(source))
    assert len(set(keys)) == 4


def test_every_value_the_shape_and_the_rate_of_an_array_count(tmp_path: Path) -> None:
    frames = np.arange(4 * 8 * 6, dtype=np.uint8).reshape(4, 8, 6)
    changed = frames.copy()
    changed[2, 3, 4] ^= 1
    key = content_key(ArrayVideo(frames, 25, "a"))
    assert key == content_key(ArrayVideo(np.asfortranarray(frames), 25.0, "b"))
    others = [ArrayVideo(changed, 25), ArrayVideo(frames.reshape(4, 6, 8), 25), ArrayVideo(frames, 29.97)]
    assert len({key, *map(content_key, others)}) == 4
    assert content_of(content_key(others[2])) == content_of(key), "its content is the same at another rate"


def test_a_large_video_is_read_once_until_something_changes(tmp_path: Path, settled: None, read: list[Path]) -> None:
    source = file_of(tmp_path / "a.mp4", LARGE)
    keys = {content_key(source) for _ in range(3)}
    assert len(read) == 1 and len(keys) == 1
    os.utime(source.path, (1, 1))
    assert content_key(source) in keys and len(read) == 2
    small = file_of(tmp_path / "small.mp4")
    content_key(small), content_key(small)
    assert read.count(small.path) == 2, "small videos are read each time"


def test_what_was_changed_a_moment_ago_is_not_remembered(tmp_path: Path, read: list[Path], own_cache: Path) -> None:
    """A second change within the same tick of the clock would not show in the times."""
    source = file_of(tmp_path / "a.mp4", LARGE)
    content_key(source), content_key(source)
    assert len(read) == 2 and not own_cache.exists()


def test_a_spoilt_or_closed_memory_costs_time_and_not_truth(
    tmp_path: Path, settled: None, read: list[Path], own_cache: Path
) -> None:
    source = file_of(tmp_path / "a.mp4", LARGE)
    key = content_key(source)
    (memo,) = (own_cache / "keys").iterdir()
    memo.write_text("[]")
    assert content_key(source) == key and len(read) == 2
    shutil.rmtree(own_cache)
    own_cache.write_text("a file where the folder should be")
    assert content_key(source) == key and len(read) == 3


def test_a_video_that_is_gone_has_a_line(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"gone\.mp4: cannot be read \(No such file or directory\)"):
        content_key(VideoSource("gone", tmp_path / "gone.mp4", "file"))
