"""Scores in Python: what a user guesses without reading."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from oddframe.errors import CalibrationError, InputError
from oddframe.scoring.calibrate import Calibration, calibrate
from oddframe.scoring.files import restore_table, save_scores
from oddframe.types import Combination, FrameScores, VideoInfo
from oddframe.video.sources import VideoSource
from oddframe.workflow.scores import Scores

COMBINATION = Combination({"prediction": 1.0})


def video(name: str, score: list[float]) -> FrameScores:
    values = np.array(score, np.float64)
    info = VideoInfo(name, f"{name}.mp4", 128, 72, 1.0)
    return FrameScores(name, np.arange(len(values)), np.arange(len(values)) * 1.0, {"prediction": values}, values, info)


def threshold() -> Calibration:
    """5, from a minute of normal video that never reaches it."""
    time = np.arange(60, dtype=np.float64)
    found = calibrate([(time, np.linspace(0, 1, 60))], quantile=0.9, merge_s=2, min_s=0)
    return Calibration(**{**vars(found), "threshold": 5.0, "low": 4.0})


@pytest.fixture
def scores() -> Scores:
    calm, lively = video("01", [0, 1, 0]), video("02", [0, 0, 9, 9, 0, 0])
    return Scores((calm, lively), threshold(), COMBINATION)


def test_videos_are_found_by_name_and_by_number(scores: Scores) -> None:
    assert scores["02"] is scores[1] is scores[-1] is scores.videos[1]
    assert len(scores) == 2 and [one.video for one in scores] == ["01", "02"] and next(iter(scores)) is scores["01"]
    with pytest.raises(KeyError, match=r"no video '03'; there are: 01, 02"):
        scores["03"]
    with pytest.raises(IndexError):
        scores[2]


def test_events_are_those_of_all_videos_in_order(scores: Scores) -> None:
    (event,) = scores.events()
    assert (event.video, event.start_frame, event.end_frame, event.score) == ("02", 2, 3, 9.0)
    assert scores.events_of(scores["01"]) == [] and scores.events_of(scores["02"]) == [event]


def test_the_repr_says_what_there_is_in_a_line(scores: Scores) -> None:
    assert repr(scores) == "Scores of 2 videos, 9 frames: 1 event above 5"
    missing = VideoSource("03", Path("03.mp4"), "file")
    alone = Scores((scores[0],), None, COMBINATION, skipped=((missing, "not a video"),))
    assert repr(alone) == "Scores of 1 video, 3 frames, no threshold, 1 skipped"
    many = Scores((video("long", [0.0] * 12345),), None, COMBINATION)
    assert repr(many) == "Scores of 1 video, 12,345 frames, no threshold"


def test_a_notebook_shows_the_events_and_names_cannot_become_markup() -> None:
    name = "<script>alert('x')</script> & co"
    page = Scores((video(name, [0, 9, 9, 0]),), threshold(), COMBINATION)._repr_html_()
    assert "&lt;script&gt;" in page and "&amp; co" in page and "<script" not in page
    assert page.count("<tr>") == 2 and "<td>9</td>" in page and "<th>peak s</th>" in page
    calm = Scores((video("01", [0, 1]),), None, COMBINATION)._repr_html_()
    assert "no threshold" in calm and calm.count("<tr>") == 1


def test_without_a_threshold_there_are_scores_but_no_events(scores: Scores) -> None:
    bare = Scores(scores.videos, None, COMBINATION)
    for ask in (bare.events, bare.threshold, lambda: bare.events_of(bare[0])):
        with pytest.raises(CalibrationError, match="have no threshold; calibrate the run first"):
            ask()


class Table(ModuleType):
    """Stands for pandas: keeps what a data frame would be made of."""

    def DataFrame(self, columns: Mapping[str, list[object]]) -> Mapping[str, list[object]]:
        return columns


def test_a_data_frame_has_a_row_for_every_scored_frame(scores: Scores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", Table("pandas"))
    table = scores.to_dataframe()
    assert list(table) == ["video", "frame", "time", "score", "prediction"]
    assert table["video"] == ["01"] * 3 + ["02"] * 6
    assert table["frame"] == [0, 1, 2, 0, 1, 2, 3, 4, 5] and table["score"] == table["prediction"]
    assert table["score"][5] == 9.0 and table["time"][-1] == 5.0


def test_the_same_with_pandas(scores: Scores) -> None:
    pandas = pytest.importorskip("pandas")
    table = scores.to_dataframe()
    assert isinstance(table, pandas.DataFrame) and len(table) == 9
    assert table.groupby("video").score.max().to_dict() == {"01": 1.0, "02": 9.0}


def test_without_pandas_the_extra_is_named(scores: Scores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match=r'needs the library pandas: pip install "\.\[dataframe\]"'):
        scores.to_dataframe()


def spiky(name: str, seconds: int, every: int) -> FrameScores:
    """One alarm every so many seconds."""
    return video(name, [9.0 if second % every == every - 1 else 0.0 for second in range(seconds)])


def promised() -> Calibration:
    """One alarm per hour, from ten hours with ten alarms."""
    time = np.arange(36_000, dtype=np.float64)
    return calibrate([(time, spiky("n", 36_000, 3600).score)], alarms_per_hour=1.0)


@pytest.mark.parametrize(("every", "verdict"), [(60, "more"), (3000, "fits")])
def test_alarms_are_held_against_the_promise(every: int, verdict: str) -> None:
    calibration = promised()
    high = Calibration(**{**vars(calibration), "threshold": 5.0, "low": 4.0})
    found = Scores((spiky("a", 3600, every),), high, COMBINATION).against_promise()
    assert found is not None and found.verdict == verdict
    if verdict == "more":
        assert "60 alarms" in found.sentence


def test_a_threshold_that_promises_nothing_is_not_compared(scores: Scores) -> None:
    assert scores.against_promise() is None
    assert Scores(scores.videos, None, COMBINATION).against_promise() is None


def test_the_table_beside_stored_scores_is_made_again(tmp_path: Path) -> None:
    times = np.arange(4) / 25
    info = VideoInfo("a", "a.mp4", 64, 48, 25.0)
    scores = FrameScores("a", np.arange(4), times, {"error": times}, times, info, "b")
    path = save_scores(scores, tmp_path).with_suffix(".csv")
    whole = path.read_bytes()
    for damaged in (b"", whole[:20], whole.replace(b"0.04", b"0.05"), None):
        if damaged is None:
            path.unlink()
        else:
            path.write_bytes(damaged)
        restore_table(scores, tmp_path)
        assert path.read_bytes() == whole
    before = path.stat().st_ino
    restore_table(scores, tmp_path)
    assert path.stat().st_ino == before
