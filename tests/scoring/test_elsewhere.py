"""Another scene is no event: nearly all of a video is far from what was learned, and a line says so."""

from __future__ import annotations

import numpy as np
import pytest

from oddframe.scoring.elsewhere import elsewhere, elsewhere_text
from oddframe.types import Combination, FrameScores, VideoInfo

LEVELS = {"error": (1.0, 0.5), "light": (0.0, 1.0)}
HOW = Combination({"error": 1.0})


def video(name: str, error: float, light: float, share: float, frames: int = 200) -> FrameScores:
    """A video of which this share of the frames, from the end, lies so many standard deviations above normal."""
    late = np.arange(frames) >= frames * (1 - share)
    components = {"error": np.where(late, 1.0 + 0.5 * error, 1.0), "light": np.where(late, light, 0.0)}
    time = np.arange(frames) / 10
    return FrameScores(name, np.arange(frames), time, components, time * 0, VideoInfo(name, name, 8, 8, 10.0))


@pytest.mark.parametrize(
    ("error", "light", "share", "told"),
    [
        (69, 0, 1.0, "error"),  # another background
        (69, 0, 0.95, "error"),  # a camera that is turned at once
        (69, 0, 0.7, None),  # a short clip that an anomaly fills
        (0, 20, 0.7, "light"),  # no anomaly is another light
        (0, 20, 0.3, None),  # a lamp for a while
        (5, 5, 1.0, None),  # a busy day
        (30, 20, 1.0, "error"),  # the one that stands out most is named
    ],
)
def test_a_scene_is_another_one_where_nearly_all_of_it_is_far(
    error: float, light: float, share: float, told: str | None
) -> None:
    found = elsewhere([video("a", error, light, share)], HOW, LEVELS)
    assert [one.component for one in found] == ([told] if told else [])


def test_the_line_names_videos_component_and_remedy() -> None:
    videos = [video("a", 69, 0, 1.0), video("b", 0, 0, 1.0), video("c", 7, 0, 1.0)]
    text = elsewhere_text(elsewhere(videos, HOW, LEVELS), 3)
    assert text.startswith(
        "2 of 3 videos (a, c) do not show the scene that was learned: component error lies 69 standard"
    )
    assert "\n" not in text and "fit on normal video of this camera" in text
    assert elsewhere_text(elsewhere(videos[1:2], HOW, LEVELS), 1) == ""
    assert elsewhere_text(elsewhere(videos[:1], HOW, LEVELS), 1).startswith("the video does not show")


def test_what_cannot_be_judged_is_not() -> None:
    assert elsewhere([video("a", 69, 0, 1.0, frames=5)], HOW, LEVELS) == []
    assert elsewhere([video("a", 69, 0, 1.0)], HOW, {}) == []
