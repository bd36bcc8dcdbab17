"""Agreement of two runtimes of one detector, and the limits that it must meet.

fp32         no component differs by more than 1e-4 of its value, and no cell of a map by more than 1e-4 of the largest
bf16, int8   scores keep their order: the rank correlation is at least 0.999; if labels are known, the frame-level AUC
             changes by at most 0.002
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.runtime.runtime import Precision

RELATIVE, RANKS, AUC = 1e-4, 0.999, 0.002
SMALL = 1e-3  # share of the largest value; differences of smaller values are relative to this share

ComponentArrays = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Parity:
    """The comparison of two runtimes on the same frames.

    Attributes:
        frames: number of compared frames.
        where: name of their video.
        relative: component, or "map" -> largest difference relative to the reference.
        ranks: Spearman's rank correlation of the scores.
        finite: whether all values of the other runtime are finite.
        auc: frame-level AUC of the reference and of the other runtime, if labels are known.
    """

    frames: int
    where: str
    relative: Mapping[str, float]
    ranks: float
    finite: bool = True
    auc: tuple[float, float] | None = field(default=None)

    def fault(self, precision: Precision) -> str | None:
        """The limit that is not met at this precision, in words; None if all limits are met."""
        if not self.finite:
            return "the converted network gives NaN or infinity"
        if precision == "fp32":
            name, worst = max(self.relative.items(), key=lambda item: item[1])
            return None if worst <= RELATIVE else f"{name} differs by {worst:.2g}, more than {RELATIVE:g}"
        if self.ranks < RANKS:
            return f"the rank correlation of the scores is {self.ranks:.5f}, less than {RANKS:g}"
        if self.auc is not None and abs(self.auc[1] - self.auc[0]) > AUC:
            return f"the AUC goes from {self.auc[0]:.4f} to {self.auc[1]:.4f}, more than {AUC:g}"
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def compare(
    expected: ComponentArrays,
    got: ComponentArrays,
    scores: tuple[NDArray[np.float64], NDArray[np.float64]],
    maps: tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]] | None,
    where: str,
) -> Parity:
    """Compare the results of two runtimes for the same N frames.

    Args:
        expected, got: components (N,) of the reference and of the other runtime.
        scores: (N,) scores of both.
        maps: (N, h, w) maps of both, or None.
        where: name of the video, for messages.
    """
    pairs = {name: (values, got[name]) for name, values in expected.items()}
    finite = all(np.isfinite(other).all() for _, other in pairs.values())
    finite = finite and (maps is None or bool(np.isfinite(maps[1]).all()))
    relative = {name: _relative(*pair, floor=SMALL) for name, pair in pairs.items()} if finite else {}
    if maps is not None and finite:
        relative["map"] = _relative(*maps, floor=1.0)
    return Parity(len(scores[0]), where, relative, _ranks(*scores) if finite else 0.0, finite)


def _relative(expected: NDArray[Any], got: NDArray[Any], floor: float) -> float:
    """The largest difference relative to the expected value, or to `floor` times the largest value if that is more."""
    size = np.abs(expected.astype(np.float64))
    largest = size.max(initial=0.0)
    if largest == 0:
        return float(np.abs(got).max(initial=0.0))
    return float((np.abs(got.astype(np.float64) - expected) / np.maximum(size, floor * largest)).max())


def _ranks(expected: NDArray[np.float64], got: NDArray[np.float64]) -> float:
    """Spearman's rank correlation; 1 if both are constant."""
    from scipy.stats import rankdata  # takes a second to import, and scoring does without it

    a, b = (rankdata(values) - (len(values) + 1) / 2 for values in (expected, got))
    size = float(np.sqrt((a @ a) * (b @ b)))
    if size == 0:
        return 1.0 if not a.any() and not b.any() else 0.0
    return float(a @ b) / size
