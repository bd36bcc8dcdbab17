"""Exemplars: a few rows that stand for many, and the distance of others to the nearest of them.

Sources: the greedy choice of k centres is that of Gonzalez, "Clustering to minimize the maximum intercluster distance"
(Theoretical Computer Science, 1985). Its farthest row lies at most twice as far from a centre as for the best choice of
k centres. The sample that a `Reservoir` keeps is that of Efraimidis and Spirakis ("Weighted random sampling with a
reservoir", 2006) with equal weights, and its random numbers are hashes of the row's place in the stream.

Departures: the first centre of `k_centre` is drawn by the seed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.hashing import hash64

PRODUCT_VALUES = 4_000_000  # of one block of the matrix of distances: 16 MB


def k_centre(rows: NDArray[np.float32], count: int, seed: int) -> NDArray[np.int64]:
    """Greedy k-centre: again and again the row that lies farthest from all that were chosen (Gonzalez 1985).

    Args:
        rows: (N, D) finite values.
        count: how many to choose.
        seed: of the first choice.

    Returns:
        (K,) int64 numbers of different rows in the order of choice. K is `count`, or less where fewer rows are
        distinct: a copy of a chosen row is never chosen.
    """
    count = min(count, len(rows))
    chosen = np.zeros(count, np.int64)
    if not count:
        return chosen
    centred = np.asarray(rows - rows.mean(axis=0), np.float32)  # small norms: less is lost in the subtraction below
    norms = np.einsum("nd,nd->n", centred, centred)
    # Rounding of the expanded square must not choose a copy of a row that is a centre already.
    tiny = np.float32(8 * np.finfo(np.float32).eps) * float(norms.max())
    chosen[0] = int(hash64(seed, len(rows))) % len(rows)
    least = np.full(len(rows), np.inf, np.float32)
    for number in range(1, count):
        last = chosen[number - 1]
        distance = centred @ centred[last]
        distance *= -2
        distance += norms
        distance += norms[last]
        np.minimum(least, distance, out=least)
        least[last] = -1.0
        farthest = int(least.argmax())
        if least[farthest] <= tiny:
            return chosen[:number]
        chosen[number] = farthest
    return chosen


def covering_radius(exemplars: NDArray[np.float32]) -> float:
    """The least distance between two of (K, D) exemplars; 0 where there are fewer than two.

    Greedy k-centre ends with exemplars that lie no nearer to each other than the farthest row lies to them. So no row
    that they were chosen from lies farther from them than this.
    """
    if len(exemplars) < 2:
        return 0.0
    least, block = np.inf, max(PRODUCT_VALUES // len(exemplars), 1)
    for start in range(0, len(exemplars), block):
        part = exemplars[start : start + block].astype(np.float64)
        norms = np.einsum("kd,kd->k", exemplars, exemplars, dtype=np.float64)
        squares = norms[start : start + block, None] + norms - 2 * part @ exemplars.T.astype(np.float64)
        squares[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        least = min(least, float(squares.min()))
    return float(np.sqrt(max(least, 0.0)))


def lacking(rows: NDArray[np.float32], exemplars: NDArray[np.float32], radius: float, most: int) -> NDArray[np.int64]:
    """Which rows exemplars lack: greedy k-centre that goes on from them until all rows lie within `radius`.

    Args:
        rows: (N, D).
        exemplars: (K, D), K at least 1.
        most: rows that are chosen.

    Returns:
        (L,) int64 numbers of rows, the farthest first.
    """
    chosen: list[int] = []
    least = nearest(rows, exemplars)
    while len(least) and len(chosen) < most:
        farthest = int(least.argmax())
        if least[farthest] <= radius:
            break
        chosen.append(farthest)
        gap = rows - rows[farthest]
        np.minimum(least, np.sqrt(np.einsum("nd,nd->n", gap, gap)), out=least)
    return np.array(chosen, np.int64)


class Neighbours:
    """Exemplars that are searched again and again. It holds a second copy of them.

    Args:
        exemplars: (K, D), K at least 1.
    """

    def __init__(self, exemplars: NDArray[np.float32]) -> None:
        self.exemplars = np.asarray(exemplars, np.float32)
        self._middle = self.exemplars.mean(axis=0)
        self._centred = np.ascontiguousarray((self.exemplars - self._middle).T)
        self._half_norms = np.einsum("dk,dk->k", self._centred, self._centred) / 2

    def distances(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,) Euclidean distance of each of (N, D) rows to its nearest exemplar; see `nearest`."""
        rows = np.asarray(rows, np.float32)
        block = max(PRODUCT_VALUES // len(self.exemplars), 1)
        found = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), block):
            part = rows[start : start + block]
            closeness = (part - self._middle) @ self._centred
            closeness -= self._half_norms
            gap = part - self.exemplars[closeness.argmax(axis=1)]
            found[start : start + block] = np.sqrt(np.einsum("nd,nd->n", gap, gap))
        return found


def nearest(rows: NDArray[np.float32], exemplars: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean distance of each row to its nearest exemplar, by exhaustive search as a matrix product, in blocks.

    The product finds the exemplar; its distance is then computed from the differences. So the distance of a row to
    itself is exactly 0, which the expanded square does not give.

    Args:
        rows: (N, D).
        exemplars: (K, D), K at least 1.

    Returns:
        (N,) float32 distances, 0 or more.
    """
    return Neighbours(exemplars).distances(rows)


class Reservoir:
    """A random sample, without replacement, of all rows of a stream. Memory: at most twice the capacity.

    Which rows are kept depends on the seed and on the place of a row in the stream, not on how the stream was cut.
    """

    def __init__(self, width: int, capacity: int, seed: int) -> None:
        self._capacity, self._seed, self._seen = capacity, seed, 0
        self._rows: list[NDArray[np.float32]] = [np.zeros((0, width), np.float32)]
        self._numbers: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        self._held = 0

    def add(self, rows: NDArray[np.float32]) -> None:
        """The next (N, width) rows of the stream."""
        self._rows.append(np.array(rows, np.float32))
        self._numbers.append(np.arange(self._seen, self._seen + len(rows)))
        self._seen += len(rows)
        self._held += len(rows)
        if self._held > 2 * self._capacity:
            self._prune()

    def rows(self) -> NDArray[np.float32]:
        """(N, width) what is kept, in the order of the stream; N is at most the capacity."""
        self._prune()
        return self._rows[0]

    def _prune(self) -> None:
        rows, numbers = np.concatenate(self._rows), np.concatenate(self._numbers)
        if len(rows) > self._capacity:
            priority = hash64(self._seed, numbers)
            keep = np.sort(np.argpartition(priority, self._capacity - 1)[: self._capacity])
            rows, numbers = rows[keep], numbers[keep]
        self._rows, self._numbers, self._held = [rows], [numbers], len(rows)
