from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.video.pictures import _Clock, count_packets


def clock(ticks_per_second: int, step: Fraction) -> _Clock:
    return _Clock(SimpleNamespace(time_base=Fraction(1, ticks_per_second)), step)  # type: ignore[arg-type]


@given(st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=1), st.sampled_from([25, 1000, 90_000]))
def test_time_starts_at_zero_and_increases_whatever_the_stamps(stamps: list[int | None], rate: int) -> None:
    tick = clock(rate, Fraction(1, 25))
    times = [tick(stamp) for stamp in stamps]
    assert times[0] == 0
    assert (np.diff(times) > 0).all()


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, unique=True))
def test_increasing_stamps_are_taken_as_they_are(stamps: list[int]) -> None:
    stamps.sort()
    tick = clock(90_000, Fraction(1, 25))
    assert [tick(stamp) for stamp in stamps] == [(stamp - stamps[0]) / 90_000 for stamp in stamps]
    assert tick.backwards == 0


def test_frames_without_a_usable_stamp_follow_by_one_step() -> None:
    tick = clock(100, Fraction(1, 25))
    assert [tick(stamp) for stamp in (None, None, 50, 54, None, 52, 70)] == [0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.28]
    assert tick.backwards == 1


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".mpg", ".mp4"])
def test_packets_are_counted_where_the_header_is_silent(tmp_path: Path, video_tools: Any, suffix: str) -> None:
    codec = {".webm": "libvpx-vp9", ".mpg": "mpeg2video"}.get(suffix, "libx264")
    images = [video_tools.numbered(n, 48, 72) for n in range(12)]
    assert count_packets(video_tools.write_video(tmp_path / f"v{suffix}", images, codec)) == 12
