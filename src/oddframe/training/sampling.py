"""Choice of the samples of a step, as a pure function of (seed, stage, epoch, step), and prefetching of batches."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import count
from typing import Any, Protocol, TypeVar, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oddframe.datasets.bags import Bags
from oddframe.datasets.hashing import hash64
from oddframe.models.bag_detector import BagBatch
from oddframe.models.detector import Batch
from oddframe.models.stage import BatchSampling

# The first value of every hash is its purpose, so that different uses have independent random numbers.
ORDER, KEY, NOISE, HELDOUT, GROUP = range(5)
HELDOUT_SAMPLES = 256

AnyBatch = Batch | BagBatch
T = TypeVar("T")


class ClipSamples(Protocol):
    """Windows of B samples as numpy arrays, with the shapes of `Batch`."""

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
    """Training samples: the ClipSet or BagSet of `oddframe.datasets`, or an object with the same interface.

    Samples are numbered from 0. `groups` has the samples of each group: the windows of each video, or the bags of each
    class. Several threads call `batch` at the same time, and its result depends only on its arguments.
    """

    def __len__(self) -> int: ...
    @property
    def groups(self) -> Sequence[range]: ...
    def batch(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> ClipSamples | Bags: ...


@overload
def as_batch(samples: Bags, pin: bool = False) -> BagBatch: ...
@overload
def as_batch(samples: ClipSamples, pin: bool = False) -> Batch: ...
def as_batch(samples: ClipSamples | Bags, pin: bool = False) -> AnyBatch:
    """Convert samples to torch tensors. `pin` puts them into pinned memory, for asynchronous copies to a GPU."""

    def tensor(array: NDArray[Any]) -> Tensor:
        made = torch.from_numpy(array)
        return made.pin_memory() if pin else made

    if isinstance(samples, Bags):
        features = {name: tensor(array) for name, array in samples.features.items()}
        return BagBatch(features, tensor(samples.label), tensor(samples.index), tensor(samples.key))
    arrays = {name: getattr(samples, name) for name in ("frames", "target", "key", "context", "pasted")}
    return Batch(**{name: tensor(array) for name, array in arrays.items() if array is not None})


@lru_cache(maxsize=2)
def epoch_order(seed: int, stage: int, epoch: int, units: int) -> NDArray[np.int64]:
    """The permutation of `units` samples, or groups of samples, for an epoch."""
    order = np.argsort(hash64(ORDER, seed, stage, epoch, np.arange(units)), kind="stable")
    order.flags.writeable = False  # the cache shares the array
    return order


@dataclass(frozen=True)
class Sampler:
    """The samples of every step of a stage, and the share of this device.

    A global batch has the samples that `world` devices see together in one step. The devices take its samples (or
    groups, see `BatchSampling`) in turn, so the number of devices does not change which samples are used. Samples after
    the last complete batch of an epoch are dropped.

    Attributes:
        seed, stage: seed of the run and number of the stage.
        first_epoch: number of the stage's first epoch, counted over the whole run.
        groups: the samples of each video, or of each class.
        batch_size: requested size of a global batch, a multiple of `multiple`. A smaller set is one batch.
        rank, world: number of this device, and number of devices.
        sampling: the way in which batches are composed.
    """

    seed: int
    stage: int
    first_epoch: int
    groups: tuple[range, ...]
    batch_size: int
    rank: int = 0
    world: int = 1
    sampling: BatchSampling = field(default_factory=BatchSampling)

    @property
    def balanced(self) -> bool:
        """Whether a batch has equally many samples of every group."""
        return self.sampling.kind == "balanced"

    @property
    def multiple(self) -> int:
        """The share of a device is a multiple of this number."""
        return len(self.groups) if self.balanced else self.sampling.group

    @cached_property
    def units(self) -> int:
        """Number of samples in an epoch; for grouped sampling the number of groups, for balanced that of each class."""
        if self.sampling.kind == "shuffle":
            return sum(map(len, self.groups))
        if self.balanced:
            return max(map(len, self.groups))
        return len(self._videos)

    @cached_property
    def _videos(self) -> list[range]:
        """The videos that are long enough for a group."""
        return [samples for samples in self.groups if len(samples) >= self.sampling.group]

    @property
    def _units_per_batch(self) -> int:
        fitting = min(self.batch_size // self.multiple, self.units)
        return fitting - fitting % self.world

    @property
    def global_batch(self) -> int:
        """Number of samples of a step over all devices."""
        return self._units_per_batch * self.multiple

    @property
    def steps_per_epoch(self) -> int:
        """Number of complete batches of an epoch."""
        return self.units // self._units_per_batch

    def epoch(self, step: int) -> int:
        """The epoch of step number `step` of the stage, counted over the whole run."""
        return self.first_epoch + step // self.steps_per_epoch

    def at(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Samples (B,), their keys (B,) and the epoch of step number `step` of the stage."""
        epoch = self.epoch(step)
        begin = step % self.steps_per_epoch * self._units_per_batch
        places = np.arange(begin, begin + self._units_per_batch)[self.rank :: self.world]
        if self.balanced:
            samples = np.concatenate([self._of_group(number, places, epoch) for number in range(len(self.groups))])
        else:
            samples = epoch_order(self.seed, self.stage, epoch, self.units)[places]
            if self.sampling.kind != "shuffle":
                samples = np.concatenate([self._windows(int(video), epoch) for video in samples])
        return samples, hash64(KEY, self.seed, self.stage, epoch, samples), epoch

    def _of_group(self, number: int, places: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        """The samples of a group at these places of an epoch. A short group is repeated, each time in another order."""
        group = self.groups[number]
        rounds, places = np.divmod(places, len(group))
        orders = {
            int(k): np.argsort(hash64(GROUP, self.seed, self.stage, epoch, number, int(k), np.arange(len(group))))
            for k in np.unique(rounds)
        }
        return group.start + np.array([orders[int(k)][place] for k, place in zip(rounds, places, strict=True)])

    def _windows(self, number: int, epoch: int) -> NDArray[np.int64]:
        """A group of samples of one of the videos; see `BatchSampling`."""
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
    groups: Sequence[range], sampling: BatchSampling, batch_size: int, seed: int
) -> list[NDArray[np.int64]]:
    """Choose at most 256 held-out samples, always the same ones, in batches of the training size or smaller.

    Where batches are made of groups they are whole, and as many as there are samples for, at least one.
    """
    if sampling.kind == "shuffle":
        last = sum(map(len, groups)) - 1
        chosen = np.unique(np.linspace(0, last, HELDOUT_SAMPLES).round().astype(np.int64))
        return [chosen[begin : begin + batch_size] for begin in range(0, len(chosen), batch_size)]
    sampler = Sampler(seed, HELDOUT, 0, tuple(groups), batch_size, sampling=sampling)
    if not sampler.units or (sampler.balanced and not all(map(len, groups))):
        return []
    wanted = min(HELDOUT_SAMPLES, sum(map(len, groups)))
    return [sampler.at(step)[0] for step in range(max(1, wanted // sampler.global_batch))]


def fetched_ahead(fetch: Callable[[int], T], first_step: int, devices: int) -> Generator[tuple[T, float], None, None]:
    """Yield fetch(first_step), fetch(first_step + 1), ... without end, each with the seconds it took in the background.

    At least two batches are ready or in preparation. With enough processors there are more, one for each thread.
    """
    threads = max(1, min(4, (os.cpu_count() or 1) // (4 * devices)))
    ahead = max(2, threads)

    def timed(step: int) -> tuple[T, float]:
        begin = time.monotonic()
        return fetch(step), time.monotonic() - begin

    with ThreadPoolExecutor(threads, thread_name_prefix="oddframe-fetch") as pool:
        waiting = deque(pool.submit(timed, first_step + n) for n in range(ahead))
        for step in count(first_step + ahead):
            batch = waiting.popleft().result()
            waiting.append(pool.submit(timed, step))
            yield batch
