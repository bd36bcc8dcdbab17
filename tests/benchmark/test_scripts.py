"""What the scripts of long benchmarks are made of, on videos of a second."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from oddframe.video.decode import VideoReader
from oddframe.video.search import find_videos

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import light_change
import loops
import week


def flat(value: int, count: int = 12) -> list[np.ndarray]:
    return [np.full((32, 64, 3), value, np.uint8) for _ in range(count)]


def test_packets_of_loops_are_one_long_video(tmp_path: Path) -> None:
    values = (40, 200)
    made = [tmp_path / f"{value}.mp4" for value in values]
    for path, value in zip(made, values, strict=True):
        assert loops.write_video(path, flat(value), (32, 64), 4.0) == 12
    out = tmp_path / "long.mp4"
    assert loops.join(made, [0, 1, 1, 0], out) == pytest.approx(12.0)
    with VideoReader(find_videos(out)[0]) as reader:
        frames = list(reader)
    assert [round(frame.time, 3) for frame in frames] == [number / 4 for number in range(48)]
    seen = [40 if frame.image.mean() < 100 else 200 for frame in frames]
    assert seen == [40] * 12 + [200] * 24 + [40] * 12


def test_loops_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    loops.write_video(tmp_path / "a.mp4", flat(40), (32, 64), 4.0)
    loops.write_video(tmp_path / "b.mp4", [frame[:, :32] for frame in flat(40)], (32, 32), 4.0)
    with pytest.raises(SystemExit, match="not encoded alike"):
        loops.join([tmp_path / "a.mp4", tmp_path / "b.mp4"], [0, 1], tmp_path / "c.mp4")


def test_lights_change_what_they_say() -> None:
    colour = np.zeros((4, 4, 3), np.uint8)
    colour[..., 2] = 200  # red
    pictures = [colour] * 2000

    def means(change: str) -> np.ndarray:
        return np.array([picture.mean() for picture in light_change.changed(change, iter(pictures), 0)])

    assert np.ptp(means("none")) == 0
    (grey,) = light_change.changed("grey", iter([colour]), 0)
    assert np.ptp(grey, axis=2).max() == 0 and grey.mean() == pytest.approx(200 * 0.299, abs=1)
    flicker = means("flicker") / means("none")
    assert 0.75 <= flicker.min() < 0.9 and 1.1 < flicker.max() <= 1.25
    steps = np.flatnonzero(np.diff(means("exposure")))
    assert len(steps) >= 2 and 60 * light_change.FPS <= np.diff(steps).min() <= 180 * light_change.FPS
    np.testing.assert_array_equal(means("exposure"), means("exposure"))


def test_a_day_has_four_lights_and_passes_from_one_to_the_next() -> None:
    order = week.day(24)
    assert len(order) == 1440 and order[:300] == [0] * 300 and set(order[300:360]) == {0, 1}
    assert order[360:660] == [1] * 300 and set(order[1380:]) == {3, 0}
    assert week.day(0.001) == [0]
