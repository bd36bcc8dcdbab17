"""What the columns of label tables say, and what is refused because it could be read as its opposite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny

from oddframe.datasets.folder import read_folder
from oddframe.datasets.weak import open_weak
from oddframe.errors import InputError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A set of two videos of ten frames."""
    tiny.frames(tmp_path / "frames" / "v", 10)
    tiny.frames(tmp_path / "frames" / "w", 10)
    return tmp_path


def write(root: Path, place: str, text: str) -> None:
    (root / "labels").mkdir(exist_ok=True)
    (root / "labels" / "w.txt").write_text("0 " * 10)
    (root / place).write_text(text)


def anomalous(root: Path) -> list[int]:
    return np.flatnonzero(read_folder(root).videos[0].labels).tolist()


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("intervals.csv", "video,start,end,label\nv,0,5,normal\nv,6,8,anomaly\nw,,,normal\n"),
        ("intervals.csv", "video,start_frame,end_frame,Label\nv,0,5,0\nv,6,8,1.0\n"),
        ("labels/v.csv", "start,end,label\n0,5,0\n6,8,1\n"),
        ("labels/v.csv", "label;start;end\nAbnormal;6;8\nnormal;9;9\n"),
        ("labels/v.csv", "start,end\n6,8\n"),
    ],
)
def test_a_label_beside_intervals_is_obeyed(root: Path, place: str, text: str) -> None:
    write(root, place, text)
    assert anomalous(root) == [6, 7, 8]
    assert not any("not looked at" in note for note in read_folder(root).notes)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("start,end,label\n0,6,0\n6,8,1\n", "line 3: frame 6 is normal and anomalous"),
        ("start,end,label\n,,normal\n6,8,1\n", "line 3: frame 6 is normal and anomalous"),
        ("start,end,label\n6,8,\n", "label '' is neither 0"),
        ("start,end,label\n6,8,car\n", "label 'car' is neither 0"),
        ("start,end,class\n0,5,Normal\n6,8,Fight\n", "column class seems to say which rows are normal; call it label"),
        ("start,end,is_anomaly\n0,5,False\n6,8,True\n", "column is_anomaly seems to say"),
        ("start,end,y\n0,5,0\n6,8,1\n", "column y seems to say"),
        ("start,end,category\n0,5,0\n6,8,7\n", "column category seems to say"),
        ("start,end,frame\n0,5,0\n", "must name the columns frame,label"),
        ("frame,label\n" + "".join(f"{n},0\n" for n in range(1, 11)), "counted from 1?"),
        ("frame,label\n" + "".join(f"{n},0\n" for n in [*range(10), 4]), "line 12: frame 4 stands on a line before"),
        ("frame,label\n" + "".join(f"{n},0\n" for n in (0, 1, 3)), "holds no frame 2, .* 3, once; add the row"),
        ("frame,label\n-1,0\n0,0\n", "line 2: frame -1; frames are counted from 0"),
    ],
)
def test_a_table_that_could_mean_its_opposite_is_refused(root: Path, text: str, says: str) -> None:
    write(root, "labels/v.csv", text)
    with pytest.raises(InputError, match=rf"v\.csv.*{says}"):
        read_folder(root)


@pytest.mark.parametrize("columns", ["fps", "total,frames", "text"])
def test_other_columns_are_noted(root: Path, columns: str) -> None:
    write(root, "labels/v.csv", f"start,end,{columns}\n6,8,{','.join('30' for _ in columns.split(','))}\n")
    assert anomalous(root) == [6, 7, 8]
    assert any(f"{columns.replace(',', ', ')} " in n and "not looked at" in n for n in read_folder(root).notes)


def test_other_columns_of_a_weak_table_are_noted(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("video,label,fps\nv,1,30\nw,0,25\n")
    assert "test.csv: column fps is not looked at" in open_weak(f"csv:{tmp_path}").notes[0]


@pytest.mark.parametrize("text", ["0 0\n1 0\n2 1\n", "0,1\n1,1\n7,0\n", "2 8\n12 15\n"])
def test_a_text_of_two_columns_is_named(root: Path, text: str) -> None:
    write(root, "labels/v.txt", text)
    with pytest.raises(InputError, match=r"v\.txt: this is a table of 2 columns"):
        read_folder(root)


def test_labels_may_stand_in_lines_of_equal_length(root: Path) -> None:
    write(root, "labels/v.txt", "0 0\n0 0\n0 0\n1 1\n1 0\n")
    assert anomalous(root) == [6, 7, 8]
