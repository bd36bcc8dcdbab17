"""The contracts of fitted detectors hold for a plain one, and each finds the fault that it is for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.datasets.windows import Chunk
from oddframe.errors import BundleError, InputError, RecipeError
from oddframe.models.catalogue import ModelEntry
from oddframe.models.fitted import FittedDetector, State
from oddframe.models.reasons import Reason
from oddframe.testing import check_detector, checks
from oddframe.types import ChunkErrors, Combination, VideoInfo, Window


class Brightness(FittedDetector):
    """How far the mean brightness of a frame lies from that of normal video."""

    components: Mapping[str, str] = {"brightness": "how bright it is"}
    combination = Combination({"brightness": 1.0})
    window = Window(offsets=(0,), size=(16, 32), colour="gray")

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.learned: State = {}

    @classmethod
    def for_video(cls, info: VideoInfo, **options: Any) -> Self:
        if options:
            raise RecipeError(f"brightness has no option {min(options)!r}")
        return cls()

    def begin_learning(self, seed: int) -> None:
        self.seen, self.learned = [], {}

    def begin_video(self) -> None:
        """No frame depends on another."""

    def learn(self, chunk: Chunk) -> None:
        self.seen += self._brightness(chunk).tolist()

    def finish_learning(self) -> None:
        if not self.seen:
            raise InputError("there was no video to learn from")
        self.learned = {"mean": np.mean(self.seen, keepdims=True)}

    def score(self, chunk: Chunk) -> ChunkErrors:
        return ChunkErrors({"brightness": np.abs(self._brightness(chunk) - self.learned["mean"])}, None)

    def _brightness(self, chunk: Chunk) -> NDArray[np.float64]:
        return chunk.frames[chunk.inputs[:, 0]].mean((1, 2, 3))

    def state(self) -> State:
        return self.learned

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        if "mean" not in state or state["mean"].shape != (1,):
            raise BundleError("mean is missing or misshapen")
        self.learned = {"mean": state["mean"]}


ENTRY = ModelEntry("brightness", Brightness, "Brightness", "none", "-", kind="fitted", presets=("paper",), gflop=1e-6)


def test_a_plain_fitted_detector_holds() -> None:
    assert len(check_detector(ENTRY)) == len(checks(Brightness)) == 13


class Drawn(Brightness):
    def finish_learning(self) -> None:
        super().finish_learning()
        self.learned["mean"] = self.learned["mean"] + np.random.normal()  # the fault


class Counting(Brightness):
    frames = 0

    def score(self, chunk: Chunk) -> ChunkErrors:
        self.frames += len(chunk.index)
        return ChunkErrors({"brightness": super().score(chunk).components["brightness"] + self.frames}, None)


class Jumpy(Brightness):
    def score(self, chunk: Chunk) -> ChunkErrors:
        bright = self._brightness(chunk)
        return ChunkErrors({"brightness": bright - bright.mean()}, None)


class Divided(Brightness):
    def score(self, chunk: Chunk) -> ChunkErrors:
        with np.errstate(all="ignore"):
            values = super().score(chunk).components["brightness"] / np.std(chunk.frames, axis=(1, 2, 3)).min()
        return ChunkErrors({"brightness": values}, None)


class Trusting(Brightness):
    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.learned = {"mean": state.get("mean", np.zeros(1))}


class Hoarding(Brightness):
    def begin_learning(self, seed: int) -> None:
        self.learned = {}


class Disturbed(Brightness):
    def explain(self, component: str, chunks: Iterable[Chunk]) -> Reason | None:
        self.learned["mean"] = self.learned["mean"] + 1
        return None


class Mute(Brightness):
    def explain(self, component: str, chunks: Iterable[Chunk]) -> Reason | None:
        return Reason(" ")


class Astray(Brightness):
    def explain(self, component: str, chunks: Iterable[Chunk]) -> Reason | None:
        return Reason("it is bright", (0.0, 0.0, 16.0, 16.0))


class Forgiving(Brightness):
    def finish_learning(self) -> None:
        self.learned = {"mean": np.mean(self.seen or [0.0], keepdims=True)}


@pytest.mark.parametrize(
    ("broken", "contract"),
    [
        (Drawn, "learning is exact and seeded"),
        (Counting, "scoring changes nothing that was learned"),
        (Counting, "a new video begins afresh"),
        (Jumpy, "scores do not depend on how a video is cut into chunks"),
        (Divided, "a constant video gives finite scores"),
        (Trusting, "a broken state is refused"),
        (Hoarding, "a new pass forgets the last"),
        (Disturbed, "to explain does not disturb scoring"),
        (Mute, "to explain does not disturb scoring"),
        (Astray, "to explain does not disturb scoring"),
        (Forgiving, "a video shorter than the window is scored or refused"),
    ],
)
def test_a_contract_finds_its_fault(broken: type[Brightness], contract: str) -> None:
    (check,) = [check for check in checks(replace(ENTRY, detector=broken)) if check.name == contract]
    with pytest.raises(AssertionError, match=contract):
        check()


def test_a_cost_has_to_be_stated() -> None:
    with pytest.raises(AssertionError, match="no cost is stated"):
        check_detector(replace(ENTRY, gflop=0.0))


def test_a_class_without_an_entry_is_refused() -> None:
    with pytest.raises(InputError, match="no ModelEntry of Jumpy"):
        checks(Jumpy)
