"""Which samples a step sees, as a pure function of (seed, stage, epoch, step), and fetching them ahead of time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import count
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from oddframe.data.hashing import hash64
from oddframe.models.detector import Batch
from oddframe.models.stage import Sampling

# What a hash is for comes first in it, so that no two uses share their randomness.
ORDER, KEY, NOISE, HELDOUT, GROUP = range(5)
HELDOUT_SAMPLES = 256


class Clips(Protocol):
    """Windows of B samples as numpy arrays; shapes as in `Batch`."""

    @property
    def frames(self) -> NDArray[np.uint8]: ...
    @property
    def target(self) -> NDArray[np.uint8]: ...
    @property
    def key(self) -> NDArray[np.int64]: ...
    @property
    def context(self) -> NDArray[np.uint8] | None: ...
    @property
    def pasted(self) -> NDArray[np.uint8] | None: ...


class Samples(Protocol):
    """What training learns from: `oddframe.data`'s ClipSet, or anything of its shape.

    `by_video` says which of the samples, numbered from 0, belong to each video. `batch` is called by several threads at
    once, and what it returns depends on its arguments alone.
    """

    def __len__(self) -> int: ...
    @property
    def by_video(self) -> Sequence[range]: ...
    def batch(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> Clips: ...


def as_batch(clips: Clips, pin: bool = False) -> Batch:
    """The same windows as torch tensors; `pin` puts them into memory from which they travel to a GPU unattended."""
    arrays = {name: getattr(clips, name) for name in ("frames", "target", "key", "context", "pasted")}
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items() if array is not None}
    return Batch(**{name: tensor.pin_memory() if pin else tensor for name, tensor in tensors.items()})


@lru_cache(maxsize=2)
def epoch_order(seed: int, stage: int, epoch: int, units: int) -> NDArray[np.int64]:
    """The permutation of `units` samples, or groups of them, that an epoch goes through."""
    order = np.argsort(hash64(ORDER, seed, stage, epoch, np.arange(units)), kind="stable")
    order.flags.writeable = False  # it is shared through the cache
    return order


@dataclass(frozen=True)
class Sampler:
    """The samples of every step of a stage, and this device's share of them.

    A global batch is what `world` devices see together in one step; the devices take its samples (or groups, see
    `Sampling`) in turn, so that their number does not change what is learnt from. What is left of an epoch after its
    last whole batch is dropped.

    Attributes:
        first_epoch: number of the stage's first epoch, counted over the whole run.
        by_video: the samples of each video.
        batch_size: of a global batch, as asked for, a multiple of the group; a smaller set is one batch.
        rank, world: which device this is, of how many.
    """

    seed: int
    stage: int
    first_epoch: int
    by_video: tuple[range, ...]
    batch_size: int
    rank: int = 0
    world: int = 1
    sampling: Sampling = field(default_factory=Sampling)

    @cached_property
    def units(self) -> int:
        """How many samples, or groups, an epoch may draw from."""
        if self.sampling.kind == "shuffle":
            return sum(map(len, self.by_video))
        return len(self._videos)

    @cached_property
    def _videos(self) -> list[range]:
        """Those long enough for a group."""
        return [samples for samples in self.by_video if len(samples) >= self.sampling.group]

    @property
    def _units_per_batch(self) -> int:
        fitting = min(self.batch_size // self.sampling.group, self.units)
        return fitting - fitting % self.world

    @property
    def global_batch(self) -> int:
        """Samples of a step, over all devices."""
        return self._units_per_batch * self.sampling.group

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in the set."""
        return self.units // self._units_per_batch

    def epoch(self, step: int) -> int:
        """The epoch that step number `step` of the stage belongs to, counted over the whole run."""
        return self.first_epoch + step // self.steps_per_epoch

    def at(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Samples (B,), their keys (B,) and the epoch of step number `step` of the stage."""
        epoch = self.epoch(step)
        begin = step % self.steps_per_epoch * self._units_per_batch
        order = epoch_order(self.seed, self.stage, epoch, self.units)
        samples = order[begin : begin + self._units_per_batch][self.rank :: self.world]
        if self.sampling.kind != "shuffle":
            samples = np.concatenate([self._group(int(video), epoch) for video in samples])
        return samples, hash64(KEY, self.seed, self.stage, epoch, samples), epoch

    def _group(self, number: int, epoch: int) -> NDArray[np.int64]:
        """A group of samples of one of the videos; see `Sampling`."""
        video, size = self._videos[number], self.sampling.group
        random = np.random.default_rng(int(hash64(GROUP, self.seed, self.stage, epoch, number)))
        least = size if self.sampling.kind == "close" else 1
        segments = min(self.sampling.segments, len(video) // least)
        length = len(video) // segments
        if self.sampling.kind == "close":
            places = random.integers(segments) * length + random.permutation(length)[:size]
        else:
            places = random.permutation(segments)[:size] * length + random.integers(length)
        return video.start + places


def heldout_samples(
    by_video: Sequence[range], sampling: Sampling, batch_size: int, seed: int
) -> list[NDArray[np.int64]]:
    """The same at most 256 held-out samples every time, in batches like those of training; the last may be smaller."""
    if sampling.kind == "shuffle":
        last = sum(map(len, by_video)) - 1
        chosen = np.unique(np.linspace(0, last, HELDOUT_SAMPLES).round().astype(np.int64))
        return [chosen[begin : begin + batch_size] for begin in range(0, len(chosen), batch_size)]
    sampler = Sampler(seed, HELDOUT, 0, tuple(by_video), batch_size, sampling=sampling)
    if not sampler.units:
        return []
    return [sampler.at(step)[0] for step in range(max(1, HELDOUT_SAMPLES // sampler.global_batch))]


def fetched_ahead(fetch: Callable[[int], Batch], first_step: int, devices: int) -> Generator[Batch, None, None]:
    """Yield fetch(first_step), fetch(first_step + 1), ... without end, prepared on background threads.

    Two batches lie ready or are being prepared; more where there are processors to spare, one for each thread.
    """
    threads = max(1, min(4, (os.cpu_count() or 1) // (4 * devices)))
    ahead = max(2, threads)
    with ThreadPoolExecutor(threads, thread_name_prefix="oddframe-fetch") as pool:
        waiting = deque(pool.submit(fetch, first_step + n) for n in range(ahead))
        for step in count(first_step + ahead):
            batch = waiting.popleft().result()
            waiting.append(pool.submit(fetch, step))
            yield batch
