"""Time: the highest score of each part of a day or a video, and what happened then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from found import NOON, notice
from shown import OpenPage, scores_of, write_video

import oddframe
from oddframe.live.scores import stamp
from oddframe.scoring.files import save_scores
from oddframe.types import FrameScores

DAY = "2026-12-01"


def a_day(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Two stretches of the camera "front", with an event, a gap and a fault; the (UTC, score) of each stretch."""
    one = scores_of(write_video(folder / "front.mp4", 200), "front")
    chance, curves = np.random.default_rng(5), []
    for begin in (NOON, NOON + 40.0):
        score = chance.uniform(0, 9, len(one.score))
        part = replace(one, video=f"front/{stamp(begin)}", score=score, map=None)
        save_scores(part, folder / "scores")
        curves.append((one.time - one.time[0] + begin, score))
    (folder / "scores" / "front" / "notes.npz").write_bytes(b"no scores")
    rows = [
        notice(0, "closed", start_utc=NOON + 3, peak_utc=NOON + 4, end_utc=NOON + 5),
        notice(
            1, "closed", kind="gap", start_utc=NOON + 8, peak_utc=NOON + 8, end_utc=NOON + 40, score=None, text="lost"
        ),
        notice(2, "opened", kind="covered", start_utc=NOON + 42, peak_utc=NOON + 42, end_utc=NOON + 45, score=None),
        notice(3, "closed", start_utc=NOON + 900, peak_utc=NOON + 901, end_utc=NOON + 902),
    ]
    with oddframe.open_store(folder / "events.db") as store:
        store.tell(rows)
    return curves


def highest(curves: list[tuple[np.ndarray, np.ndarray]], start: float, end: float, bins: int) -> list[float | None]:
    found: list[float | None] = []
    for place in range(bins):
        low, high = (start + (end - start) * part / bins for part in (place, place + 1))
        inside = [score[(time >= low) & (time < high)] for time, score in curves]
        values = np.concatenate(inside)
        found.append(float(f"{values.max():.7g}") if len(values) else None)
    return found


@pytest.mark.parametrize(
    ("start", "end", "bins"), [(NOON - 10, NOON + 60, 280), (NOON + 1, NOON + 2.9, 7), (NOON, NOON + 48, 12)]
)
def test_a_part_of_a_day_has_its_highest_scores(
    tmp_path: Path, open_page: OpenPage, start: float, end: float, bins: int
) -> None:
    curves = a_day(tmp_path)
    told = open_page(tmp_path).get("timeline", **{"source": "camera:front", "from": start, "to": end, "bins": bins})
    assert told["scores"] == highest(curves, start, end, bins)
    assert (told["clock"], told["from"], told["to"], told["threshold"]) == ("utc", start, end, 4.0)


def test_a_day_has_events_gaps_and_faults(tmp_path: Path, open_page: OpenPage) -> None:
    a_day(tmp_path)
    page = open_page(tmp_path)
    told = page.get("timeline", **{"source": "camera:front", "from": NOON - 60, "to": NOON + 60, "bins": 10})
    assert [(row["id"], row["start"], row["end"]) for row in told["events"]] == [(f"{0:016x}", NOON + 3, NOON + 5)]
    (gap,) = told["gaps"]
    (fault,) = told["faults"]
    assert (gap["text"], gap["end"]) == ("lost", NOON + 40) and (fault["kind"], fault["open"]) == ("covered", True)
    assert page.get("days", source="camera:front") == [DAY]
    assert page.get("days", source="camera:front", offset_min=720) == ["2026-12-02"]
    assert "no camera" in page.get("days", 404, source="camera:back")["error"]


def test_coarse_parts_keep_every_peak(tmp_path: Path, open_page: OpenPage) -> None:
    """Over a day, files are read once, as maxima of seconds: no peak is lost, and none moves by more than a second."""
    curves = a_day(tmp_path)
    told = open_page(tmp_path).get("timeline", **{"source": "camera:front", "from": NOON - 40_000, "to": NOON + 400})
    assert max(value for value in told["scores"] if value is not None) == pytest.approx(
        max(score.max() for _, score in curves), rel=1e-6
    )


def test_a_video_has_its_own_clock(scored: Path, open_page: OpenPage) -> None:
    page = open_page(scored)
    told = page.get("timeline", source="video:1", bins=5)
    assert (told["clock"], told["from"], told["to"], told["threshold"]) == ("media", 0.0, 7.96, 4.0)
    assert told["scores"] == [0.5, 6.0, 0.5, 7.0, 0.5]
    assert [row["score"] for row in told["events"]] == [6.0, 7.0] and told["gaps"] == told["faults"] == []
    assert page.get("timeline", **{"source": "video:1", "from": 1, "to": 3, "bins": 1})["scores"] == [6.0]
    assert page.get("days", source="video:1") == []


def test_a_score_file_that_is_damaged_leaves_a_hole(tmp_path: Path, open_page: OpenPage) -> None:
    curves = a_day(tmp_path)
    (tmp_path / "scores" / "front" / f"{stamp(NOON)}.npz").write_bytes(b"no scores at all")
    told = open_page(tmp_path).get("timeline", **{"source": "camera:front", "from": NOON, "to": NOON + 60, "bins": 60})
    assert told["scores"] == highest(curves[1:], NOON, NOON + 60, 60)


def test_a_file_that_is_written_anew_is_read_anew(tmp_path: Path, open_page: OpenPage) -> None:
    a_day(tmp_path)
    page = open_page(tmp_path)
    asked = {"source": "camera:front", "from": NOON - 3600, "to": NOON + 3600, "bins": 1}
    before = page.get("timeline", **asked)["scores"]
    time = np.arange(3.0)
    old = scores_of(tmp_path / "front.mp4", "front")
    new = FrameScores(f"front/{stamp(NOON)}", np.arange(3), time, {"look": time + 50}, time + 50, old.info, old.bundle)
    save_scores(new, tmp_path / "scores")
    assert before != [52.0] and page.get("timeline", **asked)["scores"] == [52.0]
