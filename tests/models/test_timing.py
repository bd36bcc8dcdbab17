"""The time of frames: pace and ticks."""

from __future__ import annotations

import numpy as np
import pytest

from oddframe.models.timing import Pace, Ticks


def test_the_pace_is_a_median_so_jitter_is_no_speed() -> None:
    pace = Pace()
    times = np.arange(12) * 0.1 + np.array([0, 0.03, -0.02] * 4)
    found = [pace.push(float(t)) for t in times]
    assert found[0] is None
    np.testing.assert_allclose(found[6:], 0.1, atol=0.035)
    assert np.ptp(found[6:]) < np.ptp(np.diff(times))


def test_a_lost_frame_is_two_intervals_and_a_pause_is_none() -> None:
    pace = Pace()
    found = [pace.push(t) for t in (0.0, 0.1, 0.2, 0.4, 0.5, 3.0, 3.1)]
    assert found[0] is None and found[5] is None
    assert found[1:5] == pytest.approx([0.1, 0.1, 0.2, 0.1]) and found[6] == pytest.approx(0.1)


def test_ticks_pick_five_frames_a_second_whatever_the_frame_rate() -> None:
    for fps in (5, 10, 25, 30):
        ticks = Ticks()
        found = [ticks.push(n / fps) for n in range(10 * fps)]
        picked = [since for since in found if since is not None]
        assert len(picked) == pytest.approx(50, rel=0.2)
        assert sum(picked) == pytest.approx(10, abs=0.3)


def test_a_tick_stands_for_at_most_a_second() -> None:
    ticks = Ticks()
    assert [ticks.push(t) for t in (0.0, 0.1, 0.2, 60.0)] == [0.0, None, 0.2, 1.0]
