"""Scene: whether this place looks as it usually does, in each mode of the camera.

Sources: nearest neighbours of whole small pictures ("tiny images": Torralba, Fergus and Freeman, PAMI 2008); median
background and robust spread (Rousseeuw and Leroy, 1987); Gonzalez (1985) for the choice of looks. The modes and the
light's gain and offset are those of `oddframe.models.light`.

A thumbnail t is (16, 32, 3): mean grey, and the colours r - g and (r + g)/2 - b. In mode k, with background b_k,

    x = ((grey - offset) / gain, colours / gain) - b_k         what differs from the background               (1)
    place = max over cells of the largest |x| / (s_k f_k) of the cell's channels                              (2)
    look  = min over looks l of |x / s_k - l| / u_k            Euclidean, over all cells and channels         (3)
    light = distance of the whole picture to the nearest mode it knows, over the reach of the mode            (4)

s_k is the robust spread of a cell's channel: the largest of 1.4826 MAD, the 98th percentile of |x| over 2.33 and 3
grey values; over the gain where that is below 1, because taking it out enlarges noise. Looks are x / s_k of normal
video, at most 500 of all modes, so what may be there is known apart from the light. u_k is the median distance
between looks of mode k that are at least one block of 10 s apart.

A light that was never seen. Two questions are asked apart from each other:

- Is the picture as bright, as rich in contrast, as colourful as in some mode? If not, `light` is above 1 and
  `mode_of` says -1. It is told after one second. After ten seconds in it the new light counts as known, and `light` is
  the distance to it: one event, no endless alarm. Its centre follows the picture with a time constant of 60 s.
- Does some background fit the picture, once gain and offset are out? It fits if the median of |x| / s over the cells
  is at most 1.5 in every channel. If it does, and the gain lies between 1/2.2 and 2.2, the camera shows what it knows
  under another exposure: `light` is at most 1. If none does, place and look are judged relative to a running
  background: it begins with the first such picture, is at first the mean of all and then follows with a time constant
  of 60 s. Spread and scale are the largest and the mean of the modes. It is kept until a picture fits neither it nor a
  learned one. After ten seconds it is known, too, and another exposure of it is no new light.

f is 1. Windows that somebody calls normal are taken in later. Then f_k is the largest |x| / s_k that they show at a
place over 2.33, or 1: so they lie within the usual range. Their x / s become looks, by greedy k-centre that goes on
until none lies farther from the looks than what they were chosen from. Backgrounds, spreads and modes stay as they are.

Both are forgotten by `begin_video`. Thumbnails are learned five times a second, a random sample of 4,000.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.windows import Chunk
from oddframe.errors import InputError, RecipeError
from oddframe.models.exemplars import Neighbours, Reservoir, covering_radius, k_centre, lacking, nearest
from oddframe.models.fitted import FittedDetector, State
from oddframe.models.ignored import IgnoredPlace
from oddframe.models.light import Balance, Modes, find_modes, looks_of, middle
from oddframe.models.options import configure
from oddframe.models.reasons import Reason, explain_light
from oddframe.models.states import check_state
from oddframe.models.timing import Ticks
from oddframe.types import ChunkErrors, Combination, VideoInfo, Window

Array = NDArray[np.float32]

OVERSAMPLED = 4  # pixels of the detector's own frames along each side of a cell
LEAST = 3.0  # grey values
EXPOSURE = 2.2  # gain at most, for a camera under another exposure of its own
FITS = 1.5  # median of |x| / s at which a background fits
NOTICE = 10.0  # seconds that a new light is told
LASTS = 1.0  # seconds after which it is told: what is shorter is a flash, or somebody close to the camera
FOLLOW = 60.0  # seconds
BLOCK = 10.0  # seconds
FEWEST = 5  # thumbnails, to learn from
USUAL = 2.33  # |x| / s that one of fifty normal values lies above
QUERIES = 400  # looks that the scale of a mode is measured with


@dataclass(frozen=True)
class SceneConfig:
    """Options.

    Attributes:
        rows, columns: of the thumbnail.
        looks: that are remembered, of all modes.
        sample: thumbnails that backgrounds and looks are made from.
        colour: channel order of frames that have three channels.
    """

    rows: int = 16
    columns: int = 32
    looks: int = 500
    sample: int = 4_000
    colour: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        if self.rows < 4 or self.columns < 4:
            raise RecipeError(f"Scene: a thumbnail of {self.rows}x{self.columns} is too small; 4x4 is the least")
        if not 1 <= self.looks <= self.sample:
            raise RecipeError(f"Scene: looks {self.looks} must be from 1 to sample {self.sample}")


@dataclass
class _Learned:
    """(K, h, w, 3) background, spread and f of equation (2); (K,) scale u; (L, h * w * 3) looks."""

    background: Array
    spread: Array
    scale: Array
    looks: Array
    tolerance: Array


@dataclass
class _Running:
    """A background (h, w, 3), or a whole picture's looks (3,), that follows with a time constant of 60 s."""

    value: Array
    seconds: float = 0.0

    def follow(self, value: Array, seconds: float) -> None:
        """`value` is what was seen `seconds` after the last one."""
        self.seconds += seconds
        share = min(seconds / min(max(self.seconds, 1e-3), FOLLOW), 1.0)
        self.value = np.asarray(self.value + np.float32(share) * (value - self.value), np.float32)


class SceneDetector(FittedDetector):
    """Components "look", "place" and "light", 0 or more; the map is |x| / s of equation (2), one value a cell.

    Frames of any size and colour are brought to thumbnails. The scored frame is the last of its window's inputs.
    """

    components: Mapping[str, str] = {
        "look": "the look of the scene as a whole",
        "place": "the look of one place",
        "light": "the light, which is like none that was learned",
    }
    combination = Combination(dict.fromkeys(components, 1.0), scale="normal")

    def __init__(self, config: SceneConfig) -> None:
        self.config = config
        self.map_grid = config.rows, config.columns
        size = config.rows * OVERSAMPLED, config.columns * OVERSAMPLED
        self.window = Window(offsets=(0,), size=size, colour=config.colour, resize="area")
        self._learned: _Learned | None = None
        self._modes: Modes | None = None
        self._taken: Reservoir | None = None
        self.begin_video()

    @classmethod
    def for_video(cls, info: VideoInfo, *, preset: str = "paper", **options: Any) -> Self:
        """`info` changes nothing: thumbnails are the same for every camera."""
        return cls(configure(SceneConfig, {"paper": {}}, preset, options))

    def begin_learning(self, seed: int) -> None:
        self._seed, self._block = seed, 0
        self._learned = self._modes = None
        # A row is a thumbnail, behind the number of its block.
        self._sample = Reservoir(1 + 3 * self.config.rows * self.config.columns, self.config.sample, seed)
        self.begin_video()

    def begin_video(self) -> None:
        self._ticks = Ticks()
        self._last: float | None = None
        self._light: _Running | None = None
        self._strange = 0.0  # seconds that the light is one that is not known
        self._running: _Running | None = None
        self._until: float | None = None  # the end of the block that is learned

    @property
    def memory(self) -> object:
        return self._last, self._light, self._strange, self._running

    def learn(self, chunk: Chunk) -> None:
        for thumbnail, time in self._thumbnails(chunk):
            if self._ticks.push(time) is not None:
                if self._until is None or not time < self._until:
                    self._block, self._until = self._block + 1, time + BLOCK
                self._sample.add(np.r_[np.float32(self._block), thumbnail.ravel()][None])

    def finish_learning(self) -> None:
        rows = self._sample.rows()
        if len(rows) < FEWEST:
            raise InputError(f"scene: {len(rows)} pictures are too few to learn from; give at least {FEWEST / 5:.0f} s")
        thumbnails = rows[:, 1:].reshape(-1, self.config.rows, self.config.columns, 3)
        self._modes, owner = find_modes(looks_of(thumbnails[..., 0], thumbnails[..., 1:]))
        count = len(self._modes.centre)
        backgrounds = np.stack([_background(thumbnails[owner == mode]) for mode in range(count)])
        differing = np.stack([_differing(t, backgrounds[k])[0] for t, k in zip(thumbnails, owner, strict=True)])
        spreads = np.stack([_spread(differing[owner == mode]) for mode in range(count)])
        flat = (differing / spreads[owner]).reshape(len(rows), -1)
        scale = np.array([self._scale(flat[owner == k], rows[owner == k, 0]) for k in range(count)], np.float32)
        looks = flat[k_centre(flat, self.config.looks, self._seed)]
        self._learned = _Learned(backgrounds, spreads, scale, looks, np.ones_like(spreads))
        self._neighbours = Neighbours(looks)
        del self._sample
        self.begin_video()

    def take_in(self, chunk: Chunk) -> None:
        if self._taken is None:
            self._taken = Reservoir(1 + 3 * self.config.rows * self.config.columns, self.config.sample, 0)
        for thumbnail, time in self._thumbnails(chunk):
            if self._ticks.push(time) is not None:
                misfit, mode, standing = self._nearest_background(thumbnail)
                if misfit <= FITS:
                    self._taken.add(np.r_[np.float32(mode), standing.ravel()][None])

    def finish_taking_in(self) -> int:
        taken, self._taken = self._taken, None
        if taken is None or self._learned is None:
            return 0
        modes, rows = np.split(taken.rows(), [1], axis=1)
        for mode, tolerance in enumerate(self._learned.tolerance):
            shown = np.abs(rows[modes[:, 0] == mode]).reshape(-1, *tolerance.shape)
            if len(shown):
                np.maximum(tolerance, shown.max(axis=0) / np.float32(USUAL), out=tolerance)
        looks = self._learned.looks
        new = lacking(rows, looks, covering_radius(looks), 2 * self.config.looks - len(looks))
        self._learned.looks = np.concatenate([looks, rows[new]])
        self._neighbours = Neighbours(self._learned.looks)
        self.begin_video()
        return len(new)

    def ignore(self, places: Sequence[IgnoredPlace]) -> None:
        super().ignore(places)
        if self._learned is not None:
            self._neighbours = Neighbours(self._shown(self._learned.looks))

    def _shown(self, standing: Array) -> Array:
        """x / s of looks (N, h * w * 3) or of a picture (h, w, 3), without what is ignored."""
        if self.ignored is None:
            return standing
        cells = standing.reshape(-1, *self.ignored.shape, 3)
        return np.where(self.ignored[..., None], np.float32(0), cells).reshape(standing.shape)

    def _scale(self, flat: Array, blocks: Array) -> float:
        """u of equation (3): how far apart normal looks of one mode are at different times."""
        some = np.unique(np.linspace(0, len(flat) - 1, QUERIES).astype(np.int64))
        found = []
        for block in np.unique(blocks[some]):
            others = flat[blocks != block]
            if len(others):
                found.append(nearest(flat[some[blocks[some] == block]], others))
        whole = float(np.sqrt(flat.shape[1]))  # the length of one s in all cells
        return max(float(np.median(np.concatenate(found))), whole / 10) if found else whole

    def mode_of(self, chunk: Chunk) -> NDArray[np.int64]:
        """(B,) mode of each scored frame, in order of brightness from 0; -1 for a light that was never learned.

        It depends on that one frame alone.
        """
        return self.modes_of(self.looks(chunk))

    def looks(self, chunk: Chunk) -> Array:
        """(B, 3) brightness, contrast and colour of the whole picture of each scored frame."""
        thumbnails = np.stack([thumbnail for thumbnail, _ in self._thumbnails(chunk)])
        return looks_of(thumbnails[..., 0], thumbnails[..., 1:])

    def modes_of(self, looks: Array) -> NDArray[np.int64]:
        """(B,) modes from `looks`; see `mode_of`."""
        assert self._modes is not None, "modes_of before finish_learning or load_state"
        return self._modes.of(looks)

    def score(self, chunk: Chunk) -> ChunkErrors:
        assert self._learned is not None, "score before finish_learning or load_state"
        rows, maps = [], []
        for thumbnail, time in self._thumbnails(chunk):
            since = 0.0 if self._last is None else max(time - self._last, 0.0)
            self._last = time
            light = self._judge_light(looks_of(thumbnail[None, ..., 0], thumbnail[None, ..., 1:])[0], since)
            differing, spread, scale, tolerance, exposed = self._judge_place(thumbnail, since)
            light = min(light, 1.0) if exposed else light
            self._strange = 0.0 if light <= 1 else min(self._strange + since, LASTS)
            light = light if self._strange >= LASTS else min(light, 1.0)
            standing = self._shown(np.asarray(differing / spread, np.float32))
            cells = np.abs(standing / tolerance).max(axis=2)
            look = float(self._neighbours.distances(standing.reshape(1, -1))[0])
            rows.append((look / scale, float(cells.max()), light))
            maps.append(cells)
        values = np.array(rows, np.float64).reshape(-1, 3)
        components = {name: values[:, k] for k, name in enumerate(self.components)}
        return ChunkErrors(components, np.array(maps, np.float32).reshape(-1, self.config.rows, self.config.columns))

    def explain(self, component: str, chunks: Iterable[Chunk]) -> Reason | None:
        """Against the backgrounds that were learned, whatever the video has shown before."""
        assert self._learned is not None and self._modes is not None, "explain before finish_learning or load_state"
        *_, chunk = chunks
        *_, (thumbnail, _) = self._thumbnails(chunk)
        if component == "light":
            looks = looks_of(thumbnail[None, ..., 0], thumbnail[None, ..., 1:])[0]
            return Reason(explain_light(looks, self._modes.centre)) if self._modes.of(looks[None])[0] < 0 else None
        _, mode, standing = self._nearest_background(thumbnail)
        standing = self._shown(standing / self._learned.tolerance[mode])
        if component == "look":
            return Reason("the scene as a whole looks like nothing it has learned")
        row, column, channel = np.unravel_index(int(np.abs(standing).argmax()), standing.shape)
        value = float(standing[row, column, channel])
        how = "has another colour" if channel else f"is {'brighter' if value > 0 else 'darker'}"
        h, w = self.config.rows, self.config.columns
        place = float(column / w), float(row / h), float((column + 1) / w), float((row + 1) / h)
        return Reason(f"a place {how} than usual, by {abs(value):.0f} times its usual spread", place)

    def _nearest_background(self, thumbnail: Array) -> tuple[float, int, Array]:
        """How badly the learned background that fits best does, its number, and x / s against it."""
        assert self._learned is not None
        candidates = []
        for mode, background in enumerate(self._learned.background):
            differing, gain = _differing(thumbnail, background)
            noise = self._learned.spread[mode] / np.float32(min(gain, 1))
            candidates.append((_misfit(differing, noise), mode, np.asarray(differing / noise, np.float32)))
        return min(candidates, key=lambda candidate: candidate[0])

    def _judge_light(self, looks: Array, since: float) -> float:
        """Equation (4), and what is new becomes known."""
        assert self._modes is not None
        distance = float((self._modes.distances(looks[None])[0] / self._modes.reach).min())
        if distance <= 1:
            return distance
        if self._light is not None:
            gap = np.abs(looks - self._light.value) / self._modes.spread.max(axis=0)
            to_new = float(gap.max() / self._modes.reach.max())
            if to_new <= 1:
                self._light.follow(looks, since)
                return to_new if self._light.seconds >= NOTICE else distance
        self._light = _Running(looks)
        return distance

    def _judge_place(self, thumbnail: Array, since: float) -> tuple[Array, Array, float, Array, bool]:
        """x of equation (1) against the background that fits best, its spread, its scale and its f.

        The last value says whether it is under an exposure of its own a background that is known: a learned one, or a
        running one that was seen for long enough.
        """
        learned = self._learned
        assert learned is not None
        candidates = []
        for background, spread, scale, tolerance in zip(
            learned.background, learned.spread, learned.scale, learned.tolerance, strict=True
        ):
            differing, gain = _differing(thumbnail, background)
            noise = spread / np.float32(min(gain, 1))  # brightening a dark picture brightens its noise
            exposed = 1 / EXPOSURE <= gain <= EXPOSURE
            candidates.append((_misfit(differing, noise), differing, noise, float(scale), tolerance, exposed))
        misfit, differing, spread, scale, tolerance, exposed = min(candidates, key=lambda candidate: candidate[0])
        if misfit <= FITS:
            return differing, spread, scale, tolerance, exposed
        spread, scale, tolerance = (
            learned.spread.max(axis=0),
            float(learned.scale.mean()),
            learned.tolerance.max(axis=0),
        )
        if self._running is not None:
            differing, gain = _differing(thumbnail, self._running.value)
            spread /= np.float32(min(gain, 1))
            if _misfit(differing, spread) <= FITS:
                self._running.follow(thumbnail, since)
                known = self._running.seconds >= NOTICE and 1 / EXPOSURE <= gain <= EXPOSURE
                return differing, spread, scale, tolerance, known
        self._running = _Running(thumbnail)
        return np.zeros_like(thumbnail), spread, scale, tolerance, False

    def _thumbnails(self, chunk: Chunk) -> Iterator[tuple[Array, float]]:
        """(h, w, 3) of equation (1) of the scored frames, and their times."""
        size = self.config.columns, self.config.rows
        for number, time in zip(chunk.inputs[:, -1], chunk.time, strict=True):
            small = cv2.resize(chunk.frames[number], size, interpolation=cv2.INTER_AREA).astype(np.float32)
            if small.ndim == 2:  # OpenCV drops a single channel
                thumbnail = np.zeros((*small.shape, 3), np.float32)
                thumbnail[..., 0] = small
            else:
                r, g, b = (small[..., k] for k in ((0, 1, 2) if self.config.colour == "rgb" else (2, 1, 0)))
                grey = np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b
                thumbnail = np.stack([grey, r - g, (r + g) / 2 - b], axis=2)
            yield thumbnail, float(time)

    def state(self) -> State:
        if self._learned is None:
            return {}
        kept = dict(vars(self._learned))
        if (self._learned.tolerance == 1).all():  # nothing was taken in
            del kept["tolerance"]
        return {**kept, **{f"modes.{name}": value for name, value in vars(self._modes).items()}}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        cells = (self.config.rows, self.config.columns, 3)
        shapes: dict[str, tuple[int | None, ...]] = {"background": (None, *cells), "spread": (None, *cells)}
        shapes |= {"scale": (None,), "looks": (None, int(np.prod(cells)))}
        shapes |= {"modes.centre": (None, 3), "modes.spread": (None, 3), "modes.reach": (None,)}
        if "tolerance" in state:
            shapes["tolerance"] = (len(state["spread"]), *cells) if "spread" in state else (None, *cells)
        check_state("scene", state, shapes)
        tolerance = state.get("tolerance", np.ones_like(state["spread"])).copy()
        self._learned = _Learned(state["background"], state["spread"], state["scale"], state["looks"], tolerance)
        self._neighbours = Neighbours(self._shown(self._learned.looks))
        self._modes = Modes(*(state[f"modes.{name}"] for name in ("centre", "spread", "reach")))
        self.begin_video()


def _differing(thumbnail: Array, background: Array) -> tuple[Array, float]:
    """Equation (1), and the gain."""
    balance = Balance.between(thumbnail[..., 0], background[..., 0])
    even = thumbnail / np.float32(balance.gain)
    even[..., 0] -= np.float32(balance.offset / balance.gain)
    return np.asarray(even - background), balance.gain


def _background(thumbnails: Array) -> Array:
    """(h, w, 3) median of (N, h, w, 3) thumbnails brought to one light."""
    rough = np.median(thumbnails, axis=0).astype(np.float32)
    return rough + np.median(np.stack([_differing(t, rough)[0] for t in thumbnails]), axis=0).astype(np.float32)


def _spread(differing: Array) -> Array:
    """(h, w, 3) s of equation (2)."""
    size = np.abs(differing)
    spread = np.maximum(1.4826 * np.median(size, axis=0), np.percentile(size, 98, axis=0) / 2.33)
    return np.maximum(spread, LEAST).astype(np.float32)


def _misfit(differing: Array, spread: Array) -> float:
    """Whether a background is another one: the median of |x| / s over the cells, in the worst channel."""
    return float(middle(np.abs(differing / spread).reshape(-1, 3)).max())
