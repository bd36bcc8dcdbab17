"""Monitors: how things move, at every place of one camera, against exemplars of how they moved there before.

Sources: Adam, Rivlin, Shimshoni and Reinitz, "Robust Real-Time Unusual Event Detection Using Multiple Fixed-Location
Monitors" (PAMI 2008); Ramachandra and Jones, "Street Scene" (WACV 2020), exemplars per place; Singh, Jones and
Learned-Miller, "EVAL" (CVPR 2023); Reiss and Hoshen, "Attribute-based Representations for Accurate and Interpretable
Video Anomaly Detection" (2022), densities of velocity and their sum; Gonzalez (1985), k-centre; Kroeger et al. (ECCV
2016), flow.

    d  a descriptor of a cell or object: `oddframe.models.motion`, equations (5) to (7)
    e  = (row / 1.5, column / 3, d / (sd + 0.001))            sd: of d over normal video                         (1)
    score of a cell = distance of e to the nearest of 2,000 exemplars; of a cell without motion 0                (2)
    score of an object = the same, given to all cells that belong to it                                         (3)
    component = max over cells of the 3x3 mean of the scores' mean over three reference intervals                (4)

Components dwell and still are those of `oddframe.models.dwell`, without the mean over time. The exemplars are chosen by
greedy k-centre from 60,000 rows, a random sample of every second frame of normal video. Frames between them scale the
map.

Departures:
- velocity is the mean of flow vectors; the sources take histograms of directions, whose mean vector is up to 8 %
  shorter between two bins.
- Everything is a displacement within one reference interval, the median interval of the first video that was learned. A
  video at another frame rate has the same speeds, and the mean over three frames is a mean over as much time.
- Place counts twice as much as in the first trial of (1), row / 3 and column / 6. On two streets and on training video
  played backwards the sum of components gains 0.01 to 0.03 of AUC; at double speed it loses 0.003.
- The mean over time is taken of the scores of cells, before the maximum.
- Windows that somebody calls normal are taken in later: greedy k-centre goes on from the exemplars until no row of the
  windows lies farther from them than the rows did that they were chosen from. Dwell and still stay as they are.

A frame without a predecessor has no motion: the first one after `begin_video`, and one after a pause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.windows import Chunk
from oddframe.errors import InputError, RecipeError
from oddframe.models.dwell import DwellLearning, Foreground, Normal, Stay
from oddframe.models.exemplars import Neighbours, Reservoir, covering_radius, k_centre, lacking
from oddframe.models.fitted import FittedDetector, State
from oddframe.models.motion import CELL, OBJECT, SPEED, VELOCITY, Motion, describe, flow_between
from oddframe.models.options import configure
from oddframe.models.reasons import Place, Reason, explain_object, explain_speed, explain_stay, explain_velocity
from oddframe.models.states import check_state
from oddframe.models.timing import LONGEST, RECENT, Pace, Ticks
from oddframe.types import ChunkErrors, Combination, VideoInfo, Window

Array = NDArray[np.float32]
Grey = NDArray[np.uint8]

WIDTHS = {"speed": SPEED, "velocity": VELOCITY, "objects": OBJECT}
PLACE = np.array([2 / 3, 1 / 3], np.float32)  # weights of row and column
TINY = np.float32(0.001)
STAYS = ("dwell", "still")
STAYING = np.array([0, 1], np.float32)  # their level: they count in normal deviations already
MEAN = 3  # reference intervals
NEAR = 3.0  # of equation (1): exemplars that count as seen at the same place
LOOK_BACK = 60.0  # seconds, for how long something has stayed
GONE = 1.0  # seconds that it may be away in between
FEWEST = 10  # frames with a predecessor, to learn from
CHECKED = 8_000  # rows of other frames, which scale the map


@dataclass(frozen=True)
class MonitorsConfig:
    """Options.

    Attributes:
        height: of the grey frames, in pixels, a multiple of 4; the width keeps the aspect ratio of the video.
        exemplars: of each descriptor.
        rows: of each descriptor, that exemplars are chosen from.
        colour: channel order of frames that have three channels.
    """

    height: int = 120
    exemplars: int = 2_000
    rows: int = 60_000
    colour: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        if self.height < 4 * CELL or self.height % CELL:
            raise RecipeError(f"Monitors: height {self.height} must be a multiple of {CELL} and at least {4 * CELL}")
        if not 1 <= self.exemplars <= self.rows:
            raise RecipeError(f"Monitors: exemplars {self.exemplars} must be from 1 to rows {self.rows}")


class _Density:
    """One descriptor: exemplars in the space of equation (1), sd, and mean and deviation of normal distances."""

    PARTS = "exemplars", "scale", "level"

    def __init__(self, exemplars: Array, scale: Array, level: Array) -> None:
        self.exemplars, self.scale, self.level = exemplars, scale, level
        self._neighbours = Neighbours(exemplars) if len(exemplars) else None

    def distances(self, place: Array, rows: Array) -> Array:
        """Equation (2). Where nothing ever moved, the distance to no motion at all."""
        if self._neighbours is None:
            size: Array = np.linalg.norm(rows / self.scale, axis=1).astype(np.float32)
            return size
        return self._neighbours.distances(np.concatenate([place * PLACE, rows / self.scale], axis=1))

    def near(self, place: Array) -> Array:
        """(N, D) descriptors of the exemplars around one place (row, column)."""
        gap = self.exemplars[:, :2] - place * PLACE
        chosen: Array = self.exemplars[np.einsum("nd,nd->n", gap, gap) <= NEAR**2, 2:] * self.scale
        return chosen


class Monitors(FittedDetector):
    """Components "speed", "velocity", "objects", "dwell" and "still", 0 or more; the map is the largest of them, in
    normal deviations of each, one value a cell of 4x4 pixels.

    Attributes:
        shown: the components that the map tells of.

    Frames of any size and colour are brought to grey ones of `window.size`. The scored frame is the last of its
    window's inputs; the one before is kept from the window before.
    """

    components: Mapping[str, str] = {
        "speed": "how fast things move at a place",
        "velocity": "which way things move at a place",
        "objects": "size, shape and motion of the things that move",
        "dwell": "how long something stays at a place",
        "still": "how long something stands still at a place",
    }
    combination = Combination(dict.fromkeys(components, 1.0), scale="normal")
    shown: Collection[str] = frozenset(components)

    def __init__(self, size: tuple[int, int], config: MonitorsConfig) -> None:
        self.config = config
        self.window = Window(offsets=(0,), size=size, colour="gray", resize="area")
        self.grid = size[0] // CELL, size[1] // CELL
        self.map_grid = self.grid
        self._densities: dict[str, _Density] = {}
        self._normal: Normal | None = None
        self._reference: float | None = None
        self._waiting: list[tuple[Grey, float]] = []
        self._taken: dict[str, Reservoir] = {}
        self.begin_video()

    @classmethod
    def for_video(cls, info: VideoInfo, *, preset: str = "paper", **options: Any) -> Self:
        config = configure(MonitorsConfig, {"paper": {}}, preset, options)
        width = max(round(config.height * info.width / info.height / CELL), 4) * CELL
        return cls((config.height, width), config)

    def begin_learning(self, seed: int) -> None:
        self._seed, self._frames, self._reference = seed, 0, None
        self._waiting.clear()
        self._densities, self._normal = {}, None
        self._rows = {
            name: [
                Reservoir(2 + width, size, seed + k)
                for k, size in enumerate((self.config.rows, min(CHECKED, self.config.rows)))
            ]
            for name, width in WIDTHS.items()
        }
        self._dwell = DwellLearning(seed)
        self.begin_video()

    def begin_video(self) -> None:
        self._settle()
        self._before: Grey | None = None
        self._pace, self._ticks, self._stay, self._foreground = Pace(), Ticks(), Stay(), Foreground()
        self._recent: deque[tuple[float, Array]] = deque()
        self._share = np.zeros((2, *self.grid), np.float32)
        if hasattr(self, "_dwell"):
            self._dwell.begin_video()

    @property
    def memory(self) -> object:
        return self._before, self._pace, self._ticks, self._stay, self._foreground, self._recent, self._share

    def learn(self, chunk: Chunk) -> None:
        for grey, time in self._greys(chunk):
            if self._reference is None:
                self._waiting.append((grey, time))
                if len(self._waiting) > RECENT:
                    self._settle()
            else:
                self._learn(grey, time)

    def _settle(self) -> None:
        """The first frames tell the reference interval; they are learned when it is known."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) > 1:
            self._reference = float(np.median(np.diff([time for _, time in waiting])))
            for grey, time in waiting:
                self._learn(grey, time)

    def _learn(self, grey: Grey, time: float) -> None:
        motion = self._motion(grey, time)
        self._dwell.push(time, self._means(grey), self._moving(motion))
        if motion is None:
            return
        self._frames += 1
        for name, (place, rows) in self._described(motion).items():
            self._rows[name][self._frames % 2].add(np.concatenate([place, rows], axis=1))

    def finish_learning(self) -> None:
        self._settle()
        if self._frames < FEWEST:
            raise InputError(
                f"monitors: {self._frames} pairs of successive frames are too few to learn from; "
                f"give at least {FEWEST}, better some minutes of normal video"
            )
        for name, (checked, chosen) in ((name, pair[::-1]) for name, pair in self._rows.items()):
            self._densities[name] = self._density(chosen.rows(), checked.rows())
        self._normal = self._dwell.finish()
        del self._rows, self._dwell
        self.begin_video()

    def _density(self, rows: Array, checked: Array) -> _Density:
        width = rows.shape[1] - 2
        scale, exemplars = np.ones(width, np.float32), np.zeros((0, 2 + width), np.float32)
        level = np.array([0, 1], np.float32)
        if len(rows):
            scale = rows[:, 2:].std(axis=0) + TINY
            space = np.concatenate([rows[:, :2] * PLACE, rows[:, 2:] / scale], axis=1)
            exemplars = space[k_centre(space, self.config.exemplars, self._seed)]
        density = _Density(exemplars, scale, level)
        if len(checked):
            found = density.distances(checked[:, :2], checked[:, 2:])
            density.level = np.array([found.mean(), found.std() + TINY], np.float32)
        return density

    def take_in(self, chunk: Chunk) -> None:
        if not self._taken:
            self._taken = {name: Reservoir(2 + width, self.config.rows, 0) for name, width in WIDTHS.items()}
        for grey, time in self._greys(chunk):
            motion = self._motion(grey, time)
            if motion is not None:
                for name, (place, rows) in self._described(motion).items():
                    self._taken[name].add(np.concatenate([place, rows], axis=1))

    def finish_taking_in(self) -> int:
        taken, self._taken = self._taken, {}
        new = 0
        for name, reservoir in taken.items():
            rows, density = reservoir.rows(), self._densities[name]
            space = np.concatenate([rows[:, :2] * PLACE, rows[:, 2:] / density.scale], axis=1).astype(np.float32)
            exemplars = density.exemplars if len(density.exemplars) else space[:1]
            room = 2 * self.config.exemplars - len(exemplars)
            chosen = lacking(space, exemplars, covering_radius(exemplars), room)
            self._densities[name] = _Density(np.concatenate([exemplars, space[chosen]]), density.scale, density.level)
            new += len(self._densities[name].exemplars) - len(density.exemplars)
        self.begin_video()
        return new

    def score(self, chunk: Chunk) -> ChunkErrors:
        assert self._normal is not None, "score before finish_learning or load_state"
        scores, maps = [], []
        for grey, time in self._greys(chunk):
            cells = self._score(grey, time)
            scores.append(cells.max(axis=(1, 2)))
            maps.append(self.highest(cells))
        values = np.array(scores, np.float64).reshape(-1, len(self.components))
        components = {name: values[:, k] for k, name in enumerate(self.components)}
        return ChunkErrors(components, np.array(maps, np.float32).reshape(-1, self.grid[0], self.grid[1]))

    def highest(self, values: Array) -> Array:
        """The largest of the shown components, in normal deviations of each, 0 or more: (5, ...) to (...)."""
        levels = np.stack([*(self._densities[name].level for name in WIDTHS), *np.tile(STAYING, (2, 1))])
        shown = [
            (own - mean) / deviation
            for name, own, (mean, deviation) in zip(self.components, values, levels, strict=True)
            if name in self.shown
        ]
        return np.maximum(np.max(shown, axis=0), 0) if shown else np.zeros_like(values[0])

    def _score(self, grey: Grey, time: float) -> Array:
        """(5, h, w) scores of the cells of the next frame, after their means; in the order of `components`."""
        moving = np.zeros((len(WIDTHS), *self.grid), np.float32)
        motion = self._motion(grey, time)
        if motion is not None:
            for layer, (name, (place, rows)) in zip(moving, self._described(motion).items(), strict=True):
                if len(rows):
                    found = self._densities[name].distances(place, rows)
                    if name == "objects":
                        layer[:] = np.r_[np.float32(0), found][motion.members]
                    else:
                        layer.ravel()[motion.cells] = found
        assert self._reference is not None and self._normal is not None
        self._recent.append((time, moving))
        while self._recent[0][0] <= time - (MEAN - 0.5) * self._reference:
            self._recent.popleft()
        lasting = np.mean([layers for _, layers in self._recent], axis=0)
        since = self._ticks.push(time)
        if since is not None:
            moves = self._moving(motion)
            share = self._stay.push(
                time, self._foreground.push(self._normal.compare(self._means(grey)), moves, since), moves, since
            )
            self._share = self._normal.unusual(share)
        cells = np.stack([cv2.blur(layer, (3, 3)) for layer in (*lasting, *self._share)])
        return cells if self.ignored is None else np.where(self.ignored, np.float32(0), cells)

    def look_back(self, component: str) -> float:
        return LOOK_BACK if component in STAYS else 1.0

    def explain(self, component: str, chunks: Iterable[Chunk]) -> Reason | None:
        assert self._normal is not None and self._reference is not None, "explain before finish_learning or load_state"
        if component in STAYS:
            return self._explain_stay(component, chunks, self._normal)
        last: deque[tuple[Grey, float]] = deque(maxlen=MEAN + 1)
        for chunk in chunks:
            last.extend(self._greys(chunk))
        best, reason = 0.0, None
        for (before, since), (grey, time) in zip(list(last)[:-1], list(last)[1:], strict=True):
            motion = self._between(before, since, grey, time)
            if motion is None:
                continue
            place, rows = self._described(motion)[component]
            density = self._densities[component]
            found = density.distances(place, rows)
            if self.ignored is not None and len(rows):
                found[self.ignored[tuple(np.rint(place).astype(np.int64).T)]] = 0
            if not len(rows) or not found.max():
                continue
            most = int(found.argmax())
            if found[most] > best:
                best, near = float(found[most]), density.near(place[most])
                if component == "objects":
                    words = explain_object(rows[most], near, density.scale)
                    cells = np.argwhere(motion.members == most + 1)
                    reason = Reason(words, self._place(cells.min(axis=0), cells.max(axis=0)))
                else:
                    explained = explain_speed if component == "speed" else explain_velocity
                    corner = np.rint(place[most]).astype(np.int64)
                    reason = Reason(explained(rows[most], near), self._place(corner - 1, corner + 1))
        return reason

    def _between(self, before: Grey, since: float, grey: Grey, time: float) -> Motion | None:
        """What moves between two frames at `since` and `time`; None where they are no neighbours."""
        assert self._reference is not None
        if not 0 < time - since <= LONGEST * self._reference:
            return None
        return describe(flow_between(before, grey) * np.float32(self._reference / (time - since)))

    def _explain_stay(self, component: str, chunks: Iterable[Chunk], normal: Normal) -> Reason | None:
        """How long the place that stands out at the end has been covered."""
        which = STAYS.index(component)
        ticks, stay, fronts = Ticks(), Stay(), Foreground()
        share = np.zeros((2, *self.grid), np.float32)
        before: tuple[Grey, float] | None = None
        seen: list[tuple[float, NDArray[np.bool_]]] = []
        for chunk in chunks:
            for grey, time in self._greys(chunk):
                since = ticks.push(time)
                if since is not None:
                    moves = self._moving(None if before is None else self._between(*before, grey, time))
                    foreground = fronts.push(normal.compare(self._means(grey)), moves, since)
                    share = stay.push(time, foreground, moves, since)
                    seen.append((time, cv2.dilate(foreground.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0))
                before = grey, time
        unusual = cv2.blur(normal.unusual(share)[which], (3, 3))
        if self.ignored is not None:
            unusual[self.ignored] = 0
        if not seen or unusual.max() <= 0:
            return None
        row, column = divmod(int(unusual.argmax()), self.grid[1])
        begun = seen[-1][0]
        for time, covered in reversed(seen):
            if begun - time > GONE:
                break
            begun = time if covered[row, column] else begun
        words = explain_stay(seen[-1][0] - begun, begun == seen[0][0], float(normal.mean[which, row, column]))
        _, groups = cv2.connectedComponents((unusual >= unusual.max() / 2).astype(np.uint8))
        cells = np.argwhere(groups == groups[row, column])
        return Reason(words, self._place(cells.min(axis=0), cells.max(axis=0)))

    def _place(self, first: NDArray[np.int64], last: NDArray[np.int64]) -> Place:
        """The cells from row and column `first` to `last`, both inside, as shares of the frame."""
        (top, left), (bottom, right) = np.maximum(first, 0) / self.grid, np.minimum(last + 1, self.grid) / self.grid
        return float(left), float(top), float(right), float(bottom)

    def _greys(self, chunk: Chunk) -> Iterator[tuple[Grey, float]]:
        """The scored frames in grey at the detector's size, and their times."""
        height, width = self.window.size
        for number, time in zip(chunk.inputs[:, -1], chunk.time, strict=True):
            frame = chunk.frames[number]
            if frame.shape[2] == 3:
                code = cv2.COLOR_RGB2GRAY if self.config.colour == "rgb" else cv2.COLOR_BGR2GRAY
                grey = cv2.cvtColor(frame, code)
            else:
                grey = frame[..., 0]
            if grey.shape != (height, width):
                grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
            yield np.array(grey, np.uint8), float(time)

    def _means(self, grey: Grey) -> Array:
        """Mean grey of the cells."""
        return np.asarray(
            cv2.resize(grey.astype(np.float32), self.grid[::-1], interpolation=cv2.INTER_AREA), np.float32
        )

    def _motion(self, grey: Grey, time: float) -> Motion | None:
        before, self._before = self._before, grey
        interval = self._pace.push(time)
        if before is None or interval is None:
            return None
        assert self._reference is not None
        return describe(flow_between(before, grey) * np.float32(self._reference / interval))

    def _moving(self, motion: Motion | None) -> NDArray[np.bool_]:
        """(h, w) which cells move; all of them where nothing is known."""
        moving = np.full(self.grid, motion is None)
        if motion is not None:
            moving.ravel()[motion.cells] = True
        return moving

    def _described(self, motion: Motion) -> dict[str, tuple[Array, Array]]:
        """Name -> place (n, 2) in cells and descriptors (n, D)."""
        place = np.stack(np.divmod(motion.cells, self.grid[1]), axis=1).astype(np.float32)
        return {
            "speed": (place, motion.speed),
            "velocity": (place, motion.velocity),
            "objects": (motion.centroids, motion.objects),
        }

    def state(self) -> State:
        if self._normal is None:
            return {}
        kept: State = {"interval": np.array([self._reference], np.float64)}
        for name, density in self._densities.items():
            kept |= {f"{name}.{part}": getattr(density, part) for part in _Density.PARTS}
        return kept | {f"dwell.{part}": value for part, value in vars(self._normal).items()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        h, w = self.grid
        shapes: dict[str, tuple[int | None, ...]] = {"interval": (1,)}
        for name, width in WIDTHS.items():
            shapes |= {f"{name}.exemplars": (None, 2 + width), f"{name}.scale": (width,), f"{name}.level": (2,)}
        shapes |= {f"dwell.{part}": (None, h, w) for part in ("background", "threshold")}
        shapes |= {f"dwell.{part}": (2, h, w) for part in ("mean", "deviation")}
        check_state("monitors", state, shapes)
        self._reference = float(state["interval"][0])
        for name in WIDTHS:
            self._densities[name] = _Density(*(state[f"{name}.{part}"] for part in _Density.PARTS))
        self._normal = Normal(*(state[f"dwell.{part}"] for part in ("background", "threshold", "mean", "deviation")))
        self.begin_video()
