"""Snippets pooled into a fixed number of segments, and scores brought back from segments to snippets.

A video of n snippets is divided at floor(i n / S), i = 0..S; every snippet belongs to a segment, and where there are
fewer snippets than segments, several segments share one. This is what the field's public feature sets do (Sultani et
al.'s own code rounds, and never uses the last snippet).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def boundaries(snippets: int, segments: int) -> NDArray[np.int64]:
    """(S+1,) where segments begin: segment i holds the snippets from i to i+1, or the single one at i where they are
    equal. Whole numbers throughout: floating-point steps would miss some of them."""
    return np.arange(segments + 1, dtype=np.int64) * snippets // segments


def pool(features: NDArray[np.float32], segments: int) -> NDArray[np.float32]:
    """(S, D) means over the snippets of each segment; `features` (n, D), n at least 1."""
    edges = boundaries(len(features), segments)
    starts, stops = edges[:-1], np.maximum(edges[1:], edges[:-1] + 1)
    sums = np.concatenate([np.zeros_like(features[:1], np.float64), np.cumsum(features, axis=0, dtype=np.float64)])
    means: NDArray[np.floating] = (sums[stops] - sums[starts]) / (stops - starts)[:, None]
    return means.astype(np.float32)


def spread(scores: NDArray[np.float64], snippets: int) -> NDArray[np.float64]:
    """(n,) scores of snippets from (S,) scores of segments: of its segment, or the mean of those that share it."""
    edges = boundaries(snippets, len(scores))
    starts, stops = edges[:-1], np.maximum(edges[1:], edges[:-1] + 1)
    # How many segments own each snippet, and the sum of what they say, as differences that are summed up.
    change, owners = np.zeros(snippets + 1), np.zeros(snippets + 1)
    np.add.at(change, starts, scores)
    np.subtract.at(change, stops, scores)
    np.add.at(owners, starts, 1.0)
    np.subtract.at(owners, stops, 1.0)
    return np.cumsum(change)[:-1] / np.cumsum(owners)[:-1]
