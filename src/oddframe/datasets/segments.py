"""Pooling of snippets into a fixed number of segments, and conversion of segment scores back to snippets.

A video of n snippets is divided at floor(i n / S), i = 0..S. Every snippet belongs to a segment. If there are fewer
snippets than segments, several segments share one snippet. The public feature sets of the field use this division (the
code of Sultani et al. rounds instead, and never uses the last snippet).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def boundaries(snippets: int, segments: int) -> NDArray[np.int64]:
    """(S+1,) boundaries b of the segments: segment i holds the snippets from b[i] to b[i+1] - 1, or the single snippet
    b[i] if the two are equal. They are computed in integers, because floating-point steps would miss some of them."""
    return np.arange(segments + 1, dtype=np.int64) * snippets // segments


def pool(features: NDArray[np.float32], segments: int) -> NDArray[np.float32]:
    """(S, D) means over the snippets of each segment. `features` is (n, D), with n at least 1."""
    edges = boundaries(len(features), segments)
    starts, stops = edges[:-1], np.maximum(edges[1:], edges[:-1] + 1)
    sums = np.concatenate([np.zeros_like(features[:1], np.float64), np.cumsum(features, axis=0, dtype=np.float64)])
    means: NDArray[np.floating] = (sums[stops] - sums[starts]) / (stops - starts)[:, None]
    return means.astype(np.float32)


def spread(scores: NDArray[np.float64], snippets: int) -> NDArray[np.float64]:
    """(n,) scores of snippets from (S,) scores of segments. A snippet that several segments share gets their mean."""
    edges = boundaries(snippets, len(scores))
    starts, stops = edges[:-1], np.maximum(edges[1:], edges[:-1] + 1)
    # For each snippet, the number of its segments and the sum of their scores, as differences for a cumulative sum.
    change, owners = np.zeros(snippets + 1), np.zeros(snippets + 1)
    np.add.at(change, starts, scores)
    np.subtract.at(change, stops, scores)
    np.add.at(owners, starts, 1.0)
    np.subtract.at(owners, stops, 1.0)
    return np.cumsum(change)[:-1] / np.cumsum(owners)[:-1]
