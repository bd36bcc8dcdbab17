"""The contract of a runtime: what computes the components of a chunk of windows, where, at which precision."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, cast, get_args

from oddframe.datasets.windows import Chunk
from oddframe.errors import InputError
from oddframe.types import ChunkErrors, Signature

Precision = Literal["fp32", "bf16", "int8"]
Backend = Literal["torch", "onnx", "openvino"]
AUTO = "auto"

# Windows per forward pass that keep a device busy. On a CPU caches and fresh pages of memory decide: with eight, most
# systems are slower in torch than with four.
CPU_BATCH, GPU_BATCH = 4, 64


@dataclass(frozen=True)
class RuntimeOptions:
    """With what to compute.

    Attributes:
        runtime: "torch", "onnx", "openvino", or "auto": the fastest on the video at hand that agrees with torch in
            fp32. None is torch for a bundle, and for an exported detector what it was exported for.
        precision: of the arithmetic; None is fp32 for a bundle, what an exported detector has, and with "auto" any.
        device: "auto" (CUDA where there is one), or any torch device name.
        batch: windows per forward pass; None lets the runtime choose. It changes the speed, not the scores.
    """

    runtime: Backend | Literal["auto"] | None = None
    precision: Precision | None = None
    device: str = AUTO
    batch: int | None = None

    @property
    def label(self) -> str:
        """Runtime and precision, as the scores of a bundle carry them; empty for torch in fp32."""
        runtime, precision = self.runtime or "torch", self.precision or "fp32"
        return "" if (runtime, precision) == ("torch", "fp32") else f"{runtime}-{precision}"

    @classmethod
    def parse(
        cls, runtime: str | None, precision: str | None, device: str = AUTO, batch: int | None = None
    ) -> RuntimeOptions:
        """Options from words of the command line.

        Raises:
            InputError: there is no such runtime or precision, or no such batch.
        """
        if runtime is not None:
            runtime = _one_of("runtime", runtime, Backend, AUTO)
        if batch is not None and batch < 1:
            raise InputError(f"batch is {batch}; it must be at least 1")
        return cls(runtime, precision and parse_precision(precision), device, batch)  # type: ignore[arg-type]


class Runtime(ABC):
    """A detector ready to score.

    Attributes:
        signature: of the detector.
        name: of the runtime.
        precision: of its arithmetic.
        where: device, as torch names it.
        batch: windows per forward pass that keep the device busy.
    """

    signature: Signature
    name: Backend
    precision: Precision
    where: str = "cpu"
    batch: int = CPU_BATCH

    @abstractmethod
    def score(self, chunk: Chunk) -> ChunkErrors:
        """Components and map of the windows of a chunk."""

    def begin_video(self) -> None:  # noqa: B027, most have nothing to forget
        """A new video begins: forget, where the method says so, what was seen of the last one."""

    def forget(self) -> None:  # noqa: B027
        """Forget all that was seen while scoring: a new set of videos begins."""


def parse_precision(name: str) -> Precision:
    """The precision of that name.

    Raises:
        InputError: there is none.
    """
    return cast(Precision, _one_of("precision", name, Precision))


def _one_of(what: str, name: str, choices: object, *more: str) -> str:
    allowed = (*more, *get_args(choices))
    if name not in allowed:
        raise InputError(f"{what} is {name!r}; choose {', '.join(allowed[:-1])} or {allowed[-1]}")
    return name
