"""The sets of clips that people train with keep to what the loop asks of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.datasets.clips import Clips, ClipSet
from oddframe.datasets.pseudo import Paster
from oddframe.datasets.sequences import sequences_from_world
from oddframe.settings import PseudoAnomalies
from oddframe.types import Window

SIZE = (40, 80)


@dataclass(frozen=True)
class Video:
    frames: NDArray[np.uint8]


@pytest.mark.slow
def test_clips_do_not_depend_on_who_else_asks() -> None:
    """Several threads fetch batches, of two epochs where one ends, while held-out samples (epoch 0) are measured."""
    sequences = sequences_from_world(seed=1, size=SIZE, count=6)
    videos = [Video(np.full((300, *SIZE, 3), 90 + n, np.uint8)) for n in range(3)]

    def clips() -> ClipSet:
        how = PseudoAnomalies(probability=1.0, min_area=1e-4, max_area=0.2, place="random")
        paster = Paster(sequences, SIZE, how, seed=3)
        return ClipSet(videos, Window((-3, 0, 3), SIZE), paster=paster)

    random = np.random.default_rng(0)
    asked = [
        (random.integers(0, 900, 6), random.integers(0, 2**62, 6), epoch) for _ in range(40) for epoch in (7, 0, 8)
    ]
    shared = clips()
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda what: shared.batch(*what), asked))
    for what, found in zip(asked, together, strict=True):
        alone: Clips = clips().batch(*what)
        assert (found.frames == alone.frames).all()
        assert (found.pasted == alone.pasted).all()
    assert any(found.pasted.any() for found in together)
