"""A zoo of time stamps. Every case says what stamps came and what times are right."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from oddframe.video.clock import LOOK_AHEAD, Clock

STEP = 40  # ticks of a millisecond: 25 frames/s


def run(
    stamps: Sequence[int | None], ahead: bool = True, base: Fraction = Fraction(1, 1000), **options: int
) -> tuple[NDArray[np.float64], Clock]:
    """Times of frames with these stamps, in milliseconds, and the clock that made them."""
    clock = Clock(base, Fraction(1, 25), **options)
    times = [clock(s, lambda n=n: islice(stamps, n + 1, None) if ahead else ()) for n, s in enumerate(stamps)]
    return np.round(np.array(times) * 1000, 6) if base == Fraction(1, 1000) else np.array(times), clock


def steady(count: int, first: int = 0, step: int = STEP) -> list[int]:
    return list(range(first, first + count * step, step))


@given(st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=1), st.sampled_from([25, 1000, 90_000]))
def test_times_increase_from_zero_whatever_the_stamps(stamps: list[int | None], rate: int) -> None:
    for ahead in (True, False):
        times, _ = run(stamps, ahead, Fraction(1, rate), bits=33)
        assert times[0] == 0
        assert (np.diff(times) > 0).all()


@given(
    st.lists(st.integers(0, 900), min_size=1)
    .map(lambda steps: np.cumsum(steps).tolist())
    .filter(lambda s: len(set(s)) == len(s))
)
def test_plausible_intervals_are_kept_to_the_tick(stamps: list[int]) -> None:
    times, clock = run(stamps)
    assert times.tolist() == pytest.approx([s - stamps[0] for s in stamps])
    assert (clock.replaced, clock.resets, clock.paused_s) == (0, 0, [])


@pytest.mark.parametrize("jump", [3_600_000, -3_600_000, 2_000, -2_500, 95_000_000])
@pytest.mark.parametrize("length", [1, 10, 100, 400])
def test_a_stretch_of_wrong_stamps_is_replaced_if_the_clock_comes_back(jump: int, length: int) -> None:
    stamps = np.array(steady(1000, 100))
    stamps[500 : 500 + length] += jump
    times, clock = run(stamps.tolist())
    assert np.allclose(times, steady(1000), atol=1e-6)
    assert (clock.replaced, clock.resets, clock.paused_s) == (length, 0, [])


def test_a_stretch_ahead_at_the_start_is_replaced_too() -> None:
    stamps = np.array(steady(100))
    stamps[:5] += 7_200_000
    times, clock = run(stamps.tolist(), start=0)
    assert np.allclose(times, steady(100)) and clock.replaced == 5


def test_a_pause_stays_a_pause_and_later_intervals_stay() -> None:
    times, clock = run(steady(50) + steady(50, 60_000) + steady(50, 4_000_000))
    assert times.tolist() == steady(50) + steady(50, 60_000) + steady(50, 4_000_000)
    assert clock.paused_s == pytest.approx([58.04, 3938.04]) and not clock.replaced + clock.resets


@pytest.mark.parametrize("step", [STEP, 100, 33])
@pytest.mark.parametrize("start", [0, 700, -5_000])
def test_a_reset_is_bridged_by_one_interval_and_what_follows_is_kept(step: int, start: int) -> None:
    times, clock = run(steady(50, 1_000) + steady(600, start, step))
    assert times.tolist() == steady(50) + steady(600, 50 * STEP, step)
    assert (clock.resets, clock.replaced) == (1, 0)


def test_every_reset_is_bridged() -> None:
    times, clock = run(steady(30) * 5)
    assert times.tolist() == steady(150) and clock.resets == 4


def test_a_pause_after_a_reset_stays() -> None:
    times, clock = run(steady(50) + steady(20) + steady(20, 20_000))
    assert times[70] - times[69] == 20_000 - 19 * STEP and clock.paused_s == pytest.approx([19.24])


def test_without_stamps_to_come_a_clock_that_jumps_back_and_returns_is_followed() -> None:
    times, clock = run(steady(50) + steady(10, -90_000) + steady(50, 60 * STEP), ahead=False)
    assert times.tolist() == steady(110) and clock.resets == 1


def test_a_stretch_ahead_that_is_longer_than_the_look_ahead_is_a_pause_and_a_reset() -> None:
    stamps = np.array(steady(2000))
    stamps[100 : 200 + LOOK_AHEAD] += 3_600_000
    times, clock = run(stamps.tolist())
    assert len(clock.paused_s) == clock.resets == 1 and (np.diff(times) > 0).all()
    assert np.median(np.diff(times)) == STEP


def test_repeated_and_missing_stamps_lie_evenly_between_their_neighbours() -> None:
    assert run([0, 40, 40, 120, 160])[0].tolist() == [0, 40, 80, 120, 160]
    assert run([0, 40, 40, 80, 80, 120])[0].tolist() == [0, 40, 60, 80, 100, 120]
    assert run([0, 40, None, None, 160])[0].tolist() == [0, 40, 80, 120, 160]
    assert run([None, None, 50, 90])[0].tolist() == [0, 40, 80, 120]
    assert run([None] * 5)[0].tolist() == steady(5)
    seconds = sorted(steady(4, 0, 1000) * 25)  # stamps in whole seconds
    assert np.allclose(run(seconds)[0][:75], steady(75))


def test_swapped_stamps_do_not_shift_the_others() -> None:
    stamps = steady(20)
    stamps[10], stamps[11] = stamps[11], stamps[10]
    times, _ = run(stamps)
    assert np.abs(times - steady(20)).max() <= STEP and times[12:].tolist() == steady(8, 480)


@pytest.mark.parametrize("bits", [32, 33])
def test_a_counter_that_overflows_goes_on(bits: int) -> None:
    line = [s % 2**bits for s in steady(100, 2**bits - 30 * STEP)]
    times, clock = run(line, bits=bits)
    assert times.tolist() == steady(100) and not clock.resets + clock.replaced
    assert run(line[30:], bits=bits, start=2**bits - 30 * STEP)[0].tolist() == steady(70, 30 * STEP)
    times, clock = run(steady(50, 2**bits - 90_000_000) + steady(50), bits=bits)
    assert times.tolist() == steady(100) and clock.resets == 1, "a reset long before the overflow"


def test_time_counts_from_the_start_of_the_container() -> None:
    assert run(steady(5, 1480), start=0)[0].tolist() == steady(5, 1480)
    assert run(steady(5, 1480), start=1400)[0].tolist() == steady(5, 80)
    assert run(steady(5, -80), start=0)[0].tolist() == steady(5), "nothing is shown before 0"
    assert run(steady(5, 10**12), start=0)[0].tolist() == steady(5), "nobody's video starts with a gap of decades"


def test_a_slower_pace_becomes_usual() -> None:
    night = steady(100) + steady(200, 5_960, 2_000)
    times, clock = run(night)
    assert times.tolist() == night and len(clock.paused_s) < 64


def test_the_time_of_a_stamp_is_found_again_after_entering_elsewhere() -> None:
    _, clock = run(steady(5, 1_400))
    assert clock.enter(2.0) == 3_400
    assert clock(3_400) == 2.0 and clock(3_440) == 2.04 and not clock.paused_s
