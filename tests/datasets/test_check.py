"""What `data check` finds, one fault at a time in a sound set, and what `data info` counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import tiny
from typer.testing import CliRunner

from oddframe.cli.data import app
from oddframe.datasets import ucsd
from oddframe.datasets.check import check, unreadable
from oddframe.datasets.labelled import Counts
from oddframe.datasets.readers import open_any, open_labelled
from oddframe.datasets.summary import summarize
from oddframe.errors import InputError, VideoError

LABELS = {"01": [0, 1, 1, 0, 0], "02": [1, 0, 0]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A sound folder: a video and a frame folder, labels, and masks of both."""
    tiny.video(tmp_path / "videos" / "01.mp4", 5)
    tiny.frames(tmp_path / "videos" / "02", 3)
    for name, own in LABELS.items():
        tiny.array(tmp_path / "labels" / f"{name}.npy", own)
        tiny.array(tmp_path / "masks" / f"{name}.npy", tiny.volume(own))
    return tmp_path


def found(root: Path, **options: bool) -> list[str]:
    return [str(finding) for finding in check(open_labelled(f"folder:{root}"), **options)]


def test_a_sound_set_has_no_findings(root: Path) -> None:
    seen = []
    assert check(open_labelled(str(root)), progress=lambda done, total: seen.append((done, total))) == []
    assert seen == [(1, 2), (2, 2)]
    assert found(root, decode=False) == []


def gap(root: Path) -> None:
    folder = root / "videos" / "02"
    (folder / "001.png").rename(folder / "005.png")


def twice(root: Path) -> None:
    folder = root / "videos" / "02"
    (folder / "001.png").rename(folder / "2.png")


def deeper(root: Path) -> None:
    tiny.frames(root / "videos" / "02" / "more", 2)


def broken_image(root: Path) -> None:
    (root / "videos" / "02" / "001.png").write_text("no image")


def few_labels(root: Path) -> None:
    tiny.array(root / "labels" / "01.npy", [0, 1, 1, 0])


def few_masks(root: Path) -> None:
    tiny.array(root / "masks" / "02.npy", tiny.volume([1, 0]))


def broken_masks(root: Path) -> None:
    (root / "masks" / "02.npy").write_text("no masks")


def other_masks(root: Path) -> None:
    tiny.array(root / "masks" / "02.npy", tiny.volume([1, 0, 1]))


def late_labels(root: Path) -> None:
    tiny.array(root / "labels" / "01.npy", [0, 0, 1, 1, 0])


def early_labels(root: Path) -> None:
    tiny.array(root / "labels" / "01.npy", [1, 1, 0, 0, 0])


def stray_label(root: Path) -> None:
    tiny.array(root / "labels" / "03.npy", [0])


def other_rate(root: Path) -> None:
    tiny.video(root / "videos" / "03.mp4", 2, rate=25)
    tiny.array(root / "labels" / "03.npy", [0, 1])


def uneven(root: Path) -> None:
    (root / "videos" / "01.mp4").unlink()
    with av.open(str(root / "videos" / "01.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        for stamp in (0, 1, 2, 6, 7):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 9, np.uint8), format="rgb24")
            frame.pts = stamp
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (gap, "02: 3 of the frames numbered 0 to 5 are missing, first 1; extract them again"),
        (twice, "02: one frame number stands in more than one name, first in 002 and 2; keep one image per frame"),
        (deeper, "02: images in more/ below a folder of frames are not read; give each video one folder"),
        (broken_image, "02: 1 unreadable image skipped, first 001.png; get the file again"),
        (broken_image, "02: 3 labels for 2 frames decoded; make one label per frame"),
        (few_labels, "01.mp4: 4 labels for 5 frames decoded; make one label per frame"),
        (few_masks, "02.npy: 2 masks for 3 labelled frames; get the masks again"),
        (broken_masks, "02.npy: cannot be read ("),
        (other_masks, "02.npy: masks and labels disagree in 1 frames, first 2 (from 0); find out which"),
        (late_labels, "01.npy: masks and labels disagree in 2 frames, first 1 (from 0); labels are one frame late"),
        (early_labels, "01.npy: masks and labels disagree in 2 frames, first 0 (from 0); labels are one frame early"),
        (stray_label, "03.npy: labels without a video of that name; correct it"),
        (other_rate, "rates differ: 10.00 frames/s in 01, 25.00 in 03; a model sees motion in frames"),
        (uneven, "01.mp4: variable frame rate: frames follow each other after 0.040 to 0.160 s; labels by frame"),
    ],
)
def test_every_fault_is_found_and_answered(root: Path, fault: Callable[[Path], None], says: str) -> None:
    fault(root)
    lines = found(root)
    assert any(says in line for line in lines), lines


def test_headers_alone_find_what_needs_no_decoding(root: Path) -> None:
    few_labels(root)
    assert any("4 labels for 5 frames promised by its header" in line for line in found(root, decode=False))


def test_a_folder_of_its_own_name(tmp_path: Path) -> None:
    tiny.frames(tmp_path / "01" / "01", 3)
    tiny.array(tmp_path / "labels" / "01" / "01.npy", [0, 1, 0])
    assert "lies in a folder of its own name; move it one folder up" in found(tmp_path)[0]


def test_missing_clips_and_trimmed_ones_against_the_published_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ucsd.PUBLISHED, "Ped2", Counts(3, 9, 5, "counted by hand", (3, 2, 4)))

    def lines() -> list[str]:
        return [str(finding) for finding in check(open_labelled(f"ucsd-ped2:{tmp_path}"), decode=False)]

    for number, own in enumerate(([0, 1, 1], [1, 0], [0, 1, 1, 0]), 1):
        tiny.frames(tmp_path / "testing" / "frames" / f"{number:02d}", len(own))
        tiny.array(tmp_path / "testing" / "labels" / f"{number:02d}.npy", own)
    assert lines() == []
    tiny.array(tmp_path / "testing" / "labels" / "02.npy", [1, 1])
    (line,) = lines()
    assert "6 anomalous test frames; published: 5 (counted by hand); get the label file again" in line
    tiny.array(tmp_path / "testing" / "labels" / "02.npy", [1])
    (tmp_path / "testing" / "frames" / "02" / "001.png").unlink()
    clip, total = lines()
    assert "02: 1 frames; published: 2; extract all its frames" in clip
    assert "8 test frames; published: 9 (counted by hand)" in total
    (tmp_path / "testing" / "frames" / "02").rename(tmp_path / "put away")
    (line,) = lines()
    assert "2 test videos; published: 3, missing: 2; get the missing videos" in line


def test_avenue_labels_need_not_agree_with_its_masks(tmp_path: Path) -> None:
    tiny.frames(tmp_path / "testing" / "frames" / "01", 3)
    tiny.array(tmp_path / "Avenue_gt.npy", [0, 1, 0])
    tiny.masks_mat(tmp_path / "testing_label_mask" / "1_label.mat", [1, 1, 0])
    assert not any("disagree" in str(finding) for finding in check(open_labelled(f"avenue-3712:{tmp_path}")))


def test_weak_sets_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("video,label\na.mp4,1\nb.mp4,0\n")
    assert [str(finding) for finding in check(open_any(f"csv:{tmp_path}"))] == [
        f"{tmp_path.name}: no test videos; add the list of test videos to evaluate on it"
    ]
    (tmp_path / "test.csv").write_text("video,label,frames,start_frame,end_frame\nc,1,9,2,3\nd,1,4,,\ne,0,5,,\n")
    (finding,) = check(open_any(f"csv:{tmp_path}"))
    assert "only the label of 1 anomalous test videos is known, the first is d" in str(finding)


def test_files_that_do_not_open_are_all_named(root: Path) -> None:
    for name in ("03", "04"):
        (root / "videos" / f"{name}.mp4").write_text("no video")
        tiny.array(root / "labels" / f"{name}.npy", [0])
    assert [Path(finding.where).name for finding in unreadable(root / "videos")] == ["03.mp4", "04.mp4"]
    result = CliRunner().invoke(app, ["check", f"folder:{root}"])
    assert isinstance(result.exception, VideoError) and result.exception.exit_status == 2
    assert "03.mp4: cannot be read" in result.output and "04.mp4: cannot be read" in result.output


def test_the_command_says_what_it_found_and_how_it_ended(root: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(root)])
    note, found = result.stdout.strip().splitlines()
    assert (result.exit_code, found) == (0, f"{root.name}: no findings") and "25 frames/s were assumed" in note
    few_masks(root)
    result = CliRunner().invoke(app, ["check", f"folder:{root}", "--headers"])
    assert result.exit_code == 3 and result.stdout.endswith(f"{root.name}: 1 finding\n")
    result = CliRunner().invoke(app, ["check", f"folder:{root}", "--json"])
    (finding,) = json.loads(result.stdout)["findings"]
    assert result.exit_code == 3 and finding["what"] == "2 masks for 3 labelled frames"
    result = CliRunner().invoke(app, ["check", f"avenue:{root}"])
    assert isinstance(result.exception, InputError) and result.exception.exit_status == 2


def test_info_counts_beside_the_published_numbers(root: Path) -> None:
    counts = {count.what: (count.found, count.published) for count in summarize(open_any(f"folder:{root}")).counts}
    assert counts == {"test videos": (2, None), "test frames": (8, None), "anomalous test frames": (3, None)}
    tiny.frames(root / "ped2" / "testing" / "frames" / "01", 3)
    tiny.array(root / "ped2" / "testing" / "labels" / "01.npy", [0, 1, 1])
    result = CliRunner().invoke(app, ["info", f"ucsd-ped2:{root / 'ped2'}"])
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["test", "frames", "3", "2,010"] in lines and ["anomalous", "test", "frames", "2", "1,648"] in lines
    assert ["training", "frames", "-", "2,550"] in lines
    told = json.loads(CliRunner().invoke(app, ["info", f"ucsd-ped2:{root / 'ped2'}", "--json"]).stdout)
    assert {"what": "test videos", "found": 1, "published": 12} in told["counts"]


def test_info_of_a_weak_set_counts_frames_where_all_are_known(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("video,label,frames,start_frame,end_frame\nc,1,9,2,3\ne,0,5,,\n")
    counts = {count.what: count.found for count in summarize(open_any(f"csv:{tmp_path}")).counts}
    assert (counts["test frames"], counts["anomalous test frames"]) == (14, 2)
    (tmp_path / "test.csv").write_text("video,label,frames,start_frame,end_frame\nc,1,9,2,3\ne,0,,,\n")
    counts = {count.what: count.found for count in summarize(open_any(f"csv:{tmp_path}")).counts}
    assert (counts["test frames"], counts["anomalous test videos"]) == (None, 1)


def test_info_of_a_folder_of_videos_stays(root: Path) -> None:
    result = CliRunner().invoke(app, ["info", str(root / "videos")])
    assert result.exit_code == 0 and "32 x 32" in result.stdout


@pytest.mark.slow
@pytest.mark.realdata
def test_the_real_sets(shared_data: Path) -> None:
    summary = summarize(open_any(f"ucf-crime:{shared_data / 'ucf_crime_c3d'}"))
    assert all(count.found == count.published for count in summary.counts if "videos" in count.what)
    ped2 = open_any(f"ucsd-ped2:{shared_data / 'ucsd_ped2'}")
    assert check(ped2, decode=False) == []
    lines = [str(line) for line in check(open_any(f"ucsd-ped2:{shared_data / 'ucsd_ped2_original_sample'}"))]
    assert any("labels frames up to 146" in line for line in lines)
    assert any("1 test videos; published: 12, missing: 1, 2, 4," in line for line in lines)
