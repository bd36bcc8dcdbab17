"""Labels as strangers leave them. Each was read wrongly without a word or ended in a traceback."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tiny
from scipy.io import savemat
from typer.testing import CliRunner

from oddframe.cli import app
from oddframe.datasets.check import check
from oddframe.datasets.masks import anomalous_frames, read_tracks
from oddframe.datasets.readers import open_any, open_labelled
from oddframe.datasets.repackaged import read_gt
from oddframe.datasets.weak import WeakSet, open_weak
from oddframe.datasets.weak_csv import read_csv
from oddframe.errors import InputError
from oddframe.types import Interval
from oddframe.video.search import find_videos


def labels(spec: object) -> dict[str, list[int]]:
    return {video.source.name: np.flatnonzero(video.labels).tolist() for video in open_labelled(str(spec)).videos}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A set of one video of ten frames."""
    tiny.frames(tmp_path / "set" / "frames" / "v", 10)
    return tmp_path / "set"


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "300"})
    error = result.exception
    return (error.exit_status if isinstance(error, InputError) else result.exit_code), f"{result.output}{error}"


@pytest.mark.parametrize(
    "text",
    [
        "video, start_frame, end_frame\nv , 2 , 4\n",
        "video,start_frame,end_frame\nv.mp4,2,4\n",
        "video;start_frame;end_frame\nv;2;4\n",
        "video,start_frame,end_frame\nv,2.0,4.0\n",
        "video,start_frame,end_frame\nv,2,4\n,,\n",
        "Video,Start,End\r\nframes\\v,2,4\r\n",
        "video,start,end\nv,2,2\nv,3,4\n",
        "\ufeffvideo\tstart\tend\n./v\t2\t4\n",
    ],
)
def test_a_table_of_intervals_as_a_spreadsheet_leaves_it(root: Path, text: str) -> None:
    (root / "intervals.csv").write_text(text)
    assert labels(root) == {"v": [2, 3, 4]}


def test_a_list_of_videos_by_the_same_rules(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "Zürich")
    tiny.frames(tmp_path / "videos" / name, 2)
    (tmp_path / "videos" / "v.mp4").write_bytes(b"x")
    (tmp_path / "list.csv").write_text("Video;note\nvideos\\v.mp4;1\nvideos/Zürich;2\n\n;;\n")
    assert [source.path.name for source in find_videos(tmp_path / "list.csv")] == ["v.mp4", name]
    (tmp_path / "list.csv").write_text("path\nvideos/v\n")
    assert [source.path.name for source in find_videos(tmp_path / "list.csv")] == ["v.mp4"]
    (tmp_path / "list.csv").write_text(f"path\n{'long' * 999}\n")
    with pytest.raises(InputError, match=r"list\.csv, line 2: no such video"):
        find_videos(tmp_path / "list.csv")


def test_labels_and_masks_of_composed_names_belong_to_decomposed_ones(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "Zürich")
    tiny.frames(tmp_path / "frames" / name, 3)
    tiny.array(tmp_path / "labels" / "Zürich.NPY.npy", [0, 1, 0]).rename(tmp_path / "labels" / "Zürich.NPY")
    tiny.array(tmp_path / "masks" / "Zürich.npy", tiny.volume([0, 1, 0]))
    (video,) = open_labelled(str(tmp_path)).videos
    assert video.labels.tolist() == [0, 1, 0] and video.masks is not None


def test_rows_of_one_weak_video_and_labels_that_spreadsheets_make_decimal(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("video;label;start;end\na.mp4;1.0;2.0;4\nb;0,0;;\n")
    with pytest.raises(InputError, match=r"x\.csv, line 3: label '0,0' is neither"):
        read_csv(tmp_path / "x.csv")
    (tmp_path / "x.csv").write_text("video;label;start;end\na.mp4;1.0;2.0;4\nsub\\a;1;2;4\n.\\a.avi;1;7;8\n")
    first, second = read_csv(tmp_path / "x.csv")
    assert (first.name, first.intervals, second.name) == ("a", (Interval(2, 5), Interval(7, 9)), "sub/a")


UCF = "Abuse028_x264.mp4  Abuse  165  240  -1  -1\n"


@pytest.mark.parametrize(
    ("more", "events"),
    [
        ("Abuse028_x264.mp4  Abuse  500  600  -1  -1\n", [(165, 240), (500, 600)]),
        ("Abuse028_x264.mp4  Abuse  20  30  700.0  800\n", [(20, 30), (165, 240), (700, 800)]),
        (UCF, [(165, 240)]),
    ],
)
def test_every_row_of_a_video_of_ucf_crime_counts(tmp_path: Path, more: str, events: list[tuple[int, int]]) -> None:
    (tmp_path / "Temporal_Anomaly_Annotation.txt").write_text(UCF + more)
    found = open_weak(f"ucf-crime:{tmp_path}")
    assert found.test[0].intervals == tuple(Interval(*event) for event in events)
    assert f"line 1: Abuse028_x264 has 2 lines; all {len(events)} events of them count" in found.notes[0]


def test_rows_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    rows = "Abuse/Abuse028_x264.mp4 1412 Abuse 165 240 -1 -1\nAbuse/Abuse028_x264.mp4 1500 Abuse 500 600 -1 -1\n"
    (tmp_path / "UCF_Annotation.txt").write_text(rows)
    with pytest.raises(InputError, match=r"line 2: Abuse028_x264 has another class or length on a line before"):
        open_weak(f"ucf-crime:{tmp_path}")
    (tmp_path / "UCF_Annotation.txt").unlink()
    (tmp_path / "Train_Annotation.txt").write_text("Abuse/Abuse028_x264.mp4 1412\nAbuse/Abuse028_x264.mp4 1500\n")
    with pytest.raises(InputError, match=r"line 2: Abuse028_x264 has another label or length on a line before"):
        open_weak(f"ucf-crime:{tmp_path}")


def test_every_row_of_a_video_of_xd_violence_counts(tmp_path: Path) -> None:
    name = "v=S-7rRLrxnVQ__#1_label_B4-0-0"
    (tmp_path / "rgb_test.list").write_text(f"/a/{name}__0.npy\n")
    (tmp_path / "annotations.txt").write_text(f"{name}.mp4 10 20\n{name} 30 40 50 60\n")
    found = open_weak(f"xd-violence:{tmp_path}")
    assert found.test[0].intervals == (Interval(10, 20), Interval(30, 40), Interval(50, 60))
    assert any("has 2 lines; all 3 events of them count" in note for note in found.notes)


def test_joined_labels_say_which_order_was_taken_where_two_differ(tmp_path: Path) -> None:
    for name, count in (("cam1", 3), ("cam2", 2), ("cam10", 4)):
        tiny.frames(tmp_path / "frames" / name, count)
    tiny.array(tmp_path / "labels.npy", [1, 0, 0, 0, 1, 0, 0, 1, 0])
    assert labels(tmp_path) == {"cam1": [0], "cam2": [1], "cam10": [2]}
    (note,) = open_labelled(str(tmp_path)).notes
    assert "taken in natural order of the names (cam2 is video number 2); sorted as text that is cam10" in note
    status, text = run("data", "check", f"folder:{tmp_path}")
    assert status == 3 and "natural order" in text
    (tmp_path / "frames" / "cam10").rename(tmp_path / "frames" / "cam3")
    assert open_labelled(str(tmp_path)).notes == ()


@pytest.mark.parametrize("names", [("B1", "a2"), ("a", "a-b"), ("x9", "x10")])
def test_orders_that_differ_in_case_hyphens_and_digits(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        tiny.frames(tmp_path / "testing" / name, 2)
    tiny.array(tmp_path / "frame_labels_shanghai.npy", [0, 1, 0, 0])
    notes = open_labelled(f"shanghaitech:{tmp_path}").notes
    assert any("natural order of the names" in note for note in notes)


@pytest.mark.parametrize("folder", ["frame_masks", "test_frame_mask", "testing/frame_masks"])
def test_frame_masks_are_found_under_either_name(tmp_path: Path, folder: str) -> None:
    tiny.frames(tmp_path / "testing" / "01_0014", 4)
    tiny.array(tmp_path / folder / "01_0014.npy", np.arange(4) > 2)
    assert labels(f"shanghaitech:{tmp_path}") == {"01_0014": [3]}
    (tmp_path / "SH_Test.txt").write_text("01_0014\n")
    found = open_any(f"shanghaitech-weak:{tmp_path}")
    assert isinstance(found, WeakSet) and found.test[0].intervals == (Interval(3, 4),)


def test_frame_masks_label_a_folder_of_ones_own(root: Path) -> None:
    tiny.array(root / "frame_masks" / "v.npy", np.arange(10) == 3)
    assert labels(root) == {"v": [3]}
    tiny.array(root / "labels" / "v.npy", np.arange(10) == 4)
    with pytest.raises(InputError, match=r"v\.npy: frame_masks/v\.npy labels the same video, v; keep one"):
        labels(root)


@pytest.mark.parametrize(
    ("text", "tracks"),
    [
        (
            "1.000000000000000000e+00,0.000000000000000000e+00,5.000000000000000000e+01\n2,10,20\n",
            [(1, 0, 50), (2, 10, 20)],
        ),
        ("   1.0000000e+00   0.0000000e+00   5.0000000e+01\n", [(1, 0, 50)]),
        ("# id start end\n1;0;50\n\n% more\n2.0; 10; 20.0;\n", [(1, 0, 50), (2, 10, 20)]),
        ("id\tstart\tend\r\n1\t0\t50\t7\r\n", [(1, 0, 50)]),
    ],
)
def test_tracks_in_every_format_of_numbers(tmp_path: Path, text: str, tracks: list[tuple[int, int, int]]) -> None:
    (tmp_path / "x.txt").write_text(text)
    assert read_tracks(tmp_path / "x.txt") == tracks


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("3,-1,50\n", "line 1: frames -1 to 50 are not a track"),
        ("-1,0,50\n", "line 1: object id -1; the ids of objects are 1 or more"),
        ("1,0,50\n1.5,0,50\n", "line 2, object id: '1.5' is not a whole number"),
        ("1,0,50\nnan,0,50\n", "line 2, object id: 'nan' is not a whole number"),
        ("nan,0,50\n", "line 1, object id: 'nan' is not a whole number"),
        ("1,0,50\n2,7\n", "line 2: 2 numbers; a track is an object id"),
        ("1,0,50\nobject two\n", "line 2: 2 numbers"),
        ("1,0,1e30\n", "line 1, end: '1e30' is not a whole number"),
    ],
)
def test_a_track_is_refused_and_never_read_as_another(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(InputError, match=rf"x\.txt, {says}"):
        read_tracks(tmp_path / "x.txt")


def test_masks_in_nested_cells(tmp_path: Path) -> None:
    masks = [tiny.cell([mask]) for mask in tiny.volume([0, 1, 1])]
    savemat(tmp_path / "1_label.mat", {"volLabel": tiny.cell(masks)})
    assert anomalous_frames(tmp_path / "1_label.mat").tolist() == [0, 1, 1]
    savemat(tmp_path / "1_label.mat", {"volLabel": tiny.cell([tiny.cell(masks)])})
    assert anomalous_frames(tmp_path / "1_label.mat").tolist() == [0, 1, 1]
    for wrong in (tiny.cell(["a", "b"]), tiny.cell([np.zeros((2, 2, 2)), np.zeros((2, 2))]), np.array({"a": 1})):
        savemat(tmp_path / "1_label.mat", {"volLabel": wrong})
        with pytest.raises(InputError, match=r"1_label\.mat: no masks can be read from it .*; make volLabel a cell"):
            anomalous_frames(tmp_path / "1_label.mat")


@pytest.mark.parametrize(
    ("array", "says"),
    [
        ([[10, 20], [30, 40], [50, 60]], r"video 1 has the shape \(3, 2\), not 2 x intervals; transpose it"),
        ([[10, 20], [30, 40]], r"video 1 holds the intervals \[\(10, 20\), \(30, 40\)\] if it is transposed"),
        ([[10.5], [20]], "video 1 holds other values than whole numbers"),
        ([[np.nan], [20]], "video 1 holds other values than whole numbers"),
        ([[20], [10]], r"video 1: \[\(20, 10\)\] are not intervals counted from 1"),
    ],
)
def test_arrays_of_intervals_the_wrong_way_round(tmp_path: Path, array: object, says: str) -> None:
    savemat(tmp_path / "x.mat", {"gt": tiny.cell([np.array(array, float)])})
    with pytest.raises(InputError, match=rf"x\.mat: no intervals can be read from it \({says}"):
        read_gt(tmp_path / "x.mat")


def test_arrays_of_intervals_the_right_way_round(tmp_path: Path) -> None:
    stored = [np.array([[10, 15], [12, 20]]), np.array([[10, 12], [15, 13]]), np.zeros((0, 0)), np.array([[3], [3]])]
    savemat(tmp_path / "x.mat", {"gt": tiny.cell(stored)})
    first, overlapping, none, single = read_gt(tmp_path / "x.mat")
    assert first == [Interval(9, 12), Interval(14, 20)] and single == [Interval(2, 3)] and none == []
    assert overlapping == [Interval(9, 15), Interval(11, 13)]


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([[150, 680, 900], [420, 800, 950]], r"Anno has the shape \(2, 3\), not intervals x 2"),
        ([[150, 680], [420, 800]], "Anno holds the intervals .* transpose it"),
    ],
)
def test_events_of_ucf_crime_the_wrong_way_round(tmp_path: Path, events: object, says: str) -> None:
    (tmp_path / "Matlab_formate").mkdir()
    struct = {"VideoName": "Arson011_x264", "Anno": np.array(events), "EventName": "Arson"}
    savemat(tmp_path / "Matlab_formate" / "Arson011_x264.mat", {"Annotation_file": struct})
    with pytest.raises(InputError, match=rf"Arson011_x264\.mat: .*{says}"):
        open_weak(f"ucf-crime:{tmp_path}")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([0, 255] * 5, [1, 3, 5, 7, 9]),
        (np.array([False, True] * 5), [1, 3, 5, 7, 9]),
        (np.full((10, 1), 1.0), [*range(10)]),
    ],
)
def test_labels_that_can_mean_one_thing_alone(root: Path, values: object, found: list[int]) -> None:
    tiny.array(root / "labels" / "v.npy", values)
    assert labels(root) == {"v": found}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([-1, 1] * 5, "labels are -1 and 1, and either is somebody's anomaly; write 0"),
        ([0, 1] * 4 + [0, np.nan], r"found nan at frame 9 \(from 0\)"),
        ([0, 1, np.inf] + [0] * 7, r"found inf at frame 2 \(from 0\)"),
        ([0, 1, 255] + [0] * 7, r"found 255 at frame 2 \(from 0\)"),
        ([0.0, 0.5] * 5, r"found 0.5 at frame 1 \(from 0\)"),
        (["0", "1"] * 5, "labels are of the type <U1; give one 0 or 1 per frame"),
        ([[2, 4], [6, 7]], r"labels have the shape \(2, 2\)"),
        ([0, 1] * 4, "8 labels for 10 frames of v; there must be one per frame"),
    ],
)
def test_labels_that_mean_nothing_certain_are_refused(root: Path, values: object, says: str) -> None:
    tiny.array(root / "labels" / "v.npy", values)
    with pytest.raises(InputError, match=rf"v\.npy: .*{says}"):
        labels(root)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("v,2,10", "frame 10 is beyond the end of v, which has 10 frames; frames are counted from 0 here"),
        ("v,2,40", "frame 40 is beyond the end of v, which has 10 frames; correct the interval"),
        ("v,4,2", "line 2: frames 4 to 2 are not an interval: the last frame comes before the first"),
        ("V,2,4", "line 2: no video 'V' in this folder; is it 'v'?"),
    ],
)
def test_data_check_says_in_one_line_what_is_wrong_with_a_table(root: Path, row: str, says: str) -> None:
    (root / "intervals.csv").write_text(f"video,start_frame,end_frame\n{row}\n")
    status, text = run("data", "check", f"folder:{root}")
    assert status == 2 and says in text


@pytest.mark.parametrize(("value", "name"), [(0, "normal"), (1, "anomalous")])
def test_frames_of_one_class_are_noted(root: Path, value: int, name: str) -> None:
    tiny.array(root / "labels" / "v.npy", np.full(10, value))
    found = [str(finding) for finding in check(open_labelled(str(root)))]
    assert any(f"all 10 frames are labelled {name}, so no AUC can be computed" in line for line in found)
