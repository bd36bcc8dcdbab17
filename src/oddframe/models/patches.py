"""`patches`: what is there. What looks like nothing seen at this place lies far from a memory of normal patches.

Papers, and what is used of them here:
- PatchCore: Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022, arXiv:2106.08265. Section
  3.1: patch vectors of two depths of a frozen network. Section 3.2, equation 5 and algorithm 1: the memory is a coreset
  by greedy k-centre. Section 3.3, equation 6: a frame's score is the largest distance of a patch to its nearest one.
- k-centre: Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985.
- PaDiM: Defard et al., 2020, arXiv:2011.08785, equation 1: the covariance with a small multiple of I, and the
  Mahalanobis distance, which is the Euclidean one after whitening.
The frozen network is a function that is given; the usual one is that of `oddframe.models.backbone`.

Departures:
- one mean and covariance for all places (PaDiM has one for each), and one memory for all (as PatchCore);
- vectors are whitened before the coreset is chosen and searched; PatchCore takes them as they are;
- a patch's place on the grid, times `place`, is appended to its vector: far places count as unlike. The unit is 16
  pixels of the resized frame, whatever the grid;
- the coreset is chosen out of a random sample of all patches, exactly, without PatchCore's random projection;
- no reweighting by the neighbourhood (PatchCore's equation 7). With `local` every place has its own measure instead:
  what normal patches there reach, the 99th percentile of their distances around the place, is subtracted. The
  distances are cross-fitted: those of one half of the time to a memory of the other half. It finds more of what is
  pasted where nothing moves, and less of what is pasted where people walk, and is off unless it is asked for;
- things do not change in a tenth of a second: frames are looked at `rate` times a second, and the value is held.
- windows that somebody calls normal are taken in later: greedy k-centre goes on from the memory until none of their
  patches lies farther from it than the patches did that it was chosen from. The whitening stays as it is.

Shape letters: B frames, h x w places, P patches, C numbers of the network, D = C + 2, M patches in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.hashing import hash64
from oddframe.datasets.windows import Chunk
from oddframe.errors import BundleError, InputError, RecipeError
from oddframe.models.backbone import Network, check_blocks, grid, stride
from oddframe.models.exemplars import Neighbours, Reservoir, covering_radius, k_centre, lacking, nearest
from oddframe.models.fitted import FittedDetector, State
from oddframe.models.options import check_size, configure
from oddframe.models.reasons import Reason
from oddframe.types import ChunkErrors, Combination, VideoInfo, Window

PIXELS = 320 * 480  # of a resized frame, where no size is given
MULTIPLE = 16
RIDGE = 1e-3  # of the covariance; the variances of the usual network are 0.03 to 160
LEAST_LOOKS = 4
PLACE_UNIT = 16  # pixels
SEGMENT = 10  # looks; every other segment is one half of the cross-fit
AROUND = 1  # places to every side that count as one place's surroundings
REACH = 0.99  # share of normal distances


@dataclass(frozen=True)
class PatchesConfig:
    """Options.

    Attributes:
        size: (height, width) that frames are resized to; None keeps the video's aspect at about 320x480 pixels.
        blocks: of the network; earlier ones see smaller things.
        memory: M, patches kept.
        sample: random patches that the memory is chosen from; twice as many are kept while learning.
        place: lambda, weight of a patch's place.
        local: subtract what normal patches around the same place reach.
        whiten: decorrelate and scale the vectors; without it they are only scaled, all alike.
        rate: looks a second while scoring.
        learning_rate: looks a second while learning.
    """

    size: tuple[int, int] | None = None
    blocks: tuple[int, ...] = (4, 10)
    memory: int = 2000
    sample: int = 12_000
    place: float = 1.0
    local: bool = False
    whiten: bool = True
    rate: float = 5.0
    learning_rate: float = 1.0

    def __post_init__(self) -> None:
        check_blocks(self.blocks)
        if self.size is not None:
            check_size("patches", self.size, MULTIPLE)
        for name in ("memory", "sample"):
            if getattr(self, name) < 1:
                raise RecipeError(f"patches: {name} is {getattr(self, name)}; it must be at least 1")
        for name in ("rate", "learning_rate"):
            if not 0 < getattr(self, name) < np.inf:
                raise RecipeError(f"patches: {name} is {getattr(self, name)}; it must be above 0")
        if not 0 <= self.place < np.inf:
            raise RecipeError(f"patches: place is {self.place}; it must be 0 or more")


class Patches(FittedDetector):
    """Component "patch": the largest distance of a patch of the frame to its nearest in memory; map: all distances.

    With `local` a distance is counted from what is normal at its place; below 0 is well within.

    Attributes:
        config: the options.
        network: (B, H, W, 3) uint8 RGB frames to (B, h, w, C) float32; to be set before learning and scoring.
            `oddframe.runtime.backbone.open_backbone(detector.config.blocks)` gives it.
    """

    components: Mapping[str, str] = {"patch": "the look of something that is there"}
    combination = Combination({"patch": 1.0})

    def __init__(self, size: tuple[int, int], config: PatchesConfig, network: Network | None = None) -> None:
        """With frames of `size` (height, width), in multiples of 16."""
        check_size("patches", size, MULTIPLE)
        self.config, self.network, self.blocks = config, network, config.blocks
        self.window = Window(offsets=(0,), size=size, colour="rgb", resize="bilinear")
        self.map_grid = grid(size, config.blocks)
        rows, columns = np.indices(self.map_grid).reshape(2, -1)
        unit = config.place * stride(config.blocks[-1]) / PLACE_UNIT
        self._places_P2 = (np.stack([rows, columns], 1) * unit).astype(np.float32)
        self._fitted = False
        self._mean_C = np.zeros(0, np.float32)
        self._projection_CC = self._memory_MD = np.zeros((0, 0), np.float32)
        self._reach_P = np.zeros(len(self._places_P2), np.float32)
        self._learning: _Learning | None = None
        self._taken: Reservoir | None = None
        self.begin_video()

    @classmethod
    def for_video(cls, info: VideoInfo, **options: Any) -> Self:
        """Options are those of `PatchesConfig`, and `network`.

        Raises:
            RecipeError: an unknown option or an impossible value.
        """
        network = options.pop("network", None)
        config = configure(PatchesConfig, {"paper": {}}, "paper", options)
        return cls(config.size or _size_like(info), config, network)

    def begin_learning(self, seed: int) -> None:
        self._fitted = False
        self._learning = _Learning(seed, 2 * self.config.sample)
        self.begin_video()

    def begin_video(self) -> None:
        self._slot: int | None = None  # number of the last frame's part of 1 / rate seconds
        self._held: tuple[float, NDArray[np.float32]] | None = None

    @property
    def memory(self) -> object:
        return self._slot, self._held

    def learn(self, chunk: Chunk) -> None:
        if self._learning is None:
            raise RuntimeError("begin_learning comes before learn")
        for _, vectors_PC in self._looked_at(chunk, self.config.learning_rate):
            self._learning.take(vectors_PC)

    def finish_learning(self) -> None:
        learning = self._learning
        if learning is None or learning.looks < LEAST_LOOKS:
            raise InputError(
                f"patches: {learning.looks if learning else 0} frames are too few to learn from, at "
                f"{self.config.learning_rate:g} a second; at least {LEAST_LOOKS} are needed: give more video, or a "
                "higher learning_rate"
            )
        self._learning = None
        covariance_CC = learning.scatter_CC / learning.count + RIDGE * np.eye(len(learning.mean_C))
        if self.config.whiten:
            values_C, directions_CC = np.linalg.eigh(covariance_CC)
            self._projection_CC = (directions_CC / np.sqrt(values_C)).astype(np.float32)
        else:
            scale = 1 / np.sqrt(np.trace(covariance_CC) / len(covariance_CC))
            self._projection_CC = (np.eye(len(covariance_CC)) * scale).astype(np.float32)
        self._mean_C = learning.mean_C.astype(np.float32)
        sample_ND = self._embedded(learning.vectors_NC, learning.positions_N)
        # All memories are chosen out of equally many patches: out of more, more of the memory goes to rare ones.
        first = min(self.config.sample, len(sample_ND) // 2 if self.config.local else len(sample_ND))
        self._reach_P[:] = self._reached(sample_ND, learning, first) if self.config.local else 0
        self._remember(sample_ND[k_centre(sample_ND[:first], self.config.memory, learning.seed)])
        self.begin_video()

    def take_in(self, chunk: Chunk) -> None:
        radius, everywhere_P = covering_radius(self._memory_MD), np.arange(len(self._places_P2))
        if self._taken is None:
            self._taken = Reservoir(self._memory_MD.shape[1], self.config.sample, 0)
        for _, vectors_PC in self._looked_at(chunk, self.config.rate):
            embedded_PD = self._embedded(vectors_PC, everywhere_P)
            self._taken.add(embedded_PD[self._memory.distances(embedded_PD) > radius])

    def finish_taking_in(self) -> int:
        taken, self._taken = self._taken, None
        if taken is None:
            return 0
        rows_ND, room = taken.rows(), 2 * self.config.memory - len(self._memory_MD)
        new_N = lacking(rows_ND, self._memory_MD, covering_radius(self._memory_MD), room)
        self._remember(np.concatenate([self._memory_MD, rows_ND[new_N]]))
        self.begin_video()
        return len(new_N)

    def score(self, chunk: Chunk) -> ChunkErrors:
        if not self._fitted:
            raise InputError("patches has learned nothing yet; fit it or load its state first")
        looks = dict(self._looked_at(chunk, self.config.rate))
        component_B = np.empty(len(chunk.time))
        map_Bhw = np.empty((len(chunk.time), *self.map_grid), np.float32)  # type: ignore[misc]
        everywhere_P = np.arange(len(self._places_P2))
        for number in range(len(chunk.time)):
            if number in looks:
                distance_P = self._standing_out(self._embedded(looks[number], everywhere_P))
                self._held = float(distance_P.max()), distance_P.reshape(self.map_grid)
            assert self._held is not None, "the first frame of a video is looked at"
            component_B[number], map_Bhw[number] = self._held
        return ChunkErrors({"patch": component_B}, map_Bhw)

    def look_back(self, component: str) -> float:
        return 0.0

    def explain(self, component: str, chunks: Iterable[Chunk]) -> Reason | None:
        if self.network is None or not self._fitted:
            return None
        *_, chunk = chunks
        vectors = self.network(chunk.frames[chunk.inputs[-1:, 0]])
        embedded = self._embedded(vectors.reshape(-1, vectors.shape[-1]), np.arange(len(self._places_P2)))
        distance = self._standing_out(embedded).reshape(self.map_grid)
        h, w = distance.shape
        row, column = np.unravel_index(int(distance.argmax()), distance.shape)
        place = float(column / w), float(row / h), float((column + 1) / w), float((row + 1) / h)
        return Reason("something here looks like nothing seen at this place", place, float(distance.max()))

    def state(self) -> State:
        """mean (C,), projection (C, C), memory (M, C + 2) and reach (h, w), all float32."""
        if not self._fitted:
            return {}
        return {
            "mean": self._mean_C,
            "projection": self._projection_CC,
            "memory": self._memory_MD,
            "reach": self._reach_P.reshape(self.map_grid),
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        arrays = {}
        for name, axes in (("mean", 1), ("projection", 2), ("memory", 2), ("reach", 2)):
            if name not in state or state[name].ndim != axes:
                found = f"has shape {state[name].shape}" if name in state else "is missing"
                raise BundleError(f"patches: {name} {found}; the bundle is damaged or of another version")
            arrays[name] = np.asarray(state[name], np.float32)
        c = len(arrays["mean"])
        for name, width in (("projection", c), ("memory", c + 2)):
            if arrays[name].shape[1] != width or (name == "projection" and len(arrays[name]) != c):
                raise BundleError(
                    f"patches: {name} has shape {arrays[name].shape}, which does not go with a mean of {c} numbers; "
                    "the bundle is damaged"
                )
        if arrays["reach"].shape != self.map_grid:
            raise BundleError(
                f"patches: reach has shape {arrays['reach'].shape}, the grid of a frame is {self.map_grid}; the bundle "
                "was made for another size"
            )
        if not 1 <= len(arrays["memory"]) <= 2 * self.config.memory:  # as much again is taken in later
            raise BundleError(
                f"patches: memory holds {len(arrays['memory'])} patches, the option memory is {self.config.memory}; "
                "the bundle was made with other options"
            )
        self._learning = None
        self._mean_C, self._projection_CC = arrays["mean"], arrays["projection"]
        self._reach_P = arrays["reach"].reshape(-1).copy()
        self._remember(arrays["memory"])
        self.begin_video()

    def _looked_at(self, chunk: Chunk, rate: float) -> list[tuple[int, NDArray[np.float32]]]:
        """Numbers in the chunk of the frames that are looked at, with their patch vectors (P, C)."""
        if self.network is None:
            raise InputError("patches has no network; set `network` with oddframe.runtime.backbone.open_backbone")
        slots = np.floor(chunk.time * rate + 1e-6).astype(np.int64)  # 0.1 * 3 * 10 is to be 3
        numbers = [n for n, slot in enumerate(slots) if slot != (slots[n - 1] if n else self._slot)]
        self._slot = int(slots[-1]) if len(slots) else self._slot
        if not numbers:
            return []
        vectors = self.network(chunk.frames[chunk.inputs[numbers, 0]])
        if vectors.ndim != 4 or vectors.shape[1:3] != self.map_grid:
            raise InputError(
                f"patches: the network gives {vectors.shape}, not (frames, {self.map_grid[0]}, {self.map_grid[1]}, "  # type: ignore[index]
                f"channels); it was made for other blocks than {list(self.config.blocks)}"
            )
        if self._fitted and vectors.shape[3] != len(self._mean_C):
            raise InputError(
                f"patches: the network gives {vectors.shape[3]} numbers a patch, and {len(self._mean_C)} were learned; "
                "use the network that it learned with"
            )
        return [(n, found.reshape(-1, found.shape[-1])) for n, found in zip(numbers, vectors, strict=True)]

    def _embedded(self, vectors_NC: NDArray[np.float32], positions_N: NDArray[np.int64]) -> NDArray[np.float32]:
        """(N, D): whitened, with the place appended."""
        white_NC = (vectors_NC - self._mean_C) @ self._projection_CC
        return np.concatenate([white_NC, self._places_P2[positions_N]], 1)

    def _standing_out(self, embedded_PD: NDArray[np.float32]) -> NDArray[np.float32]:
        """(P,) distances of the patches of a frame; an ignored place is as usual as the most usual one."""
        distance_P = self._memory.distances(embedded_PD) - self._reach_P
        if self.ignored is not None:
            distance_P[self.ignored.ravel()] = distance_P.min()
        return distance_P

    def _remember(self, memory_MD: NDArray[np.float32]) -> None:
        """Take over the memory, and make it ready to be searched."""
        self._memory_MD, self._memory = memory_MD, Neighbours(memory_MD)
        self._fitted = True

    def _reached(self, sample_ND: NDArray[np.float32], learning: _Learning, first: int) -> NDArray[np.float32]:
        """(P,) what distances of normal patches reach around each place; a patch is no neighbour of its own time.

        Memories are chosen out of the `first` patches of each half.
        """
        segments = max(2, learning.looks // SEGMENT)
        half_N = (learning.looks_N * segments // learning.looks) % 2
        distance_N = np.zeros(len(sample_ND), np.float32)
        for half in (0, 1):
            asked_N, others_MD = np.flatnonzero(half_N == half), sample_ND[half_N != half]
            others_MD = others_MD[k_centre(others_MD[:first], self.config.memory, learning.seed)]
            distance_N[asked_N] = nearest(sample_ND[asked_N], others_MD)
        h, w = self.map_grid  # type: ignore[misc]
        row_N, column_N = learning.positions_N // w, learning.positions_N % w
        reach_P = np.zeros(h * w, np.float32)
        for place in range(h * w):
            near_N = (abs(row_N - place // w) <= AROUND) & (abs(column_N - place % w) <= AROUND)
            around = distance_N[near_N] if near_N.any() else distance_N
            reach_P[place] = np.quantile(around, REACH)
        return reach_P


class _Learning:
    """Mean and scatter of all patches (Chan et al., 1979, in float64), and a random sample of them.

    A patch has a random number of its own, and those with the lowest stay: the sample does not depend on how frames
    come in chunks.
    """

    def __init__(self, seed: int, sample: int) -> None:
        self.seed, self.sample = seed, sample
        self.looks = self.count = 0
        self.mean_C, self.scatter_CC = np.zeros(0), np.zeros((0, 0))
        self.keys_N = np.zeros(0, np.int64)
        self.vectors_NC = np.zeros((0, 0), np.float32)
        self.positions_N, self.looks_N = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def take(self, vectors_PC: NDArray[np.float32]) -> None:
        """Take in the patches of one frame."""
        places, c = vectors_PC.shape
        if not self.looks:
            self.mean_C, self.scatter_CC, self.vectors_NC = np.zeros(c), np.zeros((c, c)), vectors_PC[:0]
        x_PC = vectors_PC.astype(np.float64)
        mean_C = x_PC.mean(0)
        shift_C, share = mean_C - self.mean_C, places / (self.count + places)
        centred_PC = x_PC - mean_C
        self.scatter_CC += centred_PC.T @ centred_PC + np.outer(shift_C, shift_C) * (self.count * share)
        self.mean_C += shift_C * share
        self.count += places
        position_P = np.arange(places)
        key_P = hash64(self.seed, self.looks, position_P)
        if len(self.keys_N) == self.sample:
            position_P = np.flatnonzero(key_P < self.keys_N[-1])
        keys = np.concatenate([self.keys_N, key_P[position_P]])
        lowest = np.argsort(keys, kind="stable")[: self.sample]
        self.keys_N = keys[lowest]
        self.vectors_NC = np.concatenate([self.vectors_NC, vectors_PC[position_P]])[lowest]
        self.positions_N = np.concatenate([self.positions_N, position_P])[lowest]
        self.looks_N = np.concatenate([self.looks_N, np.full(len(position_P), self.looks)])[lowest]
        self.looks += 1


def _size_like(info: VideoInfo) -> tuple[int, int]:
    """(height, width) of about `PIXELS`, with the aspect of the video, in multiples of 16."""
    height = (PIXELS * info.height / info.width) ** 0.5
    sides = (height, PIXELS / height)
    return max(MULTIPLE, round(sides[0] / MULTIPLE) * MULTIPLE), max(MULTIPLE, round(sides[1] / MULTIPLE) * MULTIPLE)
