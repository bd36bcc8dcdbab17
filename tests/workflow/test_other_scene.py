"""A bundle of one street on the video of another: no list of events alone, but a line that says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oddframe
from oddframe.street import World, render_world

Ask = Callable[..., Any]
SMALL = ("options.parts=[monitors, scene]", "options.monitors={exemplars: 200, rows: 4000}")
TOLD = "not show the scene that was learned"


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The street that is learned, and one with another background, of the same size and frame rate."""
    folder = tmp_path_factory.mktemp("two streets")
    return (
        render_world(folder / "a", World(0, size=(120, 192)), videos=3, test_videos=2, seconds=10, kinds=("car",)),
        render_world(folder / "b", World(5, size=(120, 192)), videos=1, test_videos=0, seconds=10),
    )


@pytest.fixture(scope="module")
def run(streets: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("other scene") / "run"
    training = oddframe.TrainingOptions(workers=1, progress=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oddframe.workflow.passes.CHECKED_SECONDS", 2.0)  # the self-check takes half of the time of a fit
        return oddframe.fit(streets[0] / "training" / "videos", out=out, changes=SMALL, training=training).path


@pytest.mark.slow
def test_video_of_another_street_is_named(run: Path, streets: tuple[Path, Path], tmp_path: Path, ask: Ask) -> None:
    command = ("score", run, streets[1] / "training" / "videos", "--out", tmp_path / "out", "--no-overlay")
    answer = ask(*command)
    assert answer.status == 0, answer.err
    (line,) = [line for line in answer.out.splitlines() if TOLD in line]
    assert line.startswith("doubt   the video does not show") and "fit on normal video of this camera" in line
    head = (tmp_path / "out" / "report.html").read_text().partition("<main>")[0]
    assert TOLD in head and "at most" in head, "the head of the report has the doubt and the promise"
    assert any(TOLD in doubt for doubt in json.loads(ask(*command, "--json").out)["doubts"])


@pytest.mark.slow
def test_anomalies_of_the_learned_street_are_not_another_scene(
    run: Path, streets: tuple[Path, Path], tmp_path: Path, ask: Ask
) -> None:
    answer = ask("score", run, streets[0] / "testing" / "videos", "--out", tmp_path / "out", "--no-overlay")
    assert answer.status == 0 and TOLD not in answer.out
    assert TOLD not in (tmp_path / "out" / "report.html").read_text()
    assert "promise at most " in answer.out


@pytest.mark.slow
def test_the_promise_has_one_wording_in_bundle_card_report_and_console(
    run: Path, streets: tuple[Path, Path], tmp_path: Path, ask: Ask
) -> None:
    said = oddframe.load_run(run).calibration().sentence()
    assert json.loads((run / "calibration.json").read_text())["promise"] == said
    answer = ask("score", run, streets[0] / "testing" / "videos" / "01.mp4", "--out", tmp_path, "--no-overlay")
    for text in ((run / "CARD.md").read_text(), (tmp_path / "report.html").read_text(), answer.out):
        assert said in text
