"""Events of a camera are explained: by the components that stood out, when they did, and only where it can be said."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from oddframe.models.camera import CameraDetector
from oddframe.report.html import ReportVideo, write_report
from oddframe.report.moments import MomentKeeper
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.events import read_events, write_events
from oddframe.types import Combination, Event, FrameScores, VideoInfo
from oddframe.video.sources import ArrayVideo, VideoSource
from oddframe.workflow import reasons
from oddframe.workflow.reasons import Explainer, culprits, explain_events
from oddframe.workflow.scores import Scores

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from moving import INFO, crossing, film, learn

LEVELS = {"speed": (1.0, 0.5), "velocity": (0.0, 1.0), "light": (0.0, 1.0), "look": (0.0, 1.0)}
WEIGHTS = {"speed": 1.0, "velocity": 0.5}


def made(**components: list[float]) -> FrameScores:
    columns = {name: np.array(values) for name, values in components.items()}
    count = len(next(iter(columns.values())))
    return FrameScores("a", np.arange(count), np.arange(count) / 2, columns, np.zeros(count), replace(INFO, name="a"))


def event(start: int, peak: int, end: int) -> Event:
    return Event("a", start, peak, end, start / 2, peak / 2, end / 2, 5.0)


def test_what_stood_out_before_the_peak_is_told_when_it_did() -> None:
    scores = made(
        speed=[9, 1, 1, 3, 1, 1, 9, 9], velocity=[0, 0, 0, 0, 5, 0, 0, 0], light=[0] * 8, look=[9] * 8
    )  # fmt: skip
    found = culprits(event(1, 5, 7), scores, LEVELS, WEIGHTS)
    assert [(one.component, one.sigmas, one.time) for one in found] == [("speed", 4.0, 1.5), ("velocity", 5.0, 2.0)]
    # What lies before the event, after its peak, or has no weight is not told.
    assert not culprits(event(1, 2, 7), scores, LEVELS, WEIGHTS)


def test_an_unknown_light_is_told_although_it_has_no_weight() -> None:
    found = culprits(event(0, 1, 1), made(speed=[1, 1], light=[30, 2]), LEVELS, WEIGHTS)
    assert [one.component for one in found] == ["light"]
    first, second = culprits(event(0, 1, 1), made(speed=[90, 1], light=[3, 2]), LEVELS, WEIGHTS)
    assert (first.component, second.component) == ("light", "speed")


def test_what_happened_long_before_the_peak_is_not_told() -> None:
    scores = made(speed=[9.0] + [1.0] * 19 + [3.0])
    assert [one.time for one in culprits(event(0, 20, 20), scores, LEVELS, WEIGHTS)] == [10.0]


@pytest.fixture(scope="module")
def camera() -> CameraDetector:
    options: dict[str, Any] = {"height": 120, "monitors": {"exemplars": 200, "rows": 3000}}
    detector = CameraDetector.for_video(INFO, parts=("monitors",), **options)
    learn(detector, [coloured(film(crossing(20, start=60.0), 8))])
    return detector


def coloured(frames: list[Any]) -> list[Any]:
    return [replace(frame, image=np.repeat(frame.image, 3, axis=2)) for frame in frames]


def test_an_explainer_looks_again_and_names_part_component_and_place(camera: CameraDetector) -> None:
    frames = np.stack([frame.image for frame in coloured(film(crossing(-60, start=184.0), 2))])
    source = ArrayVideo(frames, fps=10.0, name="a")
    scores = replace(made(speed=[1.0] * 20, velocity=[1.0] * 20), time=np.arange(20) / 10)
    trained: Any = SimpleNamespace(settled=False, original=lambda: SimpleNamespace(detector=camera))
    explainer = Explainer(trained, RuntimeOptions())
    assert explainer.able
    found = [reasons.Culprit("velocity", 5.0, 1.5), reasons.Culprit("speed", 4.0, 1.5)]
    first, second = explainer.reasons(found, source, scores)
    assert first.startswith("monitors, velocity: goes against the usual direction at this place, ")
    assert first.endswith("), at 0:01.5") and "(x " in first, "the box of the event is of another moment"
    assert second.startswith("monitors, speed: moves ") and "times as fast as anything seen at this place" in second
    many = [*found, *found]
    assert explainer.reasons(many, source, scores) == (first, second, first), "at most three"
    gone = VideoSource("a", Path("gone.mp4"), "file")
    assert explainer.reasons(found, gone, scores) == (), "what cannot be read again is not explained"
    late = [reasons.Culprit("speed", 4.0, 99.0)]
    assert explainer.reasons(late, source, scores) == ()


def test_only_the_highest_events_are_looked_at_again(camera: CameraDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "MOST_EVENTS", 2)
    monkeypatch.setattr(Explainer, "reasons", lambda *_: ("why",))
    calibration = Calibration(1.0, 0.5, 0.1, 0.0, 4.0, None, 3, 2700.0, 2, 4 / 3, {"0.5": 0.2}, levels=LEVELS)
    score = np.array([0, 2.0, 0, 4.0, 0, 3.0, 0])
    one = replace(made(speed=[1.0] * 7), score=score)
    scores = Scores((one,), calibration, Combination(WEIGHTS), (ArrayVideo(np.zeros((7, 8, 8), np.uint8), 2.0, "a"),))
    trained: Any = SimpleNamespace(settled=False, original=lambda: SimpleNamespace(detector=camera))
    found = replace(scores, reasons=explain_events(trained, scores, RuntimeOptions()))
    assert [event.reasons for event in found.events()] == [(), ("why",), ("why",)]
    network: Any = SimpleNamespace(settled=True)
    assert explain_events(network, scores, RuntimeOptions()) == {}


def test_reasons_go_into_the_file_and_the_report(tmp_path: Path) -> None:
    told = Event("a", 1, 2, 3, 0.5, 1.0, 1.5, 5.0, why={"speed": 9.0}, reasons=("monitors, speed: 3 < 4",))
    write_events(tmp_path / "events.jsonl", [told])
    assert read_events(tmp_path / "events.jsonl") == [told]
    keeper = MomentKeeper()
    keeper.see("normal & 1", 12.4, np.zeros((48, 64, 3), np.uint8))
    scores = made(speed=[0.0] * 5)
    shots = {2: np.zeros((48, 64, 3), np.uint8)}
    video = ReportVideo(scores, [told], shots, None, None, {}, {2: keeper.moments[0]})
    calibration = Calibration(1.0, 0.5, 2.0, 0.0, 4.0, None, 3, 2700.0, 2, 4 / 3, {"0.5": 0.2, "0.99": 0.5, "1.0": 0.9})
    write_report(tmp_path / "report.html", title="x", videos=[video], calibration=calibration, card={})
    page = (tmp_path / "report.html").read_text()
    assert "<strong>monitors, speed: 3 &lt; 4</strong>" in page
    assert "nearest normal moment: normal &amp; 1 at 12.4 s" in page


def test_a_video_of_another_size_is_told_in_its_own_pixels() -> None:
    from oddframe.models.reasons import Reason

    info = VideoInfo("a", "a", 1920, 1080, None)
    assert "(x 960 to 1920, y 0 to 540)" in Reason("x", (0.5, 0.0, 1.0, 0.5)).sentence(info.width, info.height)
