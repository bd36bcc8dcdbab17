"""Temporal smoothing of a video's scores, piece by piece while the video goes on, or all at once.

Every filter is Gaussian with `taps` weights and standard deviation `sigma`, both counted in frames:

    code     the filter that SDMAE was released with: zero padding, weights that do not sum to one, centred one frame
             off. It lags by one frame and pulls scores down at both ends of a video. It is kept because published
             numbers depend on it.
    held     the filter that MPN was released with: centred, applied where it lies whole inside the video. The ends are
             filled with the first and the last value that it gives. Its weights do not sum to one. A video that is
             shorter than the filter stays as it is.
    centred  symmetric; it looks (taps - 1) / 2 frames ahead.
    causal   the past half of a Gaussian, over the scored frame and the taps - 1 before it; it looks at no later frame.

Centred and causal filters divide by the weights that lie inside the video: a constant score stays what it is, ends
included. `Smoother` takes the scores of a video in pieces; `smooth` pushes a whole video through one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oddframe.settings import Smoothing as Smoothing  # part of a recipe, and so of a lower floor

Array = NDArray[np.float64]


class Smoother:
    """Smooths the scores of one video that arrive in pieces.

    `push` and `flush` return the smoothed scores that are now final, in the order of the frames. Together they are, to
    the last bit, the same however the video was cut. What is held does not grow with the video.
    """

    def __init__(self, how: Smoothing) -> None:
        self._filter: _Plain | _Held | _Normalised | _Correlation
        if how.kind == "none":
            self._filter = _Plain()
        elif how.kind == "held":
            self._filter = _Held(how)
        elif how.kind == "code":
            self._filter = _Correlation(*_weights(how))
        else:
            self._filter = _Normalised(*_weights(how))

    def push(self, score: Array) -> Array:
        """Take the (M,) scores of the next M frames; the (K,) smoothed scores that are now final."""
        return self._filter.push(np.asarray(score, np.float64))

    def flush(self) -> Array:
        """End the video: the (K,) smoothed scores of the last frames. Nothing may be pushed afterwards."""
        return self._filter.flush()


def smooth(score: Array, how: Smoothing) -> Array:
    """Filter the (N,) scores of one whole video; (N,) float64."""
    smoother = Smoother(how)
    return np.concatenate((smoother.push(score), smoother.flush()))


class _Plain:
    """No filter."""

    def push(self, score: Array) -> Array:
        return score.copy()

    def flush(self) -> Array:
        return np.empty(0)


class _Correlation:
    """Weighted sums of `taps` consecutive scores, with `before` and `after` zeros around the video.

    `np.correlate` computes every sum by itself as soon as it gets `taps` scores or more: a sum has the same bits
    whatever stands beside its scores.
    """

    def __init__(self, weights: Array, before: int, after: int) -> None:
        self._weights, self._after = weights, after
        self._held = np.zeros(before)  # the scores that sums to come begin with

    def push(self, score: Array) -> Array:
        self._held = np.concatenate((self._held, score))
        count = len(self._held) - len(self._weights) + 1
        if count <= 0:
            return np.empty(0)
        sums = np.correlate(self._held, self._weights, mode="valid")
        self._held = self._held[count:].copy()
        return sums

    def flush(self) -> Array:
        return self.push(np.zeros(self._after))


class _Normalised:
    """A correlation divided by the weights that lie inside the video."""

    def __init__(self, weights: Array, before: int, after: int) -> None:
        self._sums, self._shares = _Correlation(weights, before, after), _Correlation(weights, before, after)

    def push(self, score: Array) -> Array:
        return self._sums.push(score) / self._shares.push(np.ones(len(score)))

    def flush(self) -> Array:
        return self._sums.flush() / self._shares.flush()


class _Held:
    """A correlation inside the video, whose first and last value fill the ends."""

    def __init__(self, how: Smoothing) -> None:
        weights, self._end, _ = _weights(how)
        self._inside = _Correlation(weights, 0, 0)
        self._short: Array | None = np.empty(0)  # all scores so far, until the filter fits into them
        self._last = 0.0

    def push(self, score: Array) -> Array:
        values = self._inside.push(score)
        if self._short is not None:
            self._short = np.concatenate((self._short, score))
            if not len(values):
                return values
            self._short = None
            values = np.concatenate((np.repeat(values[:1], self._end), values))
        if len(values):
            self._last = values[-1]
        return values

    def flush(self) -> Array:
        return np.full(self._end, self._last) if self._short is None else self._short


def _weights(how: Smoothing) -> tuple[Array, int, int]:
    """The weights in the order of time, and how many zeros they need before and after the video."""
    place = np.arange(how.taps)
    if how.kind == "causal":
        return _gaussian(place - (how.taps - 1), how.sigma), how.taps - 1, 0
    half = how.taps // 2
    centre = max(half - 1, 0) if how.kind == "code" else half  # the released code's centre is one frame early
    return _gaussian(place - centre, how.sigma), half, half


def _gaussian(x: NDArray[np.int64], sigma: float) -> Array:
    density: Array = np.exp(-0.5 * (x / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    return density
