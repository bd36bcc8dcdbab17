"""Two runs on one page: which events are one, and what stands in for what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from oddframe.report.compare import ScoredRun, compare_runs, pair_events, write_comparison
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.events import write_events
from oddframe.scoring.files import save_scores
from oddframe.scoring.origin import Origin
from oddframe.scoring.smooth import Smoothing
from oddframe.types import Combination, Event, FrameScores

if TYPE_CHECKING:
    from tests.report.conftest import Scene


def event(start: float, end: float, video: str = "gate", score: float = 2.0) -> Event:
    first, last = int(10 * start), int(10 * end)
    return Event(video, first, first, last, start, start, end, score)


def test_events_that_overlap_are_one() -> None:
    one, other = [event(1, 2), event(5, 6), event(10, 20)], [event(1.5, 3), event(7, 8), event(11, 12), event(19, 25)]
    pairs = pair_events("gate", one, other)
    assert [(len(pair.one), len(pair.other)) for pair in pairs] == [(1, 1), (1, 0), (0, 1), (1, 2)]
    assert [(pair.start_s, pair.end_s) for pair in pairs] == [(1, 3), (5, 6), (7, 8), (10, 25)]
    assert pair_events("gate", [], []) == []


def test_videos_are_the_same_by_content_and_not_by_name(scene: Scene, calibration: Calibration) -> None:
    def scored(name: str, key: str) -> FrameScores:
        return replace(scene.scores, video=name, map=None, info=replace(scene.scores.info, name=name, key=key))

    one = ScoredRun("a", "x", "1", calibration, [scored("gate", "k1"), scored("yard", "k2")], [event(1, 2)])
    other = ScoredRun("b", "y", "2", calibration, [scored("door", "k1"), scored("yard", "k3")], [event(1, 2, "door")])
    found = compare_runs(one, other)
    assert [(own.video, its.video) for own, its in found.pairs] == [("gate", "door")]
    assert found.alone == ("yard", "yard") and found.counts == (1, 0, 0)
    copied = [replace(run, scores=[scored("gate", "k1"), scored("copy", "k1")], events=[]) for run in (one, other)]
    both = compare_runs(*copied)
    assert [(own.video, its.video) for own, its in both.pairs] == [("gate", "gate"), ("copy", "copy")]
    assert both.alone == (), "a copy was scored by both"


def test_each_curve_is_in_units_of_its_own_threshold(scene: Scene, calibration: Calibration, tmp_path: Path) -> None:
    double = replace(calibration, threshold=2.0, scores={name: 2 * v for name, v in calibration.scores.items()})
    twice = replace(scene.scores, score=2 * scene.scores.score)
    one = ScoredRun("a", "x", "1", calibration, [scene.scores], [], report="a/report.html")
    other = ScoredRun("<b>", "y", "2", double, [twice], [])
    write_comparison(tmp_path / "c.html", compare_runs(one, other))
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    curves = [part.partition('"')[0] for part in page.split(' d="M')[1:] if "L" in part.partition('"')[0]]
    assert len(curves) == 2 and curves[0] == curves[1], "the same detector at another scale draws the same curve"
    assert "&lt;b&gt;" in page and "<b>" not in page and 'href="a/report.html"' in page


@pytest.fixture
def folders(scene: Scene, calibration: Calibration, tmp_path: Path) -> tuple[Path, Path]:
    """What `score` leaves of two runs of which the second one has another threshold and one event less."""
    made = []
    for name, bundle, threshold in (("one", "aaaa", 1.0), ("two", "bbbb", 1.5)):
        out = tmp_path / name
        score = np.where((name == "one") & (scene.scores.frame == 2), 1.2, scene.scores.score)
        scores = replace(scene.scores, bundle=bundle, map=None, score=score)
        save_scores(scores, out / "scores")
        rule = ScoreRule(Combination({"error": 1.0}), Smoothing())
        own = replace(calibration, threshold=threshold, merge_s=0.1)
        Origin("mnad", bundle, rule, "", own).save(out / "scores")
        write_events(out / "events.jsonl", [])  # of the last call, which scored other videos
        made.append(out)
    return made[0], made[1]


def test_the_command_compares_two_folders_of_scores(
    folders: tuple[Path, Path], tmp_path: Path, ask: Callable[..., object]
) -> None:
    answer = ask("compare", *folders, "--out", tmp_path / "page.html")
    assert answer.status == 0, answer.err
    words = " ".join(answer.out.split())
    assert f"both 1, only {folders[0]} 1, only {folders[1]} 0" in words
    assert words.startswith(f"video start s end s {folders[0]} {folders[1]} ")
    assert f"{folders[1]}: mnad, bundle bbbb (what was learned), threshold 1.5, at most " in words
    page = (tmp_path / "page.html").read_text()
    for kind, folder in zip(("score", "other"), folders, strict=True):
        assert f'<li><i class="{kind}"></i>score of {folder}, ' in page, "each curve has a colour of its own"
    assert (tmp_path / "page.html").read_text().count('<svg class="timeline"') == 2
    told = ask("compare", *folders, "--out", tmp_path / "page.html", "--json")
    assert '"only_one": 1' in told.out
    (tmp_path / "film.mp4").write_bytes(b"dear" * 1000)
    lost = ask("compare", *folders, "--out", tmp_path / "film.mp4")
    assert lost.status == 2 and "is there already, and no page of" in lost.err
    assert (tmp_path / "film.mp4").read_bytes() == b"dear" * 1000


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("same", "both folders are one"),
        ("empty", "there are no scores here"),
        ("threshold", "have no threshold"),
        ("watched", "`oddframe watch` wrote this folder"),
        ("events", "no such file of events"),
        ("other", "have no video in common"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    folders: tuple[Path, Path], tmp_path: Path, ask: Callable[..., object], fault: str, words: str,
    scene: Scene,
) -> None:  # fmt: skip
    one, two = folders
    if fault == "same":
        two = one
    elif fault == "empty":
        two = tmp_path / "nothing"
    elif fault == "threshold":
        Origin("mnad", "bbbb", ScoreRule(Combination({"error": 1.0}), Smoothing())).save(two / "scores")
    elif fault == "watched":
        (two / "scores" / "origin.json").unlink()
        (two / "log.jsonl").touch()
    elif fault == "events":
        (two / "events.jsonl").unlink()
    else:
        for path in (two / "scores").glob("gate.*"):
            path.unlink()
        save_scores(replace(scene.scores, video="other", bundle="bbbb", map=None), two / "scores")
    answer = ask("compare", one, two, "--out", tmp_path / "page.html")
    assert answer.status == 2 and words in answer.err and answer.err.count("\n") == 1
    assert not (tmp_path / "page.html").exists()
