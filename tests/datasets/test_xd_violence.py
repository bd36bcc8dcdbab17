"""XD-Violence's lists and annotation in miniature: names with "#" and "=", classes in names, stray suffixes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oddframe.datasets.weak import open_weak
from oddframe.errors import InputError
from oddframe.types import Interval

RIOT = "v=S-7rRLrxnVQ__#1_label_B4-0-0"
FURIOUS = "The.Fast.and.the.Furious.2001__#00-29-00_00-29-52_label_B2-G-0"
AMELIE = "Le.Fabuleux.Destin.d'Amélie__#00-08-55_00-10-50_label_A"
THREE = "Bad.Boys.1995__#01-11-55_01-12-40_label_G-B2-B6"
TRAIN = ("v=aaa__#1_label_B1-0-0", "映画.2001__#0-18-35_0-18-55_label_A")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    crops = (f"/media/disk/i3d-features/RGB/{name}__{crop}.npy\n" for name in TRAIN for crop in range(5))
    (tmp_path / "rgb.list").write_text("".join(crops), encoding="utf-8")
    crops = (f"i3d/RGBTest/{name}__{c}.npy\n" for name in (FURIOUS, AMELIE, RIOT, THREE) for c in range(5))
    (tmp_path / "rgb_test.list").write_text("".join(crops), encoding="utf-8")
    (tmp_path / "annotations.txt").write_text(
        f"{RIOT} 0 1517 1970 3038\n{FURIOUS}.mp4 310 515 790 1045\n{THREE} 157 180 185 244 250 360 582 810\n"
    )
    return tmp_path


def test_lists_and_annotation(root: Path) -> None:
    found = open_weak(f"xd-violence:{root}")
    assert [(v.name, v.label, v.category, v.intervals) for v in found.test] == [
        (FURIOUS, 1, "Shooting+Explosion", (Interval(310, 515), Interval(790, 1045))),
        (AMELIE, 0, "Normal", ()),
        (RIOT, 1, "Riot", (Interval(0, 1517), Interval(1970, 3038))),
        (
            THREE,
            1,
            "Explosion+Shooting+CarAccident",
            (Interval(157, 180), Interval(185, 244), Interval(250, 360), Interval(582, 810)),
        ),
    ]
    assert [(v.name, v.label, v.category, v.intervals) for v in found.train] == [
        (TRAIN[0], 1, "Fighting", None),
        (TRAIN[1], 0, "Normal", ()),
    ]
    assert found.test[3].categories == ("Explosion", "Shooting", "CarAccident")
    assert found.notes == (
        "1 anomalous and 1 normal training videos; published: 1905 and 2049",
        "3 anomalous and 1 normal test videos; published: 500 and 300",
    )


@pytest.mark.parametrize(
    ("train", "test", "line"),
    [
        ("audio.list", "audio_test.list", "/a/vggish/{}__vggish.npy"),
        ("xd_CLIP_rgb.csv", "xd_CLIP_rgbtest.csv", "path/{}__0.npy,B4"),
        ("list/train.list", "list/test.list", "{}.mp4"),
        ("train.list", "test.list", "{}"),
    ],
)
def test_other_lists(tmp_path: Path, train: str, test: str, line: str) -> None:
    for name, videos in ((train, TRAIN), (test, (AMELIE, RIOT, THREE))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        head = "path,label\n" if name.endswith(".csv") else ""
        (tmp_path / name).write_text(head + "".join(line.format(v) + "\n" for v in videos), encoding="utf-8")
    found = open_weak(f"xd-violence:{tmp_path}")
    assert [v.name for v in found.train] == list(TRAIN)
    assert [(v.name, v.intervals) for v in found.test] == [(AMELIE, ()), (RIOT, None), (THREE, None)]
    assert "only their labels are known" in found.notes[0]


def test_arrays_tell_lengths(root: Path) -> None:
    (root / "xd-gt").mkdir()
    truth = np.zeros(1040, np.float32)
    truth[310:515] = truth[790:] = 1
    np.save(root / "xd-gt" / f"{FURIOUS}.npy", truth)
    found = open_weak(f"xd-violence:{root}")
    assert [v.frames for v in found.test] == [1040, None, None, None]
    assert not any("by the annotation" in note for note in found.notes)


def test_annotated_videos_that_no_list_names_are_told(root: Path) -> None:
    (root / "rgb_test.list").write_text(f"{RIOT}__0.npy\n")
    found = open_weak(f"xd-violence:{root}")
    assert len(found.test) == 1
    assert "2 annotated videos are not in" in found.notes[0]


def test_anomalous_test_videos_must_be_annotated(root: Path) -> None:
    (root / "annotations.txt").write_text(f"{RIOT} 0 1517\n")
    with pytest.raises(
        InputError, match=r"annotations\.txt: The\.Fast.*is an anomalous test video and is not annotated"
    ):
        open_weak(f"xd-violence:{root}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"{RIOT} 0", "1 frame numbers do not make pairs"),
        (f"{RIOT} 9 4", "frames 9 to 4"),
        (f"{RIOT} 0 x", "frame number 2: 'x' is not a whole number"),
        (RIOT, "no frame numbers"),
        ("v=abc__#1 0 4", "does not hold the name of a video of XD-Violence"),
        ("v=abc__#1_label_B3-0-0 0 4", "'B3-0-0' are not classes of XD-Violence"),
        ("v=abc__#1_label_A-B1-0 0 4", "'A-B1-0' are not classes"),
        ("v=abc__#1_label_0-0-0 0 4", "'0-0-0' are not classes"),
        (f"{AMELIE.split()[0]} 0 4", "labelled normal, but with anomalous frames"),
    ],
)
def test_bad_lines_are_named(root: Path, line: str, says: str) -> None:
    with (root / "annotations.txt").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    with pytest.raises(InputError, match=says):
        open_weak(f"xd-violence:{root}")
