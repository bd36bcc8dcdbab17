"""Test sets in a folder of one's own: every accepted layout, and a clear line for every mistake."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from oddframe.datasets.folder import read_folder
from oddframe.datasets.labelled import LabelledSet
from oddframe.errors import InputError, VideoError
from oddframe.video.decode import probe
from oddframe.video.encode import VideoWriter
from oddframe.video.search import find_videos

LABELS = np.array([0, 0, 1, 1, 1, 0], dtype=np.int8)


def write_frames(folder: Path, count: int = len(LABELS)) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((8, 8, 3), number, np.uint8))


def write_video(path: Path, count: int = len(LABELS)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, (32, 32), 10.0) as writer:
        for number in range(count):
            writer.write(np.full((32, 32, 3), 20 * number, np.uint8))


def write_labels(root: Path, name: str, text: str | np.ndarray) -> None:
    path = root / "labels" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(text, str):
        path.write_text(text)
    else:
        np.save(path, text)


def labels_of(found: LabelledSet) -> dict[str, list[int]]:
    return {video.source.name: video.labels.tolist() for video in found.videos}


@pytest.mark.parametrize("place", ["videos", "."])
def test_videos_in_their_folder_or_beside_the_labels(tmp_path: Path, place: str) -> None:
    write_video(tmp_path / place / "b 2.mp4")
    write_video(tmp_path / place / "b 10.mp4", 4)
    write_labels(tmp_path, "b 2.npy", LABELS)
    write_labels(tmp_path, "b 10.npy", LABELS[:4])
    (tmp_path / "pixel_masks").mkdir()
    np.savez(tmp_path / "pixel_masks" / "b 2.npz", masks=np.zeros((6, 32, 32), np.uint8))
    found = read_folder(tmp_path)
    assert labels_of(found) == {"b 2": LABELS.tolist(), "b 10": LABELS[:4].tolist()}
    assert [video.masks for video in found.videos] == [tmp_path / "pixel_masks" / "b 2.npz", None]
    assert found.videos[0].labels.dtype == np.int8
    assert (found.name, found.notes) == (tmp_path.name, ())


def test_frame_folders_with_nested_names(tmp_path: Path) -> None:
    write_frames(tmp_path / "frames" / "north" / "01")
    write_frames(tmp_path / "frames" / "south" / "01")
    write_labels(tmp_path, "north/01.npy", LABELS)
    write_labels(tmp_path, "south/01.npy", LABELS[::-1])
    assert labels_of(read_folder(tmp_path)) == {"north/01": LABELS.tolist(), "south/01": LABELS[::-1].tolist()}


def test_images_of_masks_are_not_taken_for_videos(tmp_path: Path) -> None:
    write_frames(tmp_path / "01")
    write_frames(tmp_path / "masks" / "01")
    write_labels(tmp_path, "01.npy", LABELS)
    assert list(labels_of(read_folder(tmp_path))) == ["01"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("01.npy", LABELS[None]),
        ("01.npy", LABELS.astype(bool)),
        ("01.npy", LABELS[:, None].astype(np.float64)),
        ("01.txt", "0\n0\n1\n1\n1\n0\n"),
        ("01.txt", "0 0 1 1 1 0"),
        ("01.txt", "0,0,1.0,1,1,0"),
        ("01.csv", "frame,label\n0,0\n1,0\n2,1\n3,1\n4,1\n5,0\n"),
        ("01.csv", "Label, Frame\n1,4\n0,0\n0,1\n1,2\n1,3\n0,5\n"),
        ("01.csv", "start,end\n2,4\n"),
        ("01.csv", "start_frame,end_frame\n4,4\n2,3\n"),
    ],
)
def test_every_form_of_labels_means_the_same(tmp_path: Path, name: str, text: str | np.ndarray) -> None:
    write_frames(tmp_path / "frames" / "01")
    write_labels(tmp_path, name, text)
    assert labels_of(read_folder(tmp_path)) == {"01": LABELS.tolist()}


def test_intervals_without_rows_mean_a_normal_video(tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "01.mp4")
    write_labels(tmp_path, "01.csv", "start,end\n")
    assert labels_of(read_folder(tmp_path)) == {"01": [0] * 6}


def test_one_table_for_all_videos(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_video(tmp_path / "videos" / f"{name}.mp4")
    (tmp_path / "intervals.csv").write_text("video,start_frame,end_frame\na,2,4\nb,0,0\nb,5,5\n")
    assert labels_of(read_folder(tmp_path)) == {"a": LABELS.tolist(), "b": [1, 0, 0, 0, 0, 1], "c": [0] * 6}


def test_labels_of_one_video_go_before_the_table(tmp_path: Path) -> None:
    write_frames(tmp_path / "frames" / "a")
    write_labels(tmp_path, "a.npy", LABELS)
    (tmp_path / "intervals.csv").write_text("video,start,end\na,0,0\n")
    assert labels_of(read_folder(tmp_path)) == {"a": LABELS.tolist()}


def test_frames_are_counted_where_the_container_does_not_say(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    with av.open(str(tmp_path / "videos" / "01.mpg"), "w") as container:
        stream = container.add_stream("mpeg1video", rate=25)
        stream.width = stream.height = 32
        for number in range(len(LABELS)):
            image = np.full((32, 32, 3), 20 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    assert probe(find_videos(tmp_path / "videos")[0]).frames is None
    write_labels(tmp_path, "01.csv", "start,end\n2,4\n")
    assert labels_of(read_folder(tmp_path)) == {"01": LABELS.tolist()}


def test_labels_without_a_video_and_doubtful_lengths_are_noted(tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "01.mp4")
    write_labels(tmp_path, "01.npy", LABELS[:5])
    write_labels(tmp_path, "02.npy", LABELS)
    length, stray = read_folder(tmp_path).notes
    assert stray.endswith("02.npy: labels without a video of that name")
    assert "01.npy: 5 labels for 6 frames of 01 that decode; make one label per frame" in length


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("01.npy", LABELS[:5], r"01\.npy: 5 labels for 6 frames of 01; there must be one per frame"),
        ("01.npy", np.array([0, 1, 2, 0, 0, 0]), r"01\.npy: labels must be 0 \(normal\) or 1 \(anomalous\), found 2"),
        ("01.npy", np.zeros((2, 3)), r"01\.npy: labels have the shape \(2, 3\)"),
        ("01.npy", np.array([{}], dtype=object), r"01\.npy: cannot be read as one 0 or 1 per frame"),
        ("01.txt", "0 1 x", r"01\.txt, label 3: 'x' is not a whole number"),
        ("01.txt", "", r"01\.txt: labels have the shape \(0,\)"),
        ("01.csv", "frame,label\n1,0\n2,1\n", r"01\.csv: column frame holds no frame 0, .*counted from 1\?"),
        ("01.csv", "frame,label\n0,0\n0,1\n", r"01\.csv, line 3: frame 0 stands on a line before, too"),
        ("01.csv", "frame,label\n0,yes\n", r"01\.csv, line 2, column label: 'yes' is not a whole number"),
        (
            "01.csv",
            "from,to\n0,1\n",
            r"01\.csv: the first line must name the columns start_frame.*; it names: from, to",
        ),
        ("01.csv", "", r"01\.csv: the first line must name the columns start_frame.*; it names: none"),
        ("01.csv", "frame,label\n", r"01\.csv: labels have the shape \(0,\)"),
        ("01.csv", "start,end\n0,1\n4,3\n", r"01\.csv, line 3: frames 4 to 3 are not an interval"),
        ("01.csv", "start,end\n-1,3\n", r"01\.csv, line 2: frames -1 to 3 are not an interval"),
        ("01.csv", "start,end\n3\n", r"01\.csv, line 2, column end: empty; write a whole number"),
        ("01.csv", "start,end\n3,6\n", r"01\.csv: frame 6 is beyond the end of 01, which has 6 frames"),
    ],
)
def test_wrong_labels_are_named(tmp_path: Path, name: str, text: str | np.ndarray, message: str) -> None:
    write_frames(tmp_path / "frames" / "01")
    write_labels(tmp_path, name, text)
    with pytest.raises(InputError, match=message):
        read_folder(tmp_path)


def test_missing_and_double_labels_are_named(tmp_path: Path) -> None:
    write_frames(tmp_path / "frames" / "01")
    with pytest.raises(InputError, match=r"01: no labels; looked for labels/01\{\.npy,\.txt,\.csv\}, inter"):
        read_folder(tmp_path)
    write_labels(tmp_path, "01.npy", LABELS)
    write_labels(tmp_path, "01.txt", "0")
    with pytest.raises(InputError, match=r"01\.npy: labels/01\.txt labels the same video, 01; keep one"):
        read_folder(tmp_path)


def test_a_table_that_names_no_video_of_the_folder_is_refused(tmp_path: Path) -> None:
    write_frames(tmp_path / "frames" / "01")
    (tmp_path / "intervals.csv").write_text("video,start,end\n01,0,1\n1,2,3\n")
    with pytest.raises(InputError, match=r"intervals\.csv, line 3: no video '1' in this folder; is it '01'\?"):
        read_folder(tmp_path)
    (tmp_path / "intervals.csv").write_bytes(b"video,start,end\n\xff\xfe,0,1\n")
    with pytest.raises(InputError, match=r"intervals\.csv, line 2: not UTF-8 .* save the file as UTF-8"):
        read_folder(tmp_path)


def test_folders_without_videos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_folder(tmp_path / "none")
    write_frames(tmp_path / "masks" / "01")
    with pytest.raises(InputError, match="no videos; looked in videos/, in frames/ and in the folder itself"):
        read_folder(tmp_path)


def test_a_video_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "01.mp4").write_text("not a video")
    write_labels(tmp_path, "01.npy", LABELS)
    with pytest.raises(VideoError, match=r"01\.mp4"):
        read_folder(tmp_path)


@pytest.mark.realdata
def test_ped2_as_videos(shared_data: Path) -> None:
    found = read_folder(shared_data / "ucsd_ped2" / "testing")
    assert [video.source.name for video in found.videos] == [f"{number:02d}" for number in range(1, 13)]
    assert sum(len(video.labels) for video in found.videos) == 2010
    assert sum(int(video.labels.sum()) for video in found.videos) == 1648
    assert all(video.masks is not None for video in found.videos)
    assert found.notes == ()


def test_one_array_for_all_videos_in_natural_order(tmp_path: Path) -> None:
    write_frames(tmp_path / "frames" / "cam10", 2)
    write_frames(tmp_path / "frames" / "cam9", 3)
    np.save(tmp_path / "labels.npy", [[0, 1, 1, 0, 1]])
    assert labels_of(read_folder(tmp_path)) == {"cam9": [0, 1, 1], "cam10": [0, 1]}
    np.save(tmp_path / "labels.npy", [0, 1, 1, 0])
    with pytest.raises(
        InputError, match=r"labels\.npy: 4 labels for 5 frames of 2 videos; there must be one per frame"
    ):
        read_folder(tmp_path)


@pytest.mark.parametrize("form", ["images", ".npy", ".npz"])
def test_masks_are_labels_where_there_are_no_others(tmp_path: Path, form: str) -> None:
    write_video(tmp_path / "videos" / "01.mp4")
    masks = np.zeros((6, 4, 4), np.uint8)
    masks[LABELS == 1, 1, 1] = 1
    path = tmp_path / "masks" / ("01" if form == "images" else f"01{form}")
    path.parent.mkdir()
    if form == "images":
        path.mkdir()
        for number, mask in enumerate(masks):
            cv2.imwrite(str(path / f"{number + 1}.png"), mask)  # counted from 1: only the order counts
    elif form == ".npy":
        np.save(path, masks)
    else:
        np.savez(path, masks=masks)
    (video,) = read_folder(tmp_path).videos
    assert (video.labels.tolist(), video.masks) == (LABELS.tolist(), path)
    write_labels(tmp_path, "01.npy", LABELS[::-1])
    (video,) = read_folder(tmp_path).videos
    assert (video.labels.tolist(), video.masks) == (LABELS[::-1].tolist(), path)
