"""`camera`: what is there, how it moves, and how the place usually looks, on one scale.

Three fitted detectors look at the same frames: `patches` sees things that do not belong, `monitors` see behaviour, and
`scene` sees whether the place looks as it usually does. Each part has its papers at the top of its own file.

    z_c   = max((c - m_ck) / s_ck, 0)       component c in mode k of the camera                                  (1)
    score = sum over components of w_c z_c, smoothed over time                                                   (2)

m_ck and s_ck are mean and standard deviation on normal video that the part had not learned from. k is the mode that
`scene` finds (colour, infra-red, dusk). What is more usual than the mean counts as the mean: one part at rest does not
outweigh another that sees something. w_c is earned: a component counts as far as it tells pasted objects or
time-warped motion from normal video of this camera (`oddframe.workflow.self_check`); one at chance counts nothing.

In a light that was never learned, a component is judged against itself: m and s follow it with a time constant of one
minute, and s is at least the largest that was learned. So an unknown light is one event of component `light`, and not
an endless alarm of all the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.windows import Chunk
from oddframe.errors import BundleError, RecipeError
from oddframe.models.backbone import Network
from oddframe.models.catalogue import ModelEntry
from oddframe.models.fitted import FittedDetector, State
from oddframe.models.monitors import Monitors
from oddframe.models.patches import Patches
from oddframe.models.scene import SceneDetector
from oddframe.types import ChunkErrors, Combination, VideoInfo, Window

PARTS: dict[str, type[FittedDetector]] = {"patches": Patches, "monitors": Monitors, "scene": SceneDetector}
LIGHT = "light"  # the component that tells an unknown light; it is not judged against itself
FOLLOW = 60.0  # seconds
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
    """

    parts: tuple[str, ...] = ("patches", "monitors", "scene")
    height: int = 240
    patches: Mapping[str, Any] = field(default_factory=dict)
    monitors: Mapping[str, Any] = field(default_factory=dict)
    scene: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or not self.parts or len(set(self.parts)) < len(self.parts):
            raise RecipeError(f"camera: parts are {list(self.parts)}; name some of {', '.join(PARTS)}, each once")


class CameraDetector(FittedDetector):
    """The components of its parts on one scale, equation (1), and the largest standing of a place as a map.

    Attributes:
        parts: name -> fitted detector.
    """

    combination = Combination({})

    def __init__(self, parts: Mapping[str, FittedDetector], window: Window) -> None:
        self.parts, self.window = dict(parts), window
        self.blocks = parts["patches"].blocks if "patches" in parts else None
        self.components = {name: text for part in parts.values() for name, text in part.components.items()}
        self.combination = Combination({name: 1.0 for name in self.components if name != LIGHT})
        self.map_grid = next(part.map_grid for part in parts.values())
        self.levels: NDArray[np.float64] | None = None  # (modes, components, 2): m and s of equation (1)
        self.map_levels: NDArray[np.float64] | None = None  # (parts, 2): m and s of each part's map maximum
        self.begin_video()

    @classmethod
    def for_video(cls, info: VideoInfo, **options: Any) -> Self:
        """Options are those of `CameraConfig`.

        Raises:
            RecipeError: an unknown option or an impossible value.
        """
        unknown = sorted(options.keys() - CameraConfig.__dataclass_fields__.keys())
        if unknown:
            known = ", ".join(CameraConfig.__dataclass_fields__)
            raise RecipeError(f"camera has no option {unknown[0]!r}; there are: {known}")
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
        return cls(parts, window)

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

    def set_levels(self, modes: NDArray[np.int64], values: NDArray[np.float64], peaks: NDArray[np.float64]) -> None:
        """Find m and s on normal video that was not learned from.

        Args:
            modes: (N,) modes of its frames, as `modes_of` gives them.
            values: (N, components) of its frames, as `measure` gives them.
            peaks: (N, parts) maxima of the parts' maps.
        """
        everything = _level(values)
        count = max(int(modes.max()) + 1, 1)
        self.levels = np.stack([
            _level(values[modes == mode]) if np.count_nonzero(modes == mode) >= FEWEST else everything
            for mode in range(count)
        ])  # fmt: skip
        self.map_levels = _level(peaks)

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
        return self._own[:, 0].copy(), np.maximum(np.sqrt(self._own[:, 1]), widest)

    def score(self, chunk: Chunk) -> ChunkErrors:
        values, maps = self.measure(chunk)
        standing = self.standing(chunk.time, self.modes_of(self.looks(chunk)), values)
        components = {name: standing[:, k] for k, name in enumerate(self.components)}
        assert self.map_levels is not None and self.map_grid is not None
        rows, columns = self.map_grid
        total = np.full((len(chunk.index), rows, columns), -np.inf, np.float32)
        for (m, s), own in zip(self.map_levels, maps.values(), strict=True):
            for place, picture in zip(total, own, strict=True):
                same = picture if picture.shape == place.shape else cv2.resize(picture, (columns, rows))
                np.maximum(place, (same - np.float32(m)) / np.float32(s), out=place)
        return ChunkErrors(components, total)

    def state(self) -> State:
        if self.levels is None or self.map_levels is None:
            return {}
        kept: State = {"levels": self.levels, "map_levels": self.map_levels}
        for name, part in self.parts.items():
            kept |= {f"{name}/{key}": value for key, value in part.state().items()}
        return kept

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        shapes = {"levels": (len(self.components), 2), "map_levels": (2,)}
        for name, shape in shapes.items():
            if name not in state or state[name].shape[1:] != shape:
                raise BundleError(f"camera: {name} is missing or has another shape; the bundle is damaged")
        self.levels, self.map_levels = state["levels"], state["map_levels"]
        for name, part in self.parts.items():
            prefix = f"{name}/"
            part.load_state({key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)})
        self.begin_video()


def _level(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(columns, 2): mean and standard deviation of (N, columns)."""
    deviation = np.maximum(values.std(axis=0), LEAST_DEVIATION)
    return np.stack([values.mean(axis=0), deviation], axis=1)


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
