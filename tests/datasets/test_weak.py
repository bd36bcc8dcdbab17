"""Weakly labelled videos: what makes one, label rules, the CSV of one's own, and the readers by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.datasets.label_files import pairs
from oddframe.datasets.weak import Published, WeakSet, WeakVideo, labels, open_weak
from oddframe.datasets.weak_csv import read_csv
from oddframe.errors import InputError
from oddframe.types import Interval, runs


def write(folder: Path, name: str, *lines: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def test_the_rules_read_the_same_numbers_differently() -> None:
    video = WeakVideo("a", 1, "Abuse", (Interval(2, 4), Interval(6, 9)))
    read = {rule: labels(video, 8, rule).tolist() for rule in ("exclusive", "rtfm", "sultani", "seominseok")}  # type: ignore[arg-type]
    assert read["exclusive"] == [0, 0, 1, 1, 0, 0, 1, 1]
    assert read["rtfm"] == [0, 0, 1, 1, 1, 0, 1, 1]
    assert read["sultani"] == read["seominseok"] == [0, 1, 1, 1, 0, 1, 1, 1]
    assert labels(video, 8).dtype == np.int8


def test_frames_counted_from_one_may_begin_with_zero_all_the_same() -> None:
    assert labels(WeakVideo("a", 1, "Abuse", (Interval(0, 2),)), 4, "sultani").tolist() == [1, 1, 0, 0]


def test_exact_annotations_are_read_alike_but_for_what_lies_beyond_the_end() -> None:
    video = WeakVideo("a", 1, "Anomaly", (Interval(1, 2), Interval(4, 6)), frames=6, exact=True)
    assert labels(video, 8, "exclusive").tolist() == labels(video, 8, "sultani").tolist() == [0, 1, 0, 0, 1, 1, 0, 0]
    assert labels(video, 8, "rtfm").tolist() == [0, 1, 0, 0, 1, 1, 1, 1]
    assert labels(video, 5, "rtfm").tolist() == [0, 1, 0, 0, 1]
    inner = WeakVideo("a", 1, "Anomaly", (Interval(1, 2),), frames=6, exact=True)
    assert labels(inner, 8, "rtfm").tolist() == [0, 1, 0, 0, 0, 0, 0, 0]


def test_labels_are_as_long_as_asked_and_normal_videos_have_none() -> None:
    assert labels(WeakVideo("n", 0, "Normal"), 5).tolist() == [0] * 5
    assert labels(WeakVideo("a", 1, "Abuse", (Interval(90, 99),)), 5).tolist() == [0] * 5


def test_what_cannot_be_labelled_frame_by_frame() -> None:
    with pytest.raises(InputError, match="a: only the label of the video is known"):
        labels(WeakVideo("a", 1, "Abuse"), 5)
    with pytest.raises(
        InputError, match=r"no label rule 'inclusive'; did you mean exclusive\? \(there are: exclusive, rtfm"
    ):
        labels(WeakVideo("n", 0, "Normal"), 5, "inclusive")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("label", "intervals", "says"),
    [
        (2, (), "not 2"),
        (0, (Interval(1, 2),), "labelled normal, but with anomalous frames"),
        (1, (), "labelled anomalous, but without"),
    ],
)
def test_contradictions_are_refused(label: int, intervals: tuple[Interval, ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        WeakVideo("a", label, "Abuse", intervals)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=40))
def test_runs_give_the_labels_back(values: list[int]) -> None:
    found = tuple(runs(np.array(values, np.int8)))
    video = WeakVideo("a", int(bool(found)), "Anomaly", found, len(values), exact=True)
    assert labels(video, len(values)).tolist() == values


def test_pairs() -> None:
    assert pairs([3, 9, -1, -1], "here") == (Interval(3, 9),)
    assert pairs([-1, -1, -1, -1], "here") == ()
    for numbers, says in (([1, 2, 3], "3 frame numbers"), ([9, 3], "frames 9 to 3"), ([5, -1], "frames 5 to -1")):
        with pytest.raises(InputError, match=f"here: {says}"):
            pairs(numbers, "here")


def test_a_video_stands_once_in_a_set() -> None:
    video = WeakVideo("a", 0, "Normal")
    with pytest.raises(InputError, match="set: a is listed twice"):
        WeakSet("set", (video,), (video,))
    with pytest.raises(InputError, match="set: there are no videos"):
        WeakSet("set", (), ())


def test_differences_from_what_is_published_are_told() -> None:
    published = Published((1, 0), (1, 1), 100, 7, "some rule")
    normal, anomalous = WeakVideo("n", 0, "Normal"), WeakVideo("a", 1, "Abuse")
    assert published.compare_videos([anomalous], [normal, anomalous]) == ()
    assert published.compare_videos([], []) == ()
    (note,) = published.compare_videos([anomalous], [normal])
    assert note == "0 anomalous and 1 normal test videos; published: 1 and 1"
    assert published.compare_frames(100, 7) is None
    told = published.compare_frames(1100, 8)
    assert told == "8 of 1,100 test frames are anomalous; in the published ground truth (some rule) 7 of 100"


def test_a_csv_with_everything(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "all.csv",
        "Video, Label, Class, Frames, start_frame, end_frame",
        "cam/one.mp4, 1, Fight, 100, 10, 19",
        "two.x264.MKV, normal, , 50, ,",
        "cam/one.mp4, 1, Fight, 100, 99, 99",
        "three, Anomalous, , , ,",
    )
    one, two, three = read_csv(file)
    assert one == WeakVideo("cam/one", 1, "Fight", (Interval(10, 20), Interval(99, 100)), 100, exact=True)
    assert labels(one, 100).sum() == labels(one, 100, "rtfm").sum() == 11
    assert (two.name, two.label, two.category, two.intervals, two.frames) == ("two.x264", 0, "Normal", (), 50)
    assert (three.name, three.category, three.intervals, three.frames) == ("three", "Anomaly", None, None)


def test_two_columns_are_enough(tmp_path: Path) -> None:
    found = open_weak(f"csv:{write(tmp_path, 'mine.csv', 'label,video', '0,a.mp4', '1,b.mp4')}")
    assert (found.name, found.train, [v.label for v in found.test]) == ("mine", (), [0, 1])
    assert open_weak(str(tmp_path / "mine.csv")) == found


def test_several_classes_of_one_video(tmp_path: Path) -> None:
    (video,) = read_csv(write(tmp_path, "x.csv", "video,label,class", "a,1,Fight+Fire"))
    assert video.categories == ("Fight", "Fire")


def test_a_folder_of_train_and_test(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", "video,label", "a,0")
    assert [v.name for v in open_weak(f"csv:{tmp_path}").train] == ["a"]
    write(tmp_path, "test.csv", "video,label", "b,1")
    found = open_weak(f"csv:{tmp_path}")
    assert (found.name, len(found.train), found.test[0].name) == (tmp_path.name, 1, "b")
    write(tmp_path, "test.csv", "video,label", "a,0")
    with pytest.raises(InputError, match="a is listed twice"):
        open_weak(f"csv:{tmp_path}")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["video,lable", "a,1"], r"the first line must name the columns video,label; it names: video, lable"),
        (["video,label"], "lists no video"),
        (["video,label", "a,1", "b,maybe"], r"line 3: label 'maybe' is neither 0"),
        (["video,label", " ,1"], r"line 2: no video named"),
        (["video,label,start,end", "a,1,3,9", "a,0,,"], r"line 3: a has another label, class or number of frames"),
        (["video,label,start,end", "a,1,3,9", "a,1,,"], r"line 3: a is listed 2 times, and this row has no first"),
        (["video,label,start,end", "a,0,3,9"], r"line 2: a is labelled normal, but has anomalous frames 3 to 9"),
        (["video,label,start,end", "a,1,9,3"], r"line 2: frames 9 to 3 are not an interval"),
        (["video,label,start,end", "a,1,9,"], r"line 2, column end: empty; write a whole number"),
        (["video,label,frames,start,end", "a,1,10,3,10"], r"line 2: frame 10 is beyond the end of a, which has 10"),
        (["video,label,frames", "a,1,many"], r"line 2, column frames: 'many' is not a whole number"),
        (["video,label,frames", "a,1,0"], r"line 2: frames is 0"),
        (["video,label,class", "a,1,normal"], r"line 2: an anomalous video of class normal"),
    ],
)
def test_a_csv_that_cannot_be_right(tmp_path: Path, rows: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_csv(write(tmp_path, "x.csv", *rows))


def test_what_is_not_there(tmp_path: Path) -> None:
    for spec in ("ucf-crime", "nothing:here", str(tmp_path)):
        with pytest.raises(InputError, match="NAME is one of ucf-crime, xd-violence, shanghaitech-weak, csv"):
            open_weak(spec)
    with pytest.raises(InputError, match=r"neither train\.csv nor test\.csv"):
        open_weak(f"csv:{tmp_path}")
    for spec in (f"csv:{tmp_path / 'none.csv'}", str(tmp_path / "none.csv")):
        with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
            open_weak(spec)
    for name in ("ucf-crime", "xd-violence", "shanghaitech-weak"):
        with pytest.raises(InputError, match="no list of"):
            open_weak(f"{name}:{tmp_path}")
        with pytest.raises(InputError, match="no such folder"):
            open_weak(f"{name}:{tmp_path / 'none'}")


@pytest.mark.realdata
def test_the_real_fights(shared_data: Path) -> None:
    found = open_weak(f"csv:{shared_data / 'surv_fight'}")
    assert [sum(v.label for v in part) for part in (found.train, found.test)] == [100, 50]
    assert (len(found.train), len(found.test)) == (200, 100)
    assert found.train[0].name.startswith("fight/")
