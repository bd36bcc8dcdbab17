"""UCF-Crime's lists and annotations in every form, in miniature with their oddities, and the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from oddframe.datasets.ucf_crime import PUBLISHED
from oddframe.datasets.weak import WeakVideo, labels, open_weak
from oddframe.errors import InputError
from oddframe.types import Interval

TRAIN = """Abuse/Abuse001_x264.mp4
Training_Normal_Videos_Anomaly/Normal_Videos003_x264.mp4
RoadAccidents/RoadAccidents127_x264.mp4
"""
TEST = """Abuse/Abuse028_x264.mp4
Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4
Arson/Arson011_x264.mp4
"""
OFFICIAL = """Abuse028_x264.mp4  Abuse  165  240  -1  -1  
Normal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1  
Arson011_x264.mp4  Arson  150  420  680  1267  
"""
WITH_FRAMES = """Arson/Arson011_x264.mp4 1266 Arson 150 420 680 1267
Abuse/Abuse028_x264.mp4 1412 Abuse 165 240 -1 -1
Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4 2822 Normal -1 -1 -1 -1
"""
TABS = """Abuse028_x264.mp4\tAbuse\t165\t240\t-1\t-1\t1412
Normal_Videos_003_x264.mp4\tNormal\t-1\t-1\t-1\t-1\t2822
Arson011_x264.mp4\tArson\t150\t420\t680\t1267\t1266
"""
ABUSE = WeakVideo("Abuse028_x264", 1, "Abuse", (Interval(165, 240),))
NORMAL = WeakVideo("Normal_Videos_003_x264", 0, "Normal", ())
ARSON = WeakVideo("Arson011_x264", 1, "Arson", (Interval(150, 420), Interval(680, 1267)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Anomaly_Train.txt").write_text(TRAIN)
    (tmp_path / "Anomaly_Test.txt").write_text(TEST)
    (tmp_path / "Temporal_Anomaly_Annotation.txt").write_text(OFFICIAL)
    return tmp_path


def test_the_official_files(root: Path) -> None:
    found = open_weak(f"ucf-crime:{root}")
    assert found.test == (ABUSE, NORMAL, ARSON)
    assert [(v.name, v.label, v.category, v.intervals) for v in found.train] == [
        ("Abuse001_x264", 1, "Abuse", None),
        ("Normal_Videos003_x264", 0, "Normal", ()),
        ("RoadAccidents127_x264", 1, "RoadAccidents", None),
    ]
    assert found.notes == (
        "2 anomalous and 1 normal training videos; published: 810 and 800",
        "2 anomalous and 1 normal test videos; published: 140 and 150",
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("UCF_Annotation.txt", WITH_FRAMES),
        ("list/Test_Annotation.txt", WITH_FRAMES),
        ("data/a/Temporal_Anomaly_Annotation_New.txt", TABS),
    ],
)
def test_annotations_with_frame_counts_come_first(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)
    found = open_weak(f"ucf-crime:{root}").test
    assert [(v.name, v.intervals, v.frames) for v in found] == [
        (v.name, v.intervals, frames) for v, frames in ((ABUSE, 1412), (NORMAL, 2822), (ARSON, 1266))
    ]


def test_an_annotation_alone_is_a_test_set(tmp_path: Path) -> None:
    (tmp_path / "Temporal_Anomaly_Annotation.txt").write_text(OFFICIAL)
    found = open_weak(f"ucf-crime:{tmp_path}")
    assert (found.train, found.test) == ((), (ABUSE, NORMAL, ARSON))


def test_matlab_structs(tmp_path: Path) -> None:
    folder = tmp_path / "Matlab_formate"
    folder.mkdir()
    for video, events in ((ABUSE, [[165, 240]]), (NORMAL, [[-1, -1]]), (ARSON, [[150, 420], [680, 1267]])):
        struct = {"VideoName": video.name, "Anno": np.array(events), "EventName": video.category}
        savemat(folder / f"{video.name}.mat", {"Annotation_file": struct})
    found = open_weak(f"ucf-crime:{tmp_path}")
    assert {v.name: v for v in found.test} == {v.name: v for v in (ABUSE, NORMAL, ARSON)}
    (folder / "bad.mat").write_text("no struct")
    with pytest.raises(InputError, match=r"bad\.mat: not an annotation with VideoName"):
        open_weak(f"ucf-crime:{tmp_path}")


def test_lists_of_crops_and_frame_counts(tmp_path: Path) -> None:
    (tmp_path / "Train_Annotation.txt").write_text("Burglary/Burglary073_x264.mp4 2769\n")
    rows = "".join(f"feat/Abuse/Abuse028_x264__{crop}.npy,Abuse\n" for crop in range(10))
    (tmp_path / "ucf_CLIP_rgbtest.csv").write_text(f"path,label\n{rows}feat/Normal_Videos_003_x264__5.npy,Normal\n")
    found = open_weak(f"ucf-crime:{tmp_path}")
    assert [(v.name, v.frames) for v in found.train] == [("Burglary073_x264", 2769)]
    assert [(v.name, v.intervals) for v in found.test] == [("Abuse028_x264", None), ("Normal_Videos_003_x264", ())]
    assert "only their labels are known" in found.notes[0]


def test_arrays_confirm_the_annotation_and_tell_lengths(root: Path) -> None:
    (root / "gt").mkdir()
    truth = np.zeros(1408, np.float32)
    truth[165:240] = 1
    np.save(root / "gt" / "Abuse028_x264.npy", truth)
    np.save(root / "gt" / "Arson011_x264.npy", np.zeros(1264, np.int8))  # such all-zero arrays circulate
    found = open_weak(f"ucf-crime:{root}")
    assert [v.frames for v in found.test] == [1408, None, 1264]
    assert found.test[2].intervals == ARSON.intervals
    assert "Arson011_x264.npy: 0 anomalous frames, but 854 by the annotation, which is used" in found.notes[0]
    np.save(root / "gt" / "Arson011_x264.npy", np.full(8, 3))
    with pytest.raises(InputError, match=r"Arson011_x264\.npy: labels must be 0"):
        open_weak(f"ucf-crime:{root}")


def test_an_annotation_may_hold_more_than_the_list_but_not_less(root: Path) -> None:
    (root / "Anomaly_Test.txt").write_text("Abuse/Abuse028_x264.mp4\n")
    found = open_weak(f"ucf-crime:{root}")
    assert found.test == (ABUSE,)
    assert "2 annotated videos are not in" in found.notes[0]
    (root / "Anomaly_Test.txt").write_text(f"{TEST}Abuse/Abuse030_x264.mp4\n")
    with pytest.raises(InputError, match=r"Anomaly_Test\.txt: Abuse030_x264 \(and 0 more\) is not in the annotation"):
        open_weak(f"ucf-crime:{root}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Abuse028.mp4  Abuse  165  240  -1  -1", r"'Abuse028\.mp4' is not the name of a video of UCF-Crime"),
        ("Abuse028_x264.mp4  Arson  165  240  -1  -1", "Abuse028_x264 is annotated as Arson"),
        ("Abuse028_x264.mp4  Abuse  -1  -1  -1  -1", "0 events in Abuse028_x264, a video of class Abuse"),
        ("Normal_Videos_003_x264.mp4  Normal  1  5  -1  -1", "1 events in Normal_Videos_003_x264"),
        ("Abuse028_x264.mp4  Abuse  240  165  -1  -1", "frames 240 to 165 are not an interval"),
        ("Abuse028_x264.mp4  Abuse  165  -1  -1  -1", "frames 165 to -1 are not an interval"),
        ("Abuse028_x264.mp4  Abuse  165  2f0  -1  -1", "'2f0' is not a whole number"),
        ("Abuse028_x264.mp4", "the class and the frame numbers are missing"),
    ],
)
def test_bad_lines_are_named(root: Path, line: str, says: str) -> None:
    (root / "Temporal_Anomaly_Annotation.txt").write_text(f"{OFFICIAL}\n{line}\n")
    with pytest.raises(InputError, match=rf"Temporal_Anomaly_Annotation\.txt, line 5.*: {says}"):
        open_weak(f"ucf-crime:{root}")


def test_unreadable_lists(root: Path) -> None:
    (root / "Anomaly_Train.txt").write_text("\n")
    with pytest.raises(InputError, match=r"Anomaly_Train\.txt: this list is empty"):
        open_weak(f"ucf-crime:{root}")
    (root / "Anomaly_Train.txt").write_bytes(b"Abuse/\xff_x264.mp4")
    with pytest.raises(InputError, match=r"Anomaly_Train\.txt, line 1: not UTF-8"):
        open_weak(f"ucf-crime:{root}")
    (root / "Anomaly_Train.txt").write_text(TEST)
    with pytest.raises(InputError, match="Abuse028_x264 is listed twice"):
        open_weak(f"ucf-crime:{root}")


@pytest.mark.realdata
def test_the_real_lists(shared_data: Path) -> None:
    found = open_weak(f"ucf-crime:{shared_data / 'ucf_crime_c3d'}")
    assert found.notes == ()
    assert (len(found.train), len(found.test)) == (1610, 290)
    classes = [v.category for v in found.test]
    assert {name: classes.count(name) for name in ("RoadAccidents", "Shooting", "Abuse", "Normal")} == {
        "RoadAccidents": 23,
        "Shooting": 23,
        "Abuse": 2,
        "Normal": 150,
    }
    assert len({v.category for v in found.train} - {"Normal"}) == 13
    assert sum(len(v.intervals or ()) == 2 for v in found.test) == 16
    # Some intervals reach past the end of their video; clipped to the features, they make the published count.
    assert 0 < sum(len(interval) for v in found.test for interval in v.intervals or ()) - PUBLISHED.positives < 100


@pytest.mark.realdata
def test_the_real_ground_truth_of_the_subset(shared_data: Path) -> None:
    folder = shared_data / "ucf_crime_c3d"
    videos = {v.name: v for v in open_weak(f"ucf-crime:{folder}").test}
    arrays = {file.stem: np.load(file) for file in (folder / "gt").glob("*.npy")}
    rebuilt = {name: labels(videos[name], len(array)) for name, array in arrays.items()}
    assert len(arrays) == 158
    assert all(np.array_equal(rebuilt[name], array) for name, array in arrays.items())
    assert sum(map(len, rebuilt.values())) == sum(videos[name].frames or 0 for name in arrays) == 679_408
    assert sum(int(own.sum()) for own in rebuilt.values()) == 6_248
    assert sum(int(labels(videos[name], len(a), "sultani").sum()) for name, a in arrays.items()) > 6_248
