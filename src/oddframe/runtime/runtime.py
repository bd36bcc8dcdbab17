"""The contract of a runtime, which computes the components of a chunk of windows on a device at a precision."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, cast, get_args

from oddframe.datasets.windows import Chunk
from oddframe.errors import InputError
from oddframe.suggest import one_of
from oddframe.types import ChunkErrors, Signature

Precision = Literal["fp32", "bf16", "int8"]
Backend = Literal["torch", "onnx", "openvino"]
AUTO = "auto"

# Windows per forward pass that keep a device busy. On a CPU, caches and new memory pages limit the speed: with eight
# windows most systems are slower in torch than with four.
CPU_BATCH, GPU_BATCH = 4, 64
PART = 4  # windows that a core takes at a time: enough for its kernels, few enough for its cache


@dataclass(frozen=True)
class RuntimeOptions:
    """Options for the computation: runtime, precision, device and batch size.

    Attributes:
        runtime: "torch", "onnx", "openvino"; or "auto" for the fastest one on the given video that agrees with torch in
            fp32. None is torch for a bundle, and the target runtime for an exported detector.
        precision: of the arithmetic. None is fp32 for a bundle, the precision of an exported detector, and any
            precision with "auto".
        device: "auto" (CUDA if there is one), or any torch device name.
        batch: windows per forward pass; None lets the runtime choose. It changes the speed, not the scores.
        any_rate: take videos of every frame rate as if it were the one that the detector learned at.
    """

    runtime: Backend | Literal["auto"] | None = None
    precision: Precision | None = None
    device: str = AUTO
    batch: int | None = None
    any_rate: bool = False

    @property
    def label(self) -> str:
        """Runtime and precision as recorded with the scores of a bundle; empty for torch in fp32."""
        runtime, precision = self.runtime or "torch", self.precision or "fp32"
        return "" if (runtime, precision) == ("torch", "fp32") else f"{runtime}-{precision}"

    @classmethod
    def parse(
        cls,
        runtime: str | None,
        precision: str | None,
        device: str = AUTO,
        batch: int | None = None,
        any_rate: bool = False,
    ) -> RuntimeOptions:
        """Make options from the arguments of the command line.

        Raises:
            InputError: there is no such runtime or precision, or the batch size is below 1.
        """
        if runtime is not None:
            runtime = _one_of("runtime", runtime, Backend, AUTO)
        if batch is not None and batch < 1:
            raise InputError(f"batch is {batch}; it must be at least 1")
        return cls(runtime, precision and parse_precision(precision), device, batch, any_rate)  # type: ignore[arg-type]


class Runtime(ABC):
    """A detector that is ready to score.

    Attributes:
        signature: of the detector.
        name: of the runtime.
        precision: of the arithmetic.
        where: the torch name of the device.
        batch: windows per forward pass that keep the device busy.
    """

    signature: Signature
    name: Backend
    precision: Precision
    where: str = "cpu"
    batch: int = CPU_BATCH

    @abstractmethod
    def score(self, chunk: Chunk) -> ChunkErrors:
        """Compute components and map of the windows of a chunk."""

    def follow(self, chunk: Chunk) -> ChunkErrors:
        """Compute the next chunk of a video; the first one of a video, and one after a pause, begins a new video."""
        if chunk.begins:
            self.begin_video()
        return self.score(chunk)

    @property
    def memory(self) -> object:
        """All of what it saw of this video that later results depend on; see `FittedDetector.memory`."""
        return ()

    def begin_video(self) -> None:  # noqa: B027, most have no memory
        """Begin a new video. A detector whose method says so forgets the previous video."""

    def forget(self) -> None:  # noqa: B027
        """Begin a new set of videos. The detector forgets everything that it saw while scoring."""


def parse_precision(name: str) -> Precision:
    """The precision with this name.

    Raises:
        InputError: there is no such precision.
    """
    return cast(Precision, _one_of("precision", name, Precision))


def _one_of(what: str, name: str, choices: object, *more: str) -> str:
    allowed = (*more, *get_args(choices))
    if name not in allowed:
        raise InputError(f"{what} is {name!r}{one_of(name, allowed)}")
    return name
