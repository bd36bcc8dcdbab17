"""What a student learns from its teacher: refined labels, and features told apart by contrast.

Dalvi et al., WACV 2025, equations (6) and (7). Shape letters: N bags, S segments of a bag, M = N * S segments of a
batch, c length of a compared vector.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from oddframe.models.layers.pixels import full
from oddframe.models.layers.precision import full_precision

FLAT = 1e-8  # a range of scores below this is none: stretched to [0, 1] it would be noise


def smoothed(score_NS: Tensor, reach: int, passes: int, padding: Literal["replicate", "zero"]) -> Tensor:
    """Moving average over 2 * reach + 1 segments, `passes` times."""
    if not reach:
        return score_NS
    for _ in range(passes):
        mode = "replicate" if padding == "replicate" else "constant"
        padded_N1S = F.pad(score_NS[:, None], (reach, reach), mode=mode)
        score_NS = F.avg_pool1d(padded_N1S, 2 * reach + 1, 1)[:, 0]
    return score_NS


def stretched(score_NS: Tensor) -> tuple[Tensor, Tensor]:
    """Each bag's scores from its smallest (0) to its largest (1), and which bags (N,) are flat: those become 0."""
    low_N1, high_N1 = score_NS.amin(1, keepdim=True), score_NS.amax(1, keepdim=True)
    flat_N1 = high_N1 - low_N1 < FLAT
    label_NS = ((score_NS - low_N1) / (high_N1 - low_N1).where(~flat_N1, 1)).where(~flat_N1, 0)
    return label_NS, flat_N1[:, 0]


def contrast_terms(
    teacher_Mc: Tensor, student_Mc: Tensor, anomalous_M: Tensor, tau: float, group_M: Tensor | None = None
) -> Tensor:
    """l_i (M,): minus the log of how surely a teacher's vector finds the student's of the same segment among others.

    The others are the student's vectors of the other class; those of the same class play no part. Vectors are compared
    by their cosine over `tau`. Without others, l_i is 0 and so is its gradient.

    Args:
        anomalous_M: the teacher's class of each segment, for both networks.
        group_M: only segments of one group are compared; None compares the whole batch.
    """
    term_M = torch.zeros_like(anomalous_M, dtype=torch.promote_types(student_Mc.dtype, torch.float32))
    with full_precision(student_Mc.device.type):  # at tau 10 all that is said is in the third digit
        teacher_Mc, student_Mc = F.normalize(full(teacher_Mc), dim=1), F.normalize(full(student_Mc), dim=1)
        own_M = (teacher_Mc * student_Mc).sum(1)
        classes = anomalous_M.nonzero()[:, 0], (~anomalous_M).nonzero()[:, 0]
        for asked, others in (classes, classes[::-1]):
            away = (teacher_Mc[asked] @ student_Mc[others].T - own_M[asked, None]) / tau
            if group_M is not None:
                away = away.masked_fill(group_M[asked, None] != group_M[others], -torch.inf)
            # log(1 + sum exp(away)): the segment itself is the 1, which keeps those without others finite.
            term_M = term_M.index_put((asked,), F.pad(away, (0, 1)).logsumexp(1))
    return term_M


def contrast(
    term_M: Tensor, anomalous_M: Tensor, reduction: Literal["class_mean", "mean", "sum"], group_M: Tensor | None = None
) -> Tensor:
    """L_nce: the means over both classes added up, the mean over all, or the sum; with groups, its mean over them."""
    if group_M is None:
        group_M = torch.zeros_like(anomalous_M, dtype=torch.int64)
    groups = int(group_M.max()) + 1
    if reduction == "class_mean":
        kind_M = 2 * group_M + anomalous_M
    elif reduction == "mean":
        kind_M = group_M
    else:
        return term_M.sum() / groups
    total = term_M.new_zeros(2 * groups).index_add(0, kind_M, term_M)
    count = kind_M.bincount(minlength=2 * groups)
    return (total / count.clamp(min=1)).sum() / groups


def pairs(label_N: Tensor) -> Tensor:
    """(N,): the n-th anomalous bag and the n-th normal one share number n; those left over join from the first on."""
    anomalous_N = label_N > 0.5
    fewer = min(int(anomalous_N.sum()), int((~anomalous_N).sum()))
    rank_N = torch.where(anomalous_N, anomalous_N.cumsum(0), (~anomalous_N).cumsum(0)) - 1
    return rank_N % max(fewer, 1)
