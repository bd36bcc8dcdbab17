"""The judge of events: a logistic regression on marked events, and where it may hold one.

    loss = sum over events of ln(1 + exp(-y (b + sum of w_f x_f))) + |w|^2 / 2          y = 1 abnormal, -1 normal   (1)

x are the features of `oddframe.models.teaching`, standardised over the events. Each of five blocks of time is judged by
what the other four say; the cut is the highest probability below which at most one abnormal event of twenty lies there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from oddframe.models.teaching import EventJudge
from oddframe.workflow.lesson_scores import Judged

FEWEST_EACH = 20  # marked events of either kind
BLOCKS = 5
MISSED = 0.05  # share of abnormal events that may be held
HIGHEST_CUT = 0.5


def fit_judge(judged: Sequence[Judged]) -> tuple[EventJudge | None, str]:
    """A judge of events from at least `FEWEST_EACH` marked events of either kind, and a sentence on what came of it.

    Args:
        judged: in order of time, as detectors see them that have not taken them in.
    """
    abnormal = np.array([not one.lesson.normal for one in judged])
    counts = int((~abnormal).sum()), int(abnormal.sum())
    if min(counts) < FEWEST_EACH:
        return None, (
            f"a classifier of events needs {FEWEST_EACH} marks of either kind; there are {counts[0]} normal and "
            f"{counts[1]} abnormal"
        )
    components = tuple(sorted({name for one in judged for name in one.shown.why}))
    rows = np.array([one.shown.features(components) for one in judged])
    blocks = np.arange(len(rows)) * BLOCKS // len(rows)
    crossed = np.empty(len(rows))
    for block in range(BLOCKS):
        here = blocks == block
        crossed[here] = _probability(rows[here], *_fitted(rows[~here], abnormal[~here]))
    allowed = int(MISSED * counts[1])
    cut = min(float(np.sort(crossed[abnormal])[allowed]), HIGHEST_CUT)
    held, missed = int((crossed[~abnormal] < cut).sum()), int((crossed[abnormal] < cut).sum())
    if not held:
        return None, "a classifier of events tells none of the normal marks from the abnormal ones, and is left out"
    mean, scale, weight, bias = _fitted(rows, abnormal)
    judge = EventJudge(components, tuple(mean.tolist()), tuple(scale.tolist()), tuple(weight.tolist()), bias, cut)
    return judge, (
        f"a classifier of events holds {held} of {counts[0]} normal marks and {missed} of {counts[1]} abnormal ones, "
        "each judged by what the others say"
    )


_Fitted = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]


def _fitted(rows: NDArray[np.float64], abnormal: NDArray[np.bool_]) -> _Fitted:
    """Mean and scale of the features, and w and b of equation (1)."""
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    x, y = (rows - mean) / scale, np.where(abnormal, 1.0, -1.0)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w, b = parameters[:-1], parameters[-1]
        margin = y * (x @ w + b)
        pull = -y * expit(-margin)
        return float(np.logaddexp(0, -margin).sum() + w @ w / 2), np.append(x.T @ pull + w, pull.sum())

    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return mean, scale, found.x[:-1], float(found.x[-1])


def _probability(
    rows: NDArray[np.float64], mean: NDArray[np.float64], scale: NDArray[np.float64], weight: NDArray[np.float64],
    bias: float,
) -> NDArray[np.float64]:  # fmt: skip
    found: NDArray[np.float64] = expit((rows - mean) / scale @ weight + bias)
    return found
