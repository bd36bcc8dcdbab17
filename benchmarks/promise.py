"""What a threshold promises against what it brings, on 200 simulated cameras.

    python benchmarks/promise.py [--cameras 200] [--fresh 400]

A camera is a series of smoothed scores of normal video. Of its first day, H hours calibrate; the threshold then meets
fresh hours, and its alarms are counted. There are seven kinds of camera. The constants of the tail were chosen on other
cameras, with other seeds, of the first five kinds; "day" and "street" had no part in that:

    light    Gaussian, with a memory of 2 to 10 seconds
    heavy    the exponential of that: log-normal
    visits   now and then something passes, as high as a Pareto law of shape 0.25 draws it
    busy     Gaussian, its spread swings by a third over minutes: busy minutes and quiet ones
    groups   visitors come in groups of two to four, minutes apart
    day      Gaussian, its spread goes up and down by 10 to 20 % with the hours of the day; calibrated on 10-minute
             blocks from all over the day
    street   energy of motion (mean square of the difference of frames) of a rendered street, 48x84 pixels, resampled in
             blocks of 30 seconds, each with a gain of its own (log-normal, 0.15) so that no height comes twice

"day, one piece" calibrates the cameras of "day" on consecutive hours instead. It is outside the 200: no method knows
what an hour does that it has not seen.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from oddframe.errors import CalibrationError
from oddframe.scoring.events import spans
from oddframe.scoring.heldout import HeldOut, above
from oddframe.scoring.promise import MEDIAN, choose_threshold, fits
from oddframe.street.render import World

HZ = 2.0
SEED = 20261130
CASES = [(0.5, 1.0), (2, 1.0), (8, 1.0), (24, 1.0), (2, 0.25), (8, 0.0625)]  # hours to calibrate on, alarms per hour
Series = NDArray[np.float64]
Random = np.random.Generator


def memory(n: int, seconds: float, rng: Random) -> Series:
    """Gaussian noise of variance 1 that forgets itself in so many seconds."""
    a = np.exp(-1 / (seconds * HZ))
    burn = int(20 * seconds * HZ)
    return lfilter([np.sqrt(1 - a * a)], [1, -a], rng.standard_normal(n + burn))[burn:]


def passing(series: Series, starts: Series, seconds: float, height: Callable[[], float], rng: Random) -> Series:
    """Adds what passes by: half a sine wave each."""
    for start in starts.astype(int):
        length = max(2, int(rng.exponential(seconds) * HZ))
        part = series[start : start + length]
        part += height() * np.sin(np.pi * (np.arange(len(part)) + 1) / (length + 1))
    return series


def light(n: int, camera: Random, rng: Random) -> Series:
    return memory(n, camera.uniform(2, 10), rng)


def heavy(n: int, camera: Random, rng: Random) -> Series:
    return np.exp(camera.uniform(0.4, 0.7) * light(n, camera, rng))


def visits(n: int, camera: Random, rng: Random) -> Series:
    starts = rng.random(rng.poisson(camera.uniform(20, 60) * n / HZ / 3600)) * n
    return passing(0.3 * memory(n, 5, rng), starts, camera.uniform(4, 12), lambda: 1 + rng.pareto(4), rng)


def busy(n: int, camera: Random, rng: Random) -> Series:
    return np.exp(0.3 * memory(n, camera.uniform(300, 1200), rng)) * memory(n, camera.uniform(2, 8), rng)


def groups(n: int, camera: Random, rng: Random) -> Series:
    first = rng.random(rng.poisson(camera.uniform(1.5, 4) * n / HZ / 3600)) * n
    followers = rng.geometric(1 / camera.uniform(2, 4), len(first))
    starts = np.repeat(first, followers) + rng.exponential(120 * HZ, followers.sum())
    return passing(0.5 * memory(n, 4, rng), starts[starts < n - 2], 8, lambda: 1 + rng.exponential(), rng)


def day(n: int, camera: Random, rng: Random) -> Series:
    hour = np.arange(n) / HZ / 3600 + camera.uniform(0, 24)
    return light(n, camera, rng) * (1 + camera.uniform(0.1, 0.2) * np.sin(2 * np.pi * hour / 24))


@cache
def energy(world: int) -> Series:
    """Ten minutes of motion on one street, smoothed over a second."""
    grey = np.stack([frame.image.mean(axis=2) for frame in World(world, (48, 84), 2 * HZ).video(0, 600)])
    return np.convolve((np.diff(grey, axis=0) ** 2).mean(axis=(1, 2)), np.full(4, 0.25), mode="valid")[::2]


def street(n: int, camera: Random, rng: Random) -> Series:
    series, block = energy(int(camera.integers(1000, 1010))), int(30 * HZ)
    count = -(-n // block)
    starts = rng.integers(len(series) - block, size=count)
    taken = series[starts[:, None] + np.arange(block)] * np.exp(0.15 * rng.standard_normal((count, 1)))
    return taken.ravel()[:n]


KINDS: dict[str, Callable[[int, Random, Random], Series]] = {
    "light": light,
    "heavy": heavy,
    "visits": visits,
    "busy": busy,
    "groups": groups,
    "day": day,
    "street": street,
    "day, one piece": day,
}


def pieces(kind: str, time: Series, score: Series, hours: float) -> list[tuple[Series, Series]]:
    """So many hours of a day: the last ones, or 10-minute blocks from all over it."""
    if kind != "day" or hours == 24:
        return [(time[-int(hours * 3600 * HZ) :], score[-int(hours * 3600 * HZ) :])]
    count, block = int(hours * 6), int(600 * HZ)
    starts = ((np.arange(count) + 0.5) / count * (len(time) - block)).astype(int)
    return [(time[start : start + block], score[start : start + block]) for start in starts]


def measure(kind: str, number: int, fresh: float) -> list[tuple[float, ...]]:
    """For each case: rate had, bound, had under the tail's own bound, share in alarm, told "more", had and promised by
    the former rule (as many alarms as the rate allows, never fewer than one)."""
    camera, rng = np.random.default_rng((SEED, number, 0)), np.random.default_rng((SEED, number, 1))
    score = KINDS[kind](int((24 + fresh) * 3600 * HZ), camera, rng)
    time, first = np.arange(len(score)) / HZ, int(24 * 3600 * HZ)

    def had(threshold: float, low: float, hours: float) -> float:
        stop = first + int(hours * 3600 * HZ)
        return len(spans(time[first:stop], score[first:stop], threshold, low)) / hours

    rows = []
    for hours, rate in CASES:
        normal = pieces(kind, time[:first], score[:first], hours)
        try:
            promise = choose_threshold(normal, rate)
        except CalibrationError:  # too few peaks for a tail: the lowest rate that can be counted, as `calibrate` does
            promise = choose_threshold(normal, rate := MEDIAN / hours)
        true = had(promise.threshold, promise.low, fresh)
        told = fits(round(10 * had(promise.threshold, promise.low, 10)), 10, promise).verdict == "more"
        held_out, former = HeldOut(normal, 2.0, 0.0), max(rate, 1 / hours)
        levels, allowed = held_out.levels(int(former * hours + 1e-9) + 1), int(former * hours + 1e-9)
        threshold = above(levels.scores[allowed]) if allowed < len(levels.scores) else levels.lowest
        before = had(threshold, held_out.low(threshold), fresh) / former
        tail = np.nan if promise.tail_upper_rate is None else promise.tail_upper_rate
        rows.append((true / rate, promise.upper_rate / rate, tail / rate, promise.alarm_share, told, before))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cameras", type=int, default=200)
    parser.add_argument("--fresh", type=float, default=400)
    chosen = parser.parse_args()
    found: dict[tuple[str, tuple[float, float]], list[tuple[float, ...]]] = defaultdict(list)
    for number in range(chosen.cameras + chosen.cameras // 7):
        kind = list(KINDS)[number % 7] if number < chosen.cameras else "day, one piece"
        for case, row in zip(CASES, measure(kind, number, chosen.fresh), strict=True):
            found[kind, case].append(row)
            if number < chosen.cameras:
                found["all", case].append(row)
        if number % 20 == 0:
            print(f"camera {number}", file=sys.stderr, flush=True)
    print(
        "| kind | cameras | hours | rate | below the bound | bound / rate | had / rate: median (10 %, 90 %) |", end=""
    )
    print(" below the tail's bound | told wrongly | formerly had / rate |\n|---|---|---|---|---|---|---|---|---|---|")
    for kind in ["all", *KINDS]:
        for hours, rate in CASES:
            row = np.array(found[kind, (hours, rate)], float)
            true, bound, tail, _, told, before = row.T
            low, high = np.quantile(true, [0.1, 0.9])
            tails = "" if np.isnan(tail).all() else f"{np.mean(true <= tail):.1%}"
            print(f"| {kind} | {len(row)} | {hours:g} | {rate:g} | {np.mean(true <= bound):.1%} |", end="")
            print(f" {np.median(bound):.2f} | {np.median(true):.2f} ({low:.2f}, {high:.2f}) | {tails} |", end="")
            print(f" {told.mean():.1%} | {np.median(before):.2f} |")


if __name__ == "__main__":
    main()
