from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.errors import InputError
from oddframe.video.order import natural_key
from oddframe.video.search import Videos, find_videos, search_videos
from oddframe.video.sources import ArrayVideo, frame_files


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(path: Path) -> list[tuple[str, str]]:
    return [(source.name, source.kind) for source in find_videos(path)]


def test_natural_order_counts_digits_as_numbers() -> None:
    names = ["f10", "f9", "F1", "f2b", "f2a", "10", "9", "f"]
    assert sorted(names, key=natural_key) == ["9", "10", "f", "F1", "f2a", "f2b", "f9", "f10"]


@given(st.lists(st.text(max_size=8), max_size=8))
def test_natural_key_orders_any_text(names: list[str]) -> None:
    ordered = sorted(names, key=natural_key)
    assert sorted(ordered[::-1], key=natural_key) == sorted(ordered, key=natural_key)


def test_a_single_file_is_taken_whatever_its_suffix(tmp_path: Path) -> None:
    touch(tmp_path / "a.MP4", tmp_path / "b.dat")
    assert found(tmp_path / "a.MP4") == [("a", "file")]
    assert found(tmp_path / "b.dat") == [("b", "file")]


def test_a_folder_of_videos_is_searched_recursively_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path / "10.mp4", tmp_path / "9.avi", tmp_path / "sub/x.MKV", tmp_path / ".hidden.mp4", tmp_path / "a.txt")
    touch(tmp_path / "thumbnail.jpg", tmp_path / "10.jpg")
    assert found(tmp_path) == [("9", "file"), ("10", "file"), ("sub/x", "file")]


def test_videos_that_would_share_a_name_keep_their_suffix(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "a.avi", tmp_path / "b.mp4")
    assert [name for name, _ in found(tmp_path)] == ["a.avi", "a.mp4", "b"]


def test_a_frame_folder_is_one_video_with_its_frames_in_natural_order(tmp_path: Path) -> None:
    folder = tmp_path / "Test.001"
    touch(*(folder / f"{n}.tif" for n in (10, 9, 100)), folder / "labels.txt", folder / "masks/1.bmp")
    assert found(folder) == [("Test.001", "frames")]
    assert [path.name for path in frame_files(folder)] == ["9.tif", "10.tif", "100.tif"]


def test_a_folder_may_mix_videos_and_frame_folders(tmp_path: Path) -> None:
    touch(*(tmp_path / folder / f"{n}.png" for folder in ("cam2", "cam10") for n in (1, 2)), tmp_path / "cam1.mp4")
    assert found(tmp_path) == [("cam1", "file"), ("cam2", "frames"), ("cam10", "frames")]


def test_a_lone_image_beside_videos_in_subfolders_is_a_preview_but_alone_it_is_a_video(tmp_path: Path) -> None:
    touch(tmp_path / "set/preview.png", tmp_path / "set/a/1.jpg", tmp_path / "set/a/2.jpg", tmp_path / "one/1.bmp")
    assert found(tmp_path / "set") == [("a", "frames")]
    assert found(tmp_path / "one") == [("one", "frames")]


def test_a_cycle_of_links_ends(tmp_path: Path) -> None:
    touch(tmp_path / "in/a.mp4")
    os.symlink(tmp_path, tmp_path / "in/loop")
    assert found(tmp_path) == [("in/a", "file"), ("in/loop", "frames")]
    assert "a folder above it; remove the link" in find_videos(tmp_path)[1].fault


@pytest.mark.parametrize("links", [{"x": "x"}, {"x.mp4": "x.mp4"}, {"x": "y", "y": "x"}])
def test_a_link_that_leads_to_itself_is_found_with_its_fault(tmp_path: Path, links: dict[str, str]) -> None:
    touch(tmp_path / "a.mp4")
    for link, target in links.items():
        os.symlink(target, tmp_path / link)
    faults = [source.fault for source in find_videos(tmp_path)]
    assert faults[0] == "" and len(faults) == 1 + len(links)
    assert all("leads back to this link; remove it" in fault for fault in faults[1:])


def test_two_links_to_one_folder_are_one_folder(tmp_path: Path) -> None:
    touch(tmp_path / "a/b.mp4")
    os.symlink("a", tmp_path / "c")
    search = search_videos(tmp_path)
    assert [source.name for source in search.sources] == ["a/b"]
    assert "which is searched already" in search.notes()[0]


def test_a_csv_lists_files_and_folders_relative_to_itself_in_its_order(tmp_path: Path) -> None:
    touch(tmp_path / "v/b.mp4", tmp_path / "v/a.mp4", tmp_path / "frames/1.png", tmp_path / "frames/2.png")
    table = tmp_path / "list.csv"
    table.write_text("\ufefflabel, video\n0, v/b.mp4\n1, frames\n0, v/a.mp4\n", encoding="utf-8")
    assert found(table) == [("v/b", "file"), ("frames", "frames"), ("v/a", "file")]
    table.write_text(f"path\n{tmp_path / 'v' / 'b.mp4'}\n")
    assert found(table) == [("b", "file")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file\na.mp4\n", "must name the columns video or path; it names: file"),
        ("", "must name the columns video or path; it names: none"),
        ("video\n", "lists no video"),
        ("video\na.mp4\nmissing.mp4\n", "line 3: no such video: missing.mp4"),
        ("video,label\n,1\n", r"line 2: no such video: \(empty\)"),
        ("video\na.mp4\n./a.mp4\n", "line 3: ./a.mp4 is listed twice"),
    ],
)
def test_a_bad_csv_is_refused_with_the_line(tmp_path: Path, content: str, message: str) -> None:
    touch(tmp_path / "a.mp4")
    table = tmp_path / "list.csv"
    table.write_text(content)
    with pytest.raises(InputError, match=message):
        find_videos(table)


def test_a_csv_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b"video\n\xff\xfe.mp4\n")
    with pytest.raises(InputError, match=r"line 2: not UTF-8 .* save the file as UTF-8"):
        find_videos(tmp_path / "list.csv")


def test_what_is_not_there_or_holds_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such file or folder"):
        find_videos(tmp_path / "nowhere")
    touch(tmp_path / "notes.txt", tmp_path / "photo.jpg")
    with pytest.raises(InputError, match="a single image is not a video"):
        find_videos(tmp_path / "photo.jpg")
    (tmp_path / "photo.jpg").unlink()
    with pytest.raises(InputError, match=r"no video found; looked for \.mp4, .* and \d+ other kinds of files, and"):
        find_videos(tmp_path)
    touch(tmp_path / "a" / "1.zip")
    with pytest.raises(InputError, match=r": no video found; left out \S+1\.zip: .*; looked for \.mp4"):
        find_videos(tmp_path)


def names(videos: Videos) -> list[str]:
    return [source.name for source in find_videos(videos)]


def test_a_pattern_a_list_and_a_path_name_videos_alike(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("cam10.mp4", "cam2.mp4", "cam2.avi", "other.mp4", "sub/cam3.mp4")))
    assert names(str(tmp_path / "cam*.mp4")) == names(tmp_path / "cam*.mp4") == ["cam2", "cam10"]
    assert names(str(tmp_path / "**/cam3.*")) == ["cam3"]
    assert names([str(tmp_path / "other.mp4"), tmp_path / "cam10.mp4"]) == ["other", "cam10"], "the order given"
    assert names([tmp_path / "cam2.mp4", tmp_path / "cam*.mp4"]) == ["cam2", "cam10"], "each once"
    assert names(find_videos(tmp_path / "other.mp4")) == ["other"], "what was found may be given again"


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    touch(tmp_path / "a[1].mp4", tmp_path / "a1.mp4")
    assert names(str(tmp_path / "a[1].mp4")) == ["a[1]"]


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        ([], "the list of videos is empty"),
        ("nothing*.mp4", r"nothing\*\.mp4: no file or folder fits this pattern"),
        (["gone.mp4"], r"gone\.mp4: no such file or folder"),
        (np.zeros((4, 8, 8), np.uint8), r"cannot be given as a ndarray; .* `oddframe\.ArrayVideo` of frames"),
        ([3], "cannot be given as a int"),
        ([ArrayVideo(np.zeros((4, 8, 8), np.uint8), 25), ArrayVideo(np.ones((4, 8, 8), np.uint8), 25)],
         "two videos are called frames; give each `ArrayVideo` a name of its own"),
    ],
)  # fmt: skip
def test_what_names_no_video_is_refused_in_one_line(videos: Videos, message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        find_videos(videos)
    assert "\n" not in str(refusal.value)


def test_arrays_of_two_names_are_two_videos_and_one_given_twice_is_one() -> None:
    frames = np.zeros((4, 8, 8), np.uint8)
    one, other = ArrayVideo(frames, 25, "one"), ArrayVideo(frames, 25, "other")
    assert find_videos([one, other, one]) == [one, other] and one != ArrayVideo(frames, 25, "one")


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((4, 8, 8), np.float32), r"shape \(4, 8, 8\) and type float32"),
        (np.zeros((8, 8), np.uint8), r"shape \(8, 8\) and type uint8"),
        (np.zeros((4, 8, 8, 4), np.uint8), r"shape \(4, 8, 8, 4\)"),
        (np.zeros((4, 8, 8, 3, 1), np.uint8), r"shape \(4, 8, 8, 3, 1\)"),
        (np.zeros((0, 8, 8), np.uint8), r"shape \(0, 8, 8\)"),
        (np.zeros((4, 0, 8, 3), np.uint8), r"shape \(4, 0, 8, 3\)"),
        ([np.zeros((8, 8), np.uint8)], "type list"),
        (None, "type NoneType"),
    ],
)
def test_frames_of_another_shape_or_type_are_refused_in_one_line(frames: object, message: str) -> None:
    with pytest.raises(
        InputError, match=rf"{message}.*give a uint8 array of shape \(N, H, W, 3\) or \(N, H, W\)"
    ) as refusal:
        ArrayVideo(frames, fps=25)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("fps", [0, -25, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(fps: float) -> None:
    with pytest.raises(InputError, match="it must be above 0"):
        ArrayVideo(np.zeros((4, 8, 8), np.uint8), fps)
