"""The streaming 3-D filter against scipy on the whole volume."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

from oddframe.scoring.volume import VolumeFilter


def stream(maps: np.ndarray, extents: tuple[int, int, int], sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    volume, maxima, grids, start = VolumeFilter(extents, (4, 8)), [], [], 0
    for size in sizes:
        done = volume.push(maps[start : start + size])
        maxima.append(done.maximum)
        grids.append(done.map)
        start += size
    done = volume.flush()
    return np.concatenate([*maxima, done.maximum]), np.concatenate([*grids, done.map])


@given(st.integers(1, 30), st.sampled_from([1, 3, 9]), st.integers(1, 11))
@settings(max_examples=40, deadline=None)
def test_equals_the_filter_of_the_whole_volume_for_every_batch(frames: int, time: int, batch: int) -> None:
    maps = np.random.default_rng(frames).random((frames, 16, 32), dtype=np.float32)
    sizes = [min(batch, frames - start) for start in range(0, frames, batch)]
    maximum, grid = stream(maps, (time, 5, 3), sizes)
    spatial = np.stack([uniform_filter(m.astype(np.float64), (5, 3), mode="nearest") for m in maps])
    reach = time // 2
    wanted = np.array([spatial[max(0, t - reach) : t + reach + 1].mean(0).max() for t in range(frames)])
    np.testing.assert_allclose(maximum, wanted, rtol=1e-5)
    once_maximum, once_grid = stream(maps, (time, 5, 3), [frames])
    assert np.array_equal(maximum, once_maximum) and np.array_equal(grid, once_grid)
    assert grid.shape == (frames, 4, 8)


@pytest.mark.parametrize("batch", [1, 8])
def test_memory_does_not_grow(batch: int) -> None:
    volume = VolumeFilter((9, 3, 3), (2, 4))
    for _ in range(200 // batch):
        volume.push(np.zeros((batch, 4, 8), np.float32))
        assert len(volume.ring) <= 8 + batch
