"""`camera`: what is there, how it moves, and how the place usually looks, on one scale.

Three fitted detectors look at the same frames: `patches` sees things that do not belong, `monitors` see behaviour, and
`scene` sees whether the place looks as it usually does. Each part has its papers at the top of its own file.

    z_c   = max((c - m_ck) / s_ck, 0)       component c in mode k of the camera                                  (1)
    score = sum over components of w_c z_c, smoothed over time                                                   (2)

k is the mode that `scene` finds (colour, infra-red, dusk). m and s come from normal video that the part had not learned
from. s_ck is the standard deviation of c after the smoothing of (2), so that a component that flickers and one that
lasts weigh alike. m_ck is the mean of c for `monitors`, and for `patches` and `scene` what nine of ten frames stay
below: the most unusual patch of a picture is always somewhere, and how unusual it is within the usual range tells
nothing. What is more usual than m counts as m, so that one part at rest does not outweigh another that sees something.
w_c is earned: see `oddframe.workflow.self_check`.

In a light that was never learned, a component is judged against itself: m and s follow it with a time constant of one
minute, and s is at least half as much again as the largest that was learned. Component `light` has the levels m = 1,
the reach of the lights that are known, and s = 0.1, and the weight 1. It stays at or below 1 on normal video, so it is
silent there; after ten seconds it knows a new light. So an unknown light is one event of `light`, and not an endless
alarm of all the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.windows import Chunk
from oddframe.errors import BundleError, RecipeError
from oddframe.models.backbone import Network
from oddframe.models.catalogue import ModelEntry
from oddframe.models.fitted import FittedDetector, State
from oddframe.models.ignored import IgnoredPlace
from oddframe.models.monitors import Monitors
from oddframe.models.patches import Patches
from oddframe.models.reasons import CLEARLY, Reason, times
from oddframe.models.scene import SceneDetector
from oddframe.suggest import among
from oddframe.types import ChunkErrors, Combination, VideoInfo, Window

PARTS: dict[str, type[FittedDetector]] = {"patches": Patches, "monitors": Monitors, "scene": SceneDetector}
LIGHT = "light"  # the component that tells an unknown light; it is not judged against itself
LIGHT_LEVEL = (1.0, 0.1)  # its m and s
FOLLOW = 60.0  # seconds
UNSURE = 1.5  # times the largest s that was learned: the least in a light that was not
MULTIPLE = 8
LEAST_DEVIATION = 1e-6
FEWEST = 20  # values of a component in a mode; a mode with fewer takes the levels of all modes together


@dataclass(frozen=True)
class CameraConfig:
    """Options.

    Attributes:
        parts: that look, out of "patches", "monitors" and "scene".
        height: of frames in pixels, where patches are left out; the width keeps the aspect ratio of the video.
        patches, monitors, scene: options of each part.
        moments: pictures of normal moments that the bundle keeps for reports (`oddframe.report.moments`); 0 for none.
    """

    parts: tuple[str, ...] = ("patches", "monitors", "scene")
    height: int = 240
    patches: Mapping[str, Any] = field(default_factory=dict)
    monitors: Mapping[str, Any] = field(default_factory=dict)
    scene: Mapping[str, Any] = field(default_factory=dict)
    moments: int = 50

    def __post_init__(self) -> None:
        if self.moments < 0:
            raise RecipeError(f"camera: moments is {self.moments}; it must be 0 or more")
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or not self.parts or len(set(self.parts)) < len(self.parts):
            raise RecipeError(f"camera: parts are {list(self.parts)}; name some of {', '.join(PARTS)}, each once")


class CameraDetector(FittedDetector):
    """The components of its parts on one scale, equation (1), and the largest standing of a place as a map.

    Attributes:
        parts: name -> fitted detector.
        moments: see `CameraConfig`.
        places: that are ignored, in all parts.
    """

    combination = Combination({})
    moments = 0
    places: tuple[IgnoredPlace, ...] = ()

    def __init__(self, parts: Mapping[str, FittedDetector], window: Window) -> None:
        self.parts, self.window = dict(parts), window
        self.blocks = parts["patches"].blocks if "patches" in parts else None
        self.components = {name: text for part in parts.values() for name, text in part.components.items()}
        self.combination = Combination(dict.fromkeys(self.components, 1.0))
        self.map_grid = next(part.map_grid for part in parts.values())
        self.levels: NDArray[np.float64] | None = None  # (modes, components, 2): m and s of equation (1)
        self.map_levels: NDArray[np.float64] | None = None  # (parts, 2): m and s of each part's map maximum
        self.show(self.components)
        self.begin_video()

    @classmethod
    def for_video(cls, info: VideoInfo, **options: Any) -> Self:
        """Options are those of `CameraConfig`.

        Raises:
            RecipeError: an unknown option or an impossible value.
        """
        unknown = sorted(options.keys() - CameraConfig.__dataclass_fields__.keys())
        if unknown:
            known = among(unknown[0], CameraConfig.__dataclass_fields__)
            raise RecipeError(f"camera has no option {unknown[0]!r}{known}")
        if "parts" in options:
            options["parts"] = tuple(options["parts"])
        config = CameraConfig(**options)
        parts: dict[str, FittedDetector] = {}
        for name in config.parts:
            parts[name] = PARTS[name].for_video(info, **getattr(config, name))
        if "patches" in parts:
            window = parts["patches"].window
        else:
            width = max(round(config.height * info.width / info.height / MULTIPLE), 1) * MULTIPLE
            window = Window(offsets=(0,), size=(config.height, width), colour="rgb")
        detector = cls(parts, window)
        detector.moments = config.moments
        return detector

    @property
    def network(self) -> Network | None:
        """The frozen network of `patches`."""
        return self.parts["patches"].network if "patches" in self.parts else None

    @network.setter
    def network(self, network: Network | None) -> None:
        if "patches" in self.parts:
            self.parts["patches"].network = network

    def begin_learning(self, seed: int) -> None:
        self.levels = self.map_levels = None
        for part in self.parts.values():
            part.begin_learning(seed)

    def begin_video(self) -> None:
        for part in self.parts.values():
            part.begin_video()
        self._own: NDArray[np.float64] | None = None  # (components, 2): m and s in an unknown light
        self._since: float | None = None

    @property
    def memory(self) -> object:
        own = None if self._own is None else (self._own, self._first, self._since)
        return own, *(part.memory for part in self.parts.values())

    def learn(self, chunk: Chunk) -> None:
        for part in self.parts.values():
            part.learn(chunk)

    def finish_learning(self) -> None:
        """End the pass of every part. Until `set_levels`, components stand for themselves."""
        for part in self.parts.values():
            part.finish_learning()
        self.levels = np.tile([0.0, 1.0], (1, len(self.components), 1))
        self.map_levels = np.tile([0.0, 1.0], (len(self.parts), 1))
        self.begin_video()

    def ignore(self, places: Sequence[IgnoredPlace]) -> None:
        self.places = tuple(places)
        for part in self.parts.values():
            part.ignore(places)

    def take_in(self, chunk: Chunk) -> None:
        for part in self.parts.values():
            part.take_in(chunk)

    def finish_taking_in(self) -> int:
        """The same for every part. What is usual, m and s, stays as it is, so that no component rises by it."""
        new = sum(part.finish_taking_in() for part in self.parts.values())
        self.begin_video()
        return new

    def looks(self, chunk: Chunk) -> NDArray[np.float32]:
        """(B, 3) brightness, contrast and colour of the whole picture; zeros where `scene` is left out."""
        scene = self.parts.get("scene")
        return scene.looks(chunk) if isinstance(scene, SceneDetector) else np.zeros((len(chunk.index), 3), np.float32)

    def modes_of(self, looks: NDArray[np.float32]) -> NDArray[np.int64]:
        """(B,) mode of the camera from `looks`, -1 for one that was never learned; 0 where `scene` is left out."""
        scene = self.parts.get("scene")
        return scene.modes_of(looks) if isinstance(scene, SceneDetector) else np.zeros(len(looks), np.int64)

    def measure(self, chunk: Chunk) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float32]]]:
        """What the parts say before equation (1): (B, components), and part -> (B, h, w) map."""
        errors = {name: part.score(chunk) for name, part in self.parts.items()}
        values = [found.components[name] for found in errors.values() for name in found.components]
        maps = {name: found.map for name, found in errors.items() if found.map is not None}
        return np.stack(values, axis=1), maps

    def set_levels(
        self,
        modes: NDArray[np.int64],
        values: NDArray[np.float64],
        smoothed: NDArray[np.float64],
        peaks: NDArray[np.float64],
    ) -> None:
        """Find m and s on normal video that was not learned from.

        Args:
            modes: (N,) modes of its frames, as `modes_of` gives them.
            values: (N, components) of its frames, as `measure` gives them.
            smoothed: (N, components) the same, smoothed as scores are.
            peaks: (N, parts) maxima of the parts' maps, as `shown_peaks` gives them.
        """
        usual = [
            np.mean if isinstance(part, Monitors) else _nine_of_ten
            for part in self.parts.values()
            for _ in part.components
        ]

        def level(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
            m = [find(column) for find, column in zip(usual, values[chosen].T, strict=True)]
            found = np.stack([m, np.maximum(smoothed[chosen].std(axis=0), LEAST_DEVIATION)], axis=1)
            found[[name == LIGHT for name in self.components]] = LIGHT_LEVEL
            return found

        everything = level(np.ones(len(values), bool))
        count = max(int(modes.max()) + 1, 1)
        self.levels = np.stack([
            level(modes == mode) if np.count_nonzero(modes == mode) >= FEWEST else everything for mode in range(count)
        ])  # fmt: skip
        self.map_levels = np.stack([peaks.mean(axis=0), np.maximum(peaks.std(axis=0), LEAST_DEVIATION)], axis=1)

    def show(self, components: Collection[str]) -> None:
        """Let the map tell of these components alone: one that counts nothing in the score draws no box."""
        self.shown = frozenset(components)
        monitors = self.parts.get("monitors")
        if isinstance(monitors, Monitors):
            monitors.shown = self.shown

    def shown_peaks(self, values: NDArray[np.float64], peaks: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, parts) maxima of the parts' maps with the components that are shown now, from those with all of them.

        Args:
            values: (N, components) as `measure` gives them.
        """
        monitors = self.parts.get("monitors")
        if not isinstance(monitors, Monitors):
            return peaks
        columns = [k for k, name in enumerate(self.components) if name in monitors.components]
        found = peaks.copy()
        found[:, list(self.parts).index("monitors")] = monitors.highest(values[:, columns].T.astype(np.float32))
        return found

    def standing(
        self, times: NDArray[np.float64], modes: NDArray[np.int64], values: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Equation (1) for the next frames of a video: (B, components)."""
        assert self.levels is not None, "standing before set_levels or load_state"
        widest = self.levels[:, :, 1].max(axis=0)
        found = np.empty_like(values)
        light = list(self.components).index(LIGHT) if LIGHT in self.components else None
        for row, (time, mode, value) in enumerate(zip(times, modes, values, strict=True)):
            if 0 <= mode < len(self.levels):
                m, s = self.levels[mode].T
                self._own = None
            else:
                m, s = self._follow(float(time), value, widest)
            found[row] = np.maximum((value - m) / s, 0)
            if light is not None and not 0 <= mode < len(self.levels):
                m, s = self.levels[:, light].mean(axis=0)
                found[row, light] = max((value[light] - m) / s, 0)
        return found

    def _follow(
        self, time: float, value: NDArray[np.float64], widest: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """m and s of a light that was never learned, from what was seen of it so far."""
        if self._own is None or self._since is None:
            self._own, self._first = np.stack([value, np.zeros_like(value)], axis=1), time
        else:
            passed = max(time - self._since, 0.0)
            share = passed / min(max(time - self._first, passed, 1e-3), FOLLOW)
            difference = value - self._own[:, 0]
            self._own[:, 0] += share * difference
            self._own[:, 1] = (1 - share) * (self._own[:, 1] + share * difference**2)
        self._since = time
        return self._own[:, 0].copy(), np.maximum(np.sqrt(self._own[:, 1]), UNSURE * widest)

    def score(self, chunk: Chunk) -> ChunkErrors:
        values, maps = self.measure(chunk)
        standing = self.standing(chunk.time, self.modes_of(self.looks(chunk)), values)
        components = {name: standing[:, k] for k, name in enumerate(self.components)}
        assert self.map_levels is not None and self.map_grid is not None
        rows, columns = self.map_grid
        total = np.full((len(chunk.index), rows, columns), -np.inf, np.float32)
        for (m, s), (name, own) in zip(self.map_levels, maps.items(), strict=True):
            if not self.shown & self.parts[name].components.keys():
                continue
            for place, picture in zip(total, own, strict=True):
                same = picture if picture.shape == place.shape else cv2.resize(picture, (columns, rows))
                np.maximum(place, (same - np.float32(m)) / np.float32(s), out=place)
        return ChunkErrors(components, total)

    def look_back(self, component: str) -> float:
        return self._part_of(component)[1].look_back(component)

    def explain(self, component: str, chunks: Iterable[Chunk]) -> Reason | None:
        """The reason of the part. One without a number is given how far it lies above a usual frame."""
        name, part = self._part_of(component)
        reason = part.explain(component, chunks)
        if reason is None:
            return None
        usual = 0.0 if self.levels is None else float(self.levels[:, list(self.components).index(component), 0].max())
        ratio = 0.0 if reason.value is None or usual <= 0 else reason.value / usual
        more = f", {times(ratio)} as far from it as the oddest place of a usual frame" if ratio >= CLEARLY else ""
        return replace(reason, words=reason.words + more, part=name)

    def _part_of(self, component: str) -> tuple[str, FittedDetector]:
        return next((name, part) for name, part in self.parts.items() if component in part.components)

    def state(self) -> State:
        if self.levels is None or self.map_levels is None:
            return {}
        shown = np.array([name in self.shown for name in self.components])
        kept: State = {"levels": self.levels, "map_levels": self.map_levels, "shown": shown}
        if self.places:  # a row is a corner: the number of its place, x, y
            corners = [(number, x, y) for number, place in enumerate(self.places) for x, y in place.corners]
            kept["ignored"] = np.array(corners, np.float64)
        for name, part in self.parts.items():
            kept |= {f"{name}/{key}": value for key, value in part.state().items()}
        return kept

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        shapes = {"levels": (len(self.components), 2), "map_levels": (2,)}
        for name, shape in shapes.items():
            if name not in state or state[name].shape[1:] != shape:
                raise BundleError(f"camera: {name} is missing or has another shape; the bundle is damaged")
        self.levels, self.map_levels = state["levels"], state["map_levels"]
        if state.get("shown", np.empty(0)).shape != (len(self.components),):
            raise BundleError("camera: shown is missing or has another shape; the bundle is damaged")
        self.show([name for name, own in zip(self.components, state["shown"], strict=True) if own])
        for name, part in self.parts.items():
            prefix = f"{name}/"
            part.load_state({key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)})
        corners = np.asarray(state.get("ignored", np.zeros((0, 3))))
        if corners.ndim != 2 or corners.shape[1] != 3:
            raise BundleError("camera: ignored has another shape; the bundle is damaged")
        places = [corners[corners[:, 0] == number, 1:].tolist() for number in np.unique(corners[:, 0])]
        self.ignore([IgnoredPlace(str(n), tuple((x, y) for x, y in place)) for n, place in enumerate(places, 1)])
        self.begin_video()


def _nine_of_ten(values: NDArray[np.float64]) -> float:
    """What nine of ten values stay below."""
    return float(np.quantile(values, 0.9))


def peaks_of(maps: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
    """(B, parts) maxima of the maps that `CameraDetector.measure` gives."""
    return np.stack([own.max(axis=(1, 2)).astype(np.float64) for own in maps.values()], axis=1)


ENTRY = ModelEntry(
    name="camera",
    detector=CameraDetector,
    kind="fitted",
    title="What is there, how it moves, and how the place usually looks; the default",
    paper="PatchCore (CVPR 2022), monitors per place (PAMI 2008, WACV 2020), and a median scene; see its parts",
    licence="Apache-2.0; the weights of the frozen network: Apache-2.0",
    presets=("paper",),
    gflop=2.1,
    tiny={
        "parts": ("monitors", "scene"), "height": 32, "monitors": {"height": 16, "exemplars": 40, "rows": 400},
        "scene": {"rows": 4, "columns": 8, "looks": 20, "sample": 60},
    },
)  # fmt: skip
