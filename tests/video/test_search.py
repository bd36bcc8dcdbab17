"""What a search finds, what it leaves out, and that it names both."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from oddframe.errors import InputError, VideoError
from oddframe.types import Window
from oddframe.video.cache import build_cache
from oddframe.video.decode import VideoReader, probe
from oddframe.video.search import Search, search_videos
from oddframe.video.sources import VideoSource, frame_files


@pytest.fixture
def clip(tmp_path: Path, video_tools: Any) -> Path:
    folder = tmp_path / "clip"
    folder.mkdir()
    path: Path = video_tools.write_video(folder / "clip.mp4", [video_tools.numbered(n, 48, 72) for n in range(9)])
    return path


def images(folder: Path, count: int, suffix: str = ".png", pages: int = 1) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        path = str(folder / f"{n:03d}{suffix}")
        page = np.full((24, 36), 10 * n, np.uint8)
        cv2.imwritemulti(path, [page + k for k in range(pages)]) if pages > 1 else cv2.imwrite(path, page)


def names(search: Search) -> list[str]:
    return [source.name for source in search.sources]


def reasons(search: Search) -> str:
    return "\n".join(map(str, search.left_out))


def test_the_formats_of_recorders_are_found_by_their_suffix(tmp_path: Path, clip: Path) -> None:
    suffixes = (".h264", ".264", ".h265", ".hevc", ".265", ".dav", ".ts", ".m2ts", ".mjpeg", ".mxf", ".vob", ".dv")
    folder = tmp_path / "exports"
    folder.mkdir()
    for number, suffix in enumerate(suffixes):
        shutil.copy(clip, folder / f"{number:02d}{suffix}")
    search = search_videos(folder)
    assert len(search.sources) == len(suffixes) and not search.left_out
    assert all(probe(source).width == 72 for source in search.sources)


def test_a_file_of_an_unknown_suffix_is_found_where_ffmpeg_opens_it_and_named_where_not(
    tmp_path: Path, clip: Path
) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    for name in ("a.mp4", "b.xyz", "record0001"):
        shutil.copy(clip, folder / name)
    (folder / "c.xyz").write_bytes(b"\x07" * 500)
    (folder / "notes.txt").write_text("not a video")
    (folder / "videos.zip").write_bytes(b"PK")
    search = search_videos(folder)
    assert names(search) == ["a", "b", "record0001"]
    assert [entry.path.name for entry in search.left_out] == ["c.xyz", "videos.zip"]


def test_links_to_nowhere_are_videos_with_a_fault(tmp_path: Path, clip: Path) -> None:
    folder = tmp_path / "cams"
    folder.mkdir()
    shutil.copy(clip, folder / "a.mp4")
    for name in ("b.mp4", "cam9", "notes.txt"):
        os.symlink(f"/mnt/nas/{name}", folder / name)
    search = search_videos(folder)
    assert names(search) == ["a", "b", "cam9"]
    with pytest.raises(VideoError, match=r"b\.mp4: a link to /mnt/nas/b\.mp4, which is not there; mount that place"):
        probe(search.sources[1])
    with pytest.raises(InputError, match=r"b\.mp4: a link to /mnt/nas/b\.mp4, which is not there"):
        search_videos(folder / "b.mp4")


def test_an_image_that_is_a_link_to_nowhere_keeps_its_place_among_the_frames(tmp_path: Path) -> None:
    images(tmp_path / "cam", 6)
    (tmp_path / "cam" / "003.png").unlink()
    os.symlink("/mnt/nas/gone.png", tmp_path / "cam" / "003.png")
    (source,) = search_videos(tmp_path / "cam").sources
    assert len(frame_files(source.path)) == 6
    with VideoReader(source) as reader:
        times = [frame.time for frame in reader]
    assert times == [0, 0.04, 0.08, 0.16, 0.2]
    assert reader.info.damage == ("1 unreadable image skipped, first 003.png",)


@pytest.mark.parametrize("name", ["@eaDir", "#recycle", "lost+found", "__MACOSX", ".AppleDouble", "Thumbs"])
def test_the_folders_of_network_drives_are_left_out_and_named(tmp_path: Path, clip: Path, name: str) -> None:
    folder = tmp_path / "share"
    images(folder / name / "a.mp4", 3, ".jpg")
    shutil.copy(clip, folder / name / "old.mp4")
    shutil.copy(clip, folder / "a.mp4")
    search = search_videos(folder)
    assert names(search) == ["a"]
    assert name in reasons(search)


def test_hidden_videos_are_left_out_and_named(tmp_path: Path, clip: Path) -> None:
    for name in ("a.mp4", "._a.mp4", ".b.mp4"):
        shutil.copy(clip, tmp_path / name)
    (tmp_path / ".bashrc").touch()
    shutil.rmtree(clip.parent)
    search = search_videos(tmp_path)
    assert names(search) == ["a"]
    assert reasons(search) == f"{tmp_path}: 2 hidden files, first ._a.mp4"


def test_pipes_and_sockets_are_named_and_never_opened(tmp_path: Path, clip: Path) -> None:
    images(tmp_path / "cam", 3)
    for path in ("cam/003.png", "live.mp4", "control"):
        os.mkfifo(tmp_path / path)
    search = search_videos(tmp_path)
    assert names(search) == ["cam", "clip/clip", "live"]
    assert reasons(search) == f"{tmp_path / 'control'}: a named pipe, not a file; record it to a file first"
    with VideoReader(search.sources[0]) as reader:
        assert len(list(reader)) == 3
    for source in (search.sources[2], VideoSource("live", tmp_path / "live.mp4", "file")):
        with pytest.raises(VideoError, match=r"live\.mp4: a named pipe, not a file; record it to a file first"):
            probe(source)
    with pytest.raises(InputError, match="a named pipe"):
        search_videos(tmp_path / "control")


def test_a_folder_that_cannot_be_looked_into_is_named_and_the_others_are_found(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir()
    whole = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return whole(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    search = search_videos(tmp_path)
    assert names(search) == ["clip/clip", "locked"]
    with pytest.raises(VideoError, match=r"locked: the folder cannot be looked into \(Permission denied\)"):
        probe(search.sources[1])
    with pytest.raises(InputError, match=r"locked: the folder cannot be looked into \(Permission denied\)"):
        search_videos(tmp_path / "locked")


def test_an_unfinished_copy_and_an_empty_folder_are_named(tmp_path: Path, clip: Path) -> None:
    shutil.copy(clip, tmp_path / "b.mp4.part")
    (tmp_path / "empty").mkdir()
    search = search_videos(tmp_path)
    with pytest.raises(VideoError, match=r"b\.mp4\.part: an unfinished copy"):
        probe(search.sources[0])
    assert reasons(search) == f"{tmp_path / 'empty'}: the folder is empty; fill it, or remove it"


def test_each_tiff_of_several_pages_is_a_video(tmp_path: Path) -> None:
    images(tmp_path / "stacks", 3, ".tif", pages=20)
    search = search_videos(tmp_path / "stacks")
    assert names(search) == ["000", "001", "002"]
    for number, source in enumerate(search.sources):
        with VideoReader(source) as reader:
            assert reader.info.frames == 20
            assert [int(frame.image.mean()) for frame in reader] == list(range(10 * number, 10 * number + 20))
        with VideoReader(source, start=0.5) as reader:
            assert [int(frame.image.mean()) - 10 * number for frame in reader] == list(range(13, 20))
    assert names(search_videos(tmp_path / "stacks" / "001.tif")) == ["001"]


def test_tiffs_of_one_page_are_frames_and_both_kinds_together_are_refused(tmp_path: Path) -> None:
    images(tmp_path / "cam", 3, ".tif")
    assert [(s.name, s.kind) for s in search_videos(tmp_path / "cam").sources] == [("cam", "frames")]
    cv2.imwritemulti(str(tmp_path / "cam" / "010.tif"), [np.zeros((24, 36), np.uint8)] * 4)
    with pytest.raises(InputError, match=r"holds 1 TIFF of several pages beside 3 of one page; give stacks and frames"):
        search_videos(tmp_path / "cam")


def test_a_tiff_with_a_preview_of_its_page_is_one_page(tmp_path: Path) -> None:
    from PIL import Image, TiffImagePlugin

    preview = TiffImagePlugin.ImageFileDirectory_v2()
    preview[254] = 1  # NewSubfileType: a smaller copy
    path = tmp_path / "0.tif"
    with TiffImagePlugin.AppendingTiffWriter(str(path), new=True) as file:
        Image.new("L", (36, 24)).save(file, format="TIFF")
        file.newFrame()
        Image.new("L", (9, 6)).save(file, format="TIFF", tiffinfo=preview)
    shutil.copy(path, tmp_path / "1.tif")
    assert [(s.kind, s.path) for s in search_videos(tmp_path).sources] == [("frames", tmp_path)]


def test_images_beside_videos_and_below_frames_are_named(tmp_path: Path, clip: Path) -> None:
    images(tmp_path / "cam", 3)
    images(tmp_path / "cam" / "masks", 2)
    shutil.copy(clip, tmp_path / "cam" / "masks" / "whole.mp4")
    images(tmp_path / "clip", 2)
    search = search_videos(tmp_path)
    assert names(search) == ["cam", "cam/masks/whole", "clip/clip"]
    assert reasons(search).splitlines() == [
        f"{tmp_path / 'cam' / 'masks'}: 2 images beside videos, first 000.png",
        f"{tmp_path / 'clip'}: 2 images beside videos, first 000.png",
    ]


def test_what_was_left_out_of_an_empty_search_is_in_the_message(tmp_path: Path) -> None:
    (tmp_path / ".a.mp4").touch()
    with pytest.raises(InputError, match=r"no video found.*left out .*: 1 hidden file, first \.a\.mp4"):
        search_videos(tmp_path)


def test_the_notes_of_a_search_end_where_they_would_be_many(tmp_path: Path, clip: Path) -> None:
    for n in range(14):
        (clip.parent / f"{n}").mkdir()
    notes = search_videos(clip.parent).notes()
    assert len(notes) == 11 and notes[-1] == "left out 4 more; `oddframe data check` names all"


def test_links_to_nowhere_and_pipes_among_frames_do_not_stop_the_cache(tmp_path: Path) -> None:
    images(tmp_path / "cam", 3)
    os.symlink("/mnt/nas/gone.png", tmp_path / "cam" / "003.png")
    os.mkfifo(tmp_path / "cam" / "004.png")
    window = Window(offsets=(0,), size=(12, 18))
    (video,), skipped = build_cache(search_videos(tmp_path / "cam").sources, window, tmp_path / "cache", workers=1)
    assert len(video.frames) == 3 and not skipped
    assert video.info.damage == ("2 unreadable images skipped, first 003.png",)
    fault = VideoSource("z", tmp_path / "z.mp4", "file", fault="a link to nowhere")
    assert build_cache([fault], window, tmp_path / "cache")[1] == [(fault, f"{tmp_path / 'z.mp4'}: a link to nowhere")]


def test_a_play_list_beside_its_parts_is_left_out_and_named(tmp_path: Path, clip: Path) -> None:
    shutil.copy(clip, tmp_path / "part0.ts")
    (tmp_path / "index.m3u8").write_text("#EXTM3U\n#EXTINF:0.36,\npart0.ts\n#EXT-X-ENDLIST\n")
    search = search_videos(tmp_path)
    assert names(search) == ["clip/clip", "part0"]
    assert "index.m3u8: a play list of other files" in reasons(search)


def test_a_name_that_is_no_text_is_named_and_odd_spaces_are_text(tmp_path: Path, clip: Path) -> None:
    shutil.copy(clip, os.path.join(os.fsencode(tmp_path), b"caf\xe9.mp4"))
    shutil.copy(clip, tmp_path / "two\nlines.mp4")
    shutil.copy(clip, tmp_path / "at 5.05\u202fPM.mp4")
    search = search_videos(tmp_path)
    assert [source.path.name for source in search.sources if source.fault] == [r"caf\xe9.mp4", r"two\x0alines.mp4"]
    assert "at 5.05\u202fPM" in names(search)
    for source in search.sources:
        if source.fault:
            with pytest.raises(VideoError, match="its name cannot be written as text; rename it") as refusal:
                probe(source)
            assert "\n" not in str(refusal.value) and str(refusal.value).encode()


@pytest.mark.parametrize(
    ("cell", "refused"), [("12.5", True), ("1e9", True), ("25", False), ("24.99", False), ("", False)]
)
def test_a_list_that_names_another_rate_than_the_file_is_refused(
    tmp_path: Path, clip: Path, cell: str, refused: bool
) -> None:
    rate = probe(VideoSource("clip", clip, "file")).fps
    assert rate is not None
    cell = {"25": f"{rate:g}", "24.99": f"{rate * 1.01:g}"}.get(cell, cell)
    (tmp_path / "list.csv").write_text(f"video,fps\nclip/clip.mp4,{cell}\n")
    if refused:
        with pytest.raises(InputError, match=r"list\.csv, line 2: fps is .*has time stamps of its own, which say"):
            search_videos(tmp_path / "list.csv")
    else:
        assert search_videos(tmp_path / "list.csv").sources[0].fps is None


def test_columns_of_a_list_that_are_not_looked_at_are_named(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "list.csv").write_text("video,start_frame,end_frame,label\nclip/clip.mp4,2,4,1\n")
    search = search_videos(tmp_path / "list.csv")
    assert len(search.sources) == 1 and "columns start_frame, end_frame, label are not looked at" in reasons(search)


def animation(path: Path, count: int = 7) -> Path:
    pages = [Image.fromarray(np.full((24, 36, 3), 20 * n + 9, np.uint8)) for n in range(count)]
    path.parent.mkdir(parents=True, exist_ok=True)
    pages[0].save(path, save_all=count > 1, append_images=pages[1:], duration=40, lossless=True)
    return path


def test_every_apng_is_a_video_of_its_own(tmp_path: Path) -> None:
    for name in "abc":
        animation(tmp_path / "apng" / f"{name}.png")
    search = search_videos(tmp_path / "apng")
    assert names(search) == ["a", "b", "c"]
    with VideoReader(search.sources[1]) as reader:
        assert [round(frame.image.mean()) for frame in reader] == [20 * n + 9 for n in range(7)]
    assert names(search_videos(tmp_path / "apng" / "c.png")) == ["c"]
    (tmp_path / "mixed" / "more").mkdir(parents=True)
    images(tmp_path / "mixed", 3)
    animation(tmp_path / "mixed" / "z.png")
    mixed = search_videos(tmp_path / "mixed")
    assert names(mixed) == ["z"] and "3 images beside videos" in reasons(mixed)


def test_an_animated_webp_is_refused_with_the_remedy(tmp_path: Path) -> None:
    for name in "ab":
        animation(tmp_path / "webp" / f"{name}.webp")
    search = search_videos(tmp_path / "webp")
    assert names(search) == ["a", "b"] and all("convert it to MP4" in source.fault for source in search.sources)
    with pytest.raises(InputError, match=r"a\.webp: an animated WebP.*convert it to MP4"):
        search_videos(tmp_path / "webp" / "a.webp")


def test_single_pictures_of_these_kinds_are_frames(tmp_path: Path) -> None:
    for n in range(3):
        animation(tmp_path / "still" / f"{n}.webp", 1)
    images(tmp_path / "png", 3)
    for name in ("still", "png"):
        assert [source.kind for source in search_videos(tmp_path / name).sources] == ["frames"]


def test_overlays_of_earlier_scoring_are_no_videos(tmp_path: Path) -> None:
    for place in ("a.mp4", "out/overlays/a.mp4", "out/overlays/sub/b.mp4", "overlays/c.mp4"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    (tmp_path / "out" / "scores").mkdir()
    (tmp_path / "out" / "scores" / "origin.json").write_text("{}")
    for given in (tmp_path, f"{tmp_path}/**/*.mp4"):
        search = search_videos(given)
        assert [source.name for source in search.sources] == ["a", "overlays/c"], "a folder of that name is no overlay"
        assert "overlay videos that `oddframe score` has drawn" in reasons(search)
    assert len(search_videos(tmp_path / "out" / "overlays").sources) == 2, "given by name they are meant"


def test_a_link_to_a_folder_above_the_search_leads_nowhere(tmp_path: Path, clip: Path) -> None:
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    shutil.copy(clip, inner / "a.mp4")
    shutil.copy(clip, tmp_path / "outer" / "sibling.mp4")
    for number, target in enumerate(("..", "../..", "/")):
        (inner / f"up{number}").symlink_to(target)
    found = search_videos(inner).sources
    assert [source.name for source in found if not source.fault] == ["a"]
    assert sum("a folder above it; remove the link" in source.fault for source in found) == 3
