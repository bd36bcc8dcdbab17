"""A fitted detector as a runtime: NumPy, with the frozen network that it looks through on whatever runs it here."""

from __future__ import annotations

from oddframe.datasets.windows import Chunk
from oddframe.models.fitted import FittedDetector
from oddframe.runtime.runtime import CPU_BATCH, Backend, Precision, Runtime
from oddframe.threads import one_blas_thread
from oddframe.types import ChunkErrors


class FittedRuntime(Runtime):
    """Runs `FittedDetector.score` on the CPU.

    Args:
        detector: fitted, with its network set where it needs one.
        name, precision: of what runs the network.
    """

    def __init__(self, detector: FittedDetector, name: Backend, precision: Precision) -> None:
        self.detector, self.signature = detector, detector.signature
        self.name, self.precision, self.batch = name, precision, 2 * CPU_BATCH

    def score(self, chunk: Chunk) -> ChunkErrors:
        with one_blas_thread():
            return self.detector.score(chunk)

    @property
    def memory(self) -> object:
        return self.detector.memory

    def begin_video(self) -> None:
        self.detector.begin_video()
