from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.report.plots import demo_picture, operating_point, plot_rocs, plot_timeline
from oddframe.report.style import EVENT, SCORE, TRUTH, bgr
from oddframe.report.units import ThresholdUnits

if TYPE_CHECKING:
    from tests.report.conftest import Scene

UNITS = ThresholdUnits(0.0, 1.0, normal=0.8)


def read(path: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path))
    assert picture is not None and picture.dtype == np.uint8
    return picture.astype(np.uint8, copy=False)


def pixels_of(picture: NDArray[np.uint8], colour: str, opacity: float = 1.0) -> int:
    """Pixels of a colour as it looks on white."""
    wanted = 255 + (np.array(bgr(colour)) - 255) * opacity
    return int((np.abs(picture - wanted).max(axis=2) < 6).sum())


def test_timeline_shows_curve_events_and_truth(scene: Scene, tmp_path: Path) -> None:
    plot_timeline(tmp_path / "with.png", scene.scores, UNITS, scene.events, scene.labels)
    plot_timeline(tmp_path / "without.png", scene.scores, UNITS, [])
    with_, without = read(tmp_path / "with.png"), read(tmp_path / "without.png")
    assert pixels_of(with_, SCORE) > 500
    assert pixels_of(with_, EVENT) > 500
    assert pixels_of(with_, TRUTH, 0.25) > 5000
    assert pixels_of(without, SCORE) > 500
    assert pixels_of(without, EVENT) == 0
    assert pixels_of(without, TRUTH, 0.25) == 0


def test_roc_depends_on_the_order_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 200)
    scores = np.round(labels + rng.normal(0, 1, 200), 1)  # with ties
    shuffle = rng.permutation(200)
    plot_rocs(tmp_path / "a.png", {"gate": (labels, scores)})
    plot_rocs(tmp_path / "b.png", {"gate": (labels[shuffle], np.exp(scores[shuffle]))})
    plot_rocs(tmp_path / "c.png", {"gate": (labels, -scores)})
    a, b, c = (read(tmp_path / f"{name}.png") for name in "abc")
    assert (a == b).all()
    assert (a != c).any()


def test_several_rocs_in_one_picture_are_told_apart(tmp_path: Path) -> None:
    labels = np.repeat([0, 1], 50)
    good, bad = (labels, labels + 0.0), (labels, 1.0 - labels)
    plot_rocs(tmp_path / "a.png", {"good": good, "bad": bad}, "gate")
    plot_rocs(tmp_path / "b.png", {"good": good, "bad": (labels[::-1], np.exp(1.0 - labels[::-1]))}, "gate")
    plot_rocs(tmp_path / "c.png", {"good": good, "bad": good}, "gate")
    a, b, c = (read(tmp_path / f"{name}.png") for name in "abc")
    assert (a == b).all()
    assert (a != c).any()


def test_the_point_of_a_threshold_lies_on_its_curve_and_is_drawn(tmp_path: Path) -> None:
    labels, scores = np.array([0, 0, 0, 0, 1, 1]), np.array([0.1, 0.9, 0.2, 0.3, 0.8, 0.95])
    assert operating_point(labels, scores, 0.8) == (0.25, 1.0)
    assert operating_point(labels, scores, 2.0) == (0.0, 0.0)
    plot_rocs(tmp_path / "a.png", {"gate": (labels, scores)})
    plot_rocs(tmp_path / "b.png", {"gate": (labels, scores)}, points={"gate": (0.25, 1.0)})
    assert pixels_of(read(tmp_path / "b.png"), SCORE) > pixels_of(read(tmp_path / "a.png"), SCORE) + 50


def test_demo_picture_shows_calm_and_event_frames_above_the_curve(scene: Scene, tmp_path: Path) -> None:
    demo_picture(tmp_path / "d.png", scene.source, scene.scores, UNITS, scene.events, scene.labels)
    picture = read(tmp_path / "d.png")
    height, width = picture.shape[:2]
    assert width == 1500
    # Calm, event, calm: the frames' borders say which is which.
    thirds = [picture[: height // 2, i * width // 3 : (i + 1) * width // 3] for i in range(3)]
    assert [pixels_of(third, SCORE) > pixels_of(third, EVENT) for third in thirds] == [True, False, True]
    hot = thirds[1].astype(int)
    assert ((hot[..., 2] - hot[..., 0]) > 60).sum() > 2000


def test_demo_picture_of_a_video_without_event_or_map(scene: Scene, tmp_path: Path) -> None:
    calm = replace(scene.scores, map=None, score=np.zeros(len(scene.time)))
    demo_picture(tmp_path / "d.png", scene.source, calm, UNITS, [])
    assert pixels_of(read(tmp_path / "d.png"), EVENT) == 0


def test_a_video_of_one_frame(scene: Scene, tmp_path: Path) -> None:
    s = scene.scores
    components = {name: values[:1] for name, values in s.components.items()}
    one = replace(s, frame=s.frame[:1], time=s.time[:1], components=components, score=s.score[:1], map=s.map[:1])
    demo_picture(tmp_path / "d.png", scene.source, one, UNITS, [])
    plot_timeline(tmp_path / "t.png", one, UNITS, [], [1])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["d.png", "t.png"]
