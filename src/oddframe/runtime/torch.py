"""PyTorch, eager: a detector on a device at a precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.models.detector import Batch, Detector

Precision = Literal["fp32", "bf16"]


def parse_precision(name: str) -> Precision:
    """The precision of that name.

    Raises:
        InputError: there is none.
    """
    if name not in get_args(Precision):
        raise InputError(f"precision is {name!r}; choose {' or '.join(get_args(Precision))}")
    return cast(Precision, name)


@dataclass(frozen=True)
class ChunkErrors:
    """`FrameErrors` back on the host: components (B,) float64, map (B, h, w) float32 or None."""

    components: Mapping[str, NDArray[np.float64]]
    map: NDArray[np.float32] | None


class TorchRuntime:
    """Runs `Detector.score` in eval mode without gradients.

    Args:
        detector: moved to `device` and put into eval mode.
        device: "auto" (CUDA where there is one), or any torch device name.
        precision: "fp32", or "bf16" through autocast.

    Raises:
        InputError: the device does not exist here.
    """

    def __init__(self, detector: Detector, device: str = "auto", precision: Precision = "fp32") -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self.detector = detector.to(device).eval()
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"device {device!r} cannot be used: {reason}; try --device cpu") from None
        self.device = torch.device(device)
        self.precision = precision

    @property
    def batch(self) -> int:
        """A batch that keeps the device busy: small on a CPU, where the caches decide, large on a GPU."""
        return 8 if self.device.type == "cpu" else 64

    def score(
        self,
        frames: NDArray[np.uint8],
        inputs: NDArray[np.int64],
        targets: NDArray[np.int64],
        index: NDArray[np.int64],
    ) -> ChunkErrors:
        """Score B windows of a chunk: `inputs` (B, T) and `targets` (B, T') point into `frames` (F, H, W, C).

        Every frame crosses to the device once; windows are gathered there.
        """
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, self.precision == "bf16"):
            on_device = torch.from_numpy(frames).to(self.device)
            batch = Batch(
                on_device[torch.from_numpy(inputs).to(self.device)],
                on_device[torch.from_numpy(targets).to(self.device)],
                torch.from_numpy(index).to(self.device),
            )
            errors = self.detector.score(batch)
            components = {name: value.double().cpu().numpy() for name, value in errors.components.items()}
            return ChunkErrors(components, None if errors.map is None else errors.map.float().cpu().numpy())
