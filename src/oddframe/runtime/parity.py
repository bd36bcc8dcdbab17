"""How well two runtimes of one detector agree, and whether that is well enough.

fp32         no component differs by more than 1e-4 of its size, no place of a map by more than 1e-4 of the largest
bf16, int8   scores keep their order, rank correlation at least 0.999; where labels are known, the AUC of the frames
             changes by at most 0.002
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from oddframe.runtime.runtime import Precision

RELATIVE, RANKS, AUC = 1e-4, 0.999, 0.002
SMALL = 1e-3  # of the largest value: what is smaller than that is compared with that

ComponentArrays = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Parity:
    """Two runtimes compared on the same frames.

    Attributes:
        frames: compared.
        where: from which video.
        relative: component, or "map" -> largest difference relative to the reference.
        ranks: Spearman's correlation of the scores.
        auc: AUC of the frames by the reference and by the other, where labels are known.
        finite: neither NaN nor infinity came of the other.
    """

    frames: int
    where: str
    relative: Mapping[str, float]
    ranks: float
    finite: bool = True
    auc: tuple[float, float] | None = field(default=None)

    def fault(self, precision: Precision) -> str | None:
        """What keeps it from passing at this precision, in words; None where nothing does."""
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
    reference: ComponentArrays,
    got: ComponentArrays,
    scores: tuple[NDArray[np.float64], NDArray[np.float64]],
    maps: tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]] | None,
    where: str,
) -> Parity:
    """Compare what two runtimes say of the same N frames.

    Args:
        wanted, got: components (N,) of the reference and of the other.
        scores: what is made of them, (N,) each.
        maps: (N, h, w) each, or None.
        where: from which video, for people.
    """
    pairs = {name: (values, got[name]) for name, values in reference.items()}
    finite = all(np.isfinite(other).all() for _, other in pairs.values())
    finite = finite and (maps is None or bool(np.isfinite(maps[1]).all()))
    relative = {name: _relative(*pair, floor=SMALL) for name, pair in pairs.items()} if finite else {}
    if maps is not None and finite:
        relative["map"] = _relative(*maps, floor=1.0)
    return Parity(len(scores[0]), where, relative, _ranks(*scores) if finite else 0.0, finite)


def _relative(reference: NDArray[Any], got: NDArray[Any], floor: float) -> float:
    """The largest difference relative to the wanted value, or to `floor` of the largest where that is more."""
    size = np.abs(reference.astype(np.float64))
    largest = size.max(initial=0.0)
    if largest == 0:
        return float(np.abs(got).max(initial=0.0))
    return float((np.abs(got.astype(np.float64) - reference) / np.maximum(size, floor * largest)).max())


def _ranks(reference: NDArray[np.float64], got: NDArray[np.float64]) -> float:
    """Spearman's correlation; 1 where neither tells any two frames apart."""
    a, b = (rankdata(values) - (len(values) + 1) / 2 for values in (reference, got))
    size = float(np.sqrt((a @ a) * (b @ b)))
    if size == 0:
        return 1.0 if not a.any() and not b.any() else 0.0
    return float(a @ b) / size
