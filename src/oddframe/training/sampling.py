"""Which samples a step sees, as a pure function of (seed, stage, epoch, step), and fetching them ahead of time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from oddframe.data.hashing import hash64
from oddframe.models.detector import Batch

# What a hash is for comes first in it, so that no two uses share their randomness.
ORDER, KEY, NOISE, HELDOUT = range(4)


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

    `batch` is called by several threads at once, and what it returns depends on its arguments alone.
    """

    def __len__(self) -> int: ...
    def batch(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> Clips: ...


def as_batch(clips: Clips, pin: bool = False) -> Batch:
    """The same windows as torch tensors; `pin` puts them into memory from which they travel to a GPU unattended."""
    arrays = {name: getattr(clips, name) for name in ("frames", "target", "key", "context", "pasted")}
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items() if array is not None}
    return Batch(**{name: tensor.pin_memory() if pin else tensor for name, tensor in tensors.items()})


@lru_cache(maxsize=2)
def epoch_order(seed: int, stage: int, epoch: int, samples: int) -> NDArray[np.int64]:
    """The permutation of `samples` samples that an epoch goes through."""
    order = np.argsort(hash64(ORDER, seed, stage, epoch, np.arange(samples)), kind="stable")
    order.flags.writeable = False  # it is shared through the cache
    return order


@dataclass(frozen=True)
class Sampler:
    """The samples of every step of a stage, and this device's share of them.

    A global batch is what `world` devices see together in one step; the devices take its samples in turn, so that
    their number does not change what is learnt from. What is left of an epoch after its last whole batch is dropped.

    Attributes:
        first_epoch: number of the stage's first epoch, counted over the whole run.
        samples: there are.
        batch_size: of a global batch, as asked for; a smaller set is one batch.
        rank, world: which device this is, of how many.
    """

    seed: int
    stage: int
    first_epoch: int
    samples: int
    batch_size: int
    rank: int = 0
    world: int = 1

    @property
    def global_batch(self) -> int:
        """Samples of a step, over all devices."""
        fitting = min(self.batch_size, self.samples)
        return fitting - fitting % self.world

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in the set."""
        return self.samples // self.global_batch

    def epoch(self, step: int) -> int:
        """The epoch that step number `step` of the stage belongs to, counted over the whole run."""
        return self.first_epoch + step // self.steps_per_epoch

    def at(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Samples (B,), their keys (B,) and the epoch of step number `step` of the stage."""
        epoch = self.epoch(step)
        begin = step % self.steps_per_epoch * self.global_batch
        order = epoch_order(self.seed, self.stage, epoch, self.samples)
        samples = order[begin : begin + self.global_batch][self.rank :: self.world]
        return samples, hash64(KEY, self.seed, self.stage, epoch, samples), epoch


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
