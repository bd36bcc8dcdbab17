"""Pooling into segments and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.datasets.segments import boundaries, pool, spread


@pytest.mark.parametrize(
    ("snippets", "segments", "expected"),
    [
        (5, 4, [0, 1, 2, 3, 5]),
        (3, 4, [0, 0, 1, 2, 3]),
        (10, 4, [0, 2, 5, 7, 10]),
        (5, 8, [0, 0, 1, 1, 2, 3, 3, 4, 5]),
    ],
)
def test_boundaries(snippets: int, segments: int, expected: list[int]) -> None:
    assert boundaries(snippets, segments).tolist() == expected


def test_means_of_segments_and_single_snippets() -> None:
    features = np.array([[0.0], [1.0], [2.0], [4.0], [8.0]], np.float32)
    assert pool(features, 4).ravel().tolist() == [0.0, 1.0, 2.0, 6.0]
    assert pool(features, 8).ravel().tolist() == [0.0, 0.0, 1.0, 1.0, 2.0, 4.0, 4.0, 8.0]
    assert pool(features, 1).ravel().tolist() == [3.0]


def test_scores_return_to_their_snippets() -> None:
    assert spread(np.array([0.1, 0.2, 0.3, 0.4]), 5).round(12).tolist() == [0.1, 0.2, 0.3, 0.4, 0.4]
    assert spread(np.array([0.0, 1.0, 0.5, 0.25]), 3).tolist() == [0.5, 0.5, 0.25]


@given(snippets=st.integers(1, 200), segments=st.integers(1, 64), seed=st.integers(0, 99))
def test_against_the_plain_loop(snippets: int, segments: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    features, scores = random.normal(size=(snippets, 3)).astype(np.float32), random.uniform(size=segments)
    owned: list[list[float]] = [[] for _ in range(snippets)]
    for i in range(segments):
        first, last = i * snippets // segments, (i + 1) * snippets // segments
        members = range(first, max(last, first + 1))
        assert np.allclose(pool(features, segments)[i], features[members].mean(axis=0), atol=1e-5)
        for member in members:
            owned[member].append(scores[i])
    assert all(owned), "every snippet belongs to a segment"
    assert np.allclose(spread(scores, snippets), [np.mean(values) for values in owned])


@given(snippets=st.integers(1, 500), value=st.floats(-5, 5))
def test_constants_stay_constant(snippets: int, value: float) -> None:
    assert np.allclose(spread(np.full(32, value), snippets), value)
    assert np.allclose(pool(np.full((snippets, 2), value, np.float32), 32), value, atol=1e-5)
