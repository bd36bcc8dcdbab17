"""Tables as spreadsheets, scripts and people leave them: the same rules everywhere, and a line for what breaks them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.errors import InputError
from oddframe.reading.tables import read_table, read_text, whole_number
from oddframe.types import Interval

PLAIN = "video,start_frame,end_frame\nv,20,30\n"


def content(tmp_path: Path, data: str | bytes) -> list[tuple[str, int, int]]:
    file = tmp_path / "x.csv"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    table = read_table(file)
    assert set(table.columns) == {"video", "start_frame", "end_frame"}
    return [(row["video"], row.whole("start_frame"), row.whole("end_frame")) for row in table.rows]


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.rstrip("\n"),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        "\ufeff".encode("utf-16-be") + PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-32"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        "sep=;\n" + PLAIN.replace(",", ";"),
        "\n\n" + PLAIN.replace("\n", "\n\n") + ",,\n , ,\n",
        "Video, START Frame ,End-Frame\n v , 20 , 30 \n",
        '"video","start_frame","end_frame"\n"v","20","30"\n',
        '"video" , "start_frame" , "end_frame"\n"v" , "20" , "30"\n',
        ",video,start_frame,end_frame\n0,v,20,30\n",  # the index that pandas writes
        "video,start_frame,end_frame,\nv,20,30,\n",
        "video,start_frame,end_frame\nv,20.0,3.0e+01\n",
        "video,start_frame,end_frame\nv,2.000000000000000000e+01,+30.\n",
        "end_frame,video,start_frame\n30,v,20\n",
        "video,start_frame,end_frame\n\u200bv\u200b,\u00a020,30\n",
    ],
)
def test_every_way_of_writing_a_table_means_the_same(tmp_path: Path, data: str | bytes) -> None:
    assert content(tmp_path, data) == [("v", 20, 30)]


def test_names_are_kept_as_they_are_but_composed(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "Zürich, Ost")
    data = f'video;start_frame;end_frame\n"{decomposed}";1;2\n"a;""b""";1;2\n'
    assert [name for name, _, _ in content(tmp_path, data)] == ["Zürich, Ost", 'a;"b"']


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            "video,start_frame,end_frame\nv,20,0,30,0\n",
            r"line 2: 5 cells for 3 columns; write numbers without a decimal",
        ),
        ("video;start_frame;end_frame\nv;20,0;30,0\n", r"line 2, column start_frame: '20,0' has a comma in it"),
        ('video,start_frame,end_frame\nv,"1,200",3\n', r"line 2, column start_frame: '1,200' has a comma in it"),
        ("video,start_frame,end_frame\nv,20.5,30\n", r"line 2, column start_frame: '20.5' is not a whole number"),
        ("video,start_frame,end_frame\n\nv,\u221220,30\n", r"line 3, column start_frame: '−20' is not a whole number"),
        ("video,start_frame,end_frame\nv,nan,30\n", r"column start_frame: 'nan' is not a whole number"),
        ("video,start_frame,end_frame\nv,1_0,30\n", r"column start_frame: '1_0' is not a whole number"),
        ("video,start_frame,end_frame\nv,1e999,30\n", r"column start_frame: '1e999' is not a whole number"),
        ("video,start_frame,end_frame\nv,20\n", r"line 2, column end_frame: empty; write a whole number"),
        ("video,start_frame,end_frame,Start Frame\n", r"line 1: column start_frame stands twice; keep one"),
        ('video,start_frame,end_frame\n"v,20,30\n', r"line 2: not a line of a CSV .*close every quote"),
        ('video,start_frame,end_frame\n"v,20,30\nw",1,2\n', r"line 2: a cell goes on until line 3; close its quote"),
        (b"video,start_frame,end_frame\n\n\xfc,1,2\n", r"line 3: not UTF-8 .*; save the file as UTF-8"),
        (PLAIN.encode("utf-16-le"), r"x\.csv: holds zero bytes.*; save the file as UTF-8"),
        (PLAIN.encode("utf-16")[:-1], r"x\.csv, line \d: not UTF-16-LE .*; save the file as UTF-8"),
    ],
)
def test_what_breaks_a_rule_is_one_line_with_its_place(tmp_path: Path, data: str | bytes, says: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*x\.csv[^\n]*") as caught:
        content(tmp_path, data)
    assert "\n" not in str(caught.value)
    caught.match(says)


def test_columns_that_are_missing_are_named_beside_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("v|start|end\n")
    with pytest.raises(InputError, match=r"must name the columns video,label or path; it names: v\|start\|end"):
        read_table(tmp_path / "x.csv").require(("video", "label"), ("path",))
    (tmp_path / "x.csv").write_text("")
    with pytest.raises(InputError, match="it names: none"):
        read_table(tmp_path / "x.csv").require(("video",))


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: cannot be read as text \(No such file or directory\)"):
        read_text(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"cannot be read as text \(Is a directory\)"):
        read_text(tmp_path)


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ("30,20", "frames 30 to 20 are not an interval: the last frame comes before the first"),
        ("-1,20", "frames -1 to 20 are not an interval: frames are counted from 0"),
    ],
)
def test_intervals(tmp_path: Path, cells: str, says: str) -> None:
    file = tmp_path / "x.csv"
    file.write_text(f"start,end\n5,9\n{cells}\n")
    first, second = read_table(file).rows
    assert first.interval(("start", "end")) == Interval(5, 10)
    with pytest.raises(InputError, match=f"line 3: {says}"):
        second.interval(("start", "end"))


@given(st.integers(-(2**53) + 1, 2**53 - 1), st.sampled_from(["{}", "{}.0", "{}.", " {} ", "{}e0"]))
def test_whole_numbers_are_exact(value: int, form: str) -> None:
    assert whole_number(form.format(value), "here") == value


@given(st.text(max_size=30))
def test_what_is_no_number_is_refused(text: str) -> None:
    try:
        found = whole_number(text, "here")
    except InputError as error:
        assert "here" in str(error)
    else:
        assert found == float(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_one_line(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.csv"
    file.write_bytes(data)
    try:
        table = read_table(file)
    except InputError as error:
        assert str(file) in str(error) and "\n" not in str(error)
    else:
        assert all(set(row.cells) == set(table.columns) for row in table.rows)
