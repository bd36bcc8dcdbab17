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

A filter ends at a pause (see `oddframe.video.pauses`) as it does at the end of a video, and begins anew after it.

A filter in seconds needs the frame rate. It is the pace of the first `PACED` frames (see `first_pace`), which a stream
and a file know alike; what the header of a file says plays no part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oddframe.settings import Smoothing as Smoothing  # part of a recipe, and so of a lower floor
from oddframe.video.pauses import PACED, pace, paused

Array = NDArray[np.float64]


def first_pace(time: NDArray[np.floating]) -> float | None:
    """The frame rate of a video, of its (N,) time stamps in seconds: the pace of its first `PACED` frames.

    A pause among them does not change it. None where there are fewer than two frames.
    """
    return pace(time[:PACED])


class Smoother:
    """Smooths the scores of one video that arrive in pieces.

    Args:
        how: the filter, in frames (see `Smoothing.at`).

    `push` and `flush` return the smoothed scores that are now final, in the order of the frames. Together they are, to
    the last bit, the same however the video was cut. What is held does not grow with the video.
    """

    def __init__(self, how: Smoothing) -> None:
        self._how, self._filter = how, _filter(how)

    def push(self, score: Array, after_pause: NDArray[np.bool_] | None = None) -> Array:
        """Take the (M,) scores of the next M frames; the (K,) smoothed scores that are now final.

        Args:
            after_pause: (M,) whether a pause lies before the frame; None: before none of them.
        """
        score = np.asarray(score, np.float64)
        done, start = [], 0
        for edge in [] if after_pause is None else np.flatnonzero(after_pause).tolist():
            done += [self._filter.push(score[start:edge]), self._filter.flush()]
            self._filter, start = _filter(self._how), edge
        done.append(self._filter.push(score[start:]))
        return np.concatenate(done)

    def flush(self) -> Array:
        """End the video: the (K,) smoothed scores of the last frames. Nothing may be pushed afterwards."""
        return self._filter.flush()


def smooth(score: Array, how: Smoothing, time: NDArray[np.floating] | None = None) -> Array:
    """Filter the (N,) scores of one whole video; (N,) float64.

    Args:
        time: (N,) seconds, which tell the pauses and the frame rate; without them there are no pauses, and the filter
            counts frames.

    Examples:
        A causal filter rises with an outlier and falls after it; no frame before the outlier changes.

        >>> import numpy as np
        >>> smooth(np.array([0.0, 0, 9, 0, 0, 0]), Smoothing("causal", taps=3, sigma=1000)).round(1)
        array([0., 0., 3., 3., 3., 0.])
    """
    smoother = Smoother(how if time is None else how.at(first_pace(time)))
    return np.concatenate((smoother.push(score, None if time is None else paused(time)), smoother.flush()))


def _filter(how: Smoothing) -> _Plain | _Held | _Normalised | _Correlation:
    if how.kind == "none":
        return _Plain()
    if how.kind == "held":
        return _Held(how)
    if how.kind == "code":
        return _Correlation(*_weights(how))
    return _Normalised(*_weights(how))


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
