"""Temporal smoothing of a video's scores.

Gaussian filters, all of `taps` weights and standard deviation `sigma`, both counted in frames:

    code     the filter that SDMAE was released with: zero padding, weights that do not sum to one, centred one frame
             off. It lags by one frame and pulls scores down at both ends of a video; kept because published numbers
             depend on it.
    held     the filter that MPN was released with: centred, applied where it lies whole inside the video, the ends
             filled with the first and the last value that it gives; weights that do not sum to one. A video shorter
             than the filter stays as it is.
    centred  symmetric; looks (taps - 1) / 2 frames ahead.
    causal   the past half of a Gaussian, over the scored frame and the taps - 1 before it; looks at nothing to come.

Centred and causal divide by the weights that lie inside the video: a constant score stays what it is, ends included.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oddframe.settings import Smoothing as Smoothing  # part of a recipe, and so of a lower floor


def smooth(score: NDArray[np.float64], how: Smoothing) -> NDArray[np.float64]:
    """Filter the (N,) scores of one whole video; (N,) float64 comes back."""
    score = np.array(score, dtype=np.float64)
    if how.kind == "none" or not len(score):
        return score
    weights, pad = _filter(how)
    if how.kind == "held":
        if len(score) < how.taps:
            return score
        return np.pad(np.correlate(score, weights, mode="valid"), pad, mode="edge")
    filtered = np.correlate(np.pad(score, pad), weights, mode="valid")
    if how.kind == "code":
        return filtered
    return filtered / np.correlate(np.pad(np.ones(len(score)), pad), weights, mode="valid")


def _filter(how: Smoothing) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Weights in the order of time, and the zeros that they need before and after the video."""
    place = np.arange(how.taps)
    if how.kind == "causal":
        return _gaussian(place - (how.taps - 1), how.sigma), (how.taps - 1, 0)
    half = how.taps // 2
    centre = max(half - 1, 0) if how.kind == "code" else half  # the released code's centre is one frame early
    return _gaussian(place - centre, how.sigma), (half, half)


def _gaussian(x: NDArray[np.int64], sigma: float) -> NDArray[np.float64]:
    return np.exp(-0.5 * (x / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
