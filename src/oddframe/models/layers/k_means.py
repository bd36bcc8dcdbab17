"""k-means."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def k_means(vectors_VC: Tensor, clusters: int, generator: torch.Generator, rounds: int = 300) -> Tensor:
    """Centres (K, C), float64: k-means++, then Lloyd's rounds until the centres all but stand still.

    A centre that no vector is nearest to stays where it is.

    Args:
        vectors_VC: on the CPU; V may be smaller than `clusters`.
        rounds: at most.
    """
    x_VC = vectors_VC.double()
    centres_KC = x_VC[torch.randint(len(x_VC), (1,), generator=generator)]
    nearest_V = torch.full((len(x_VC),), torch.inf, dtype=torch.float64)
    while len(centres_KC) < clusters:
        nearest_V = nearest_V.minimum(torch.cdist(x_VC, centres_KC[-1:])[:, 0].square())
        # Where every vector is a centre already, no distance is left: any vector will do.
        chosen = torch.multinomial(nearest_V.clamp(min=1e-18), 1, generator=generator)
        centres_KC = torch.cat((centres_KC, x_VC[chosen]))
    still = 1e-4 * x_VC.var(0, correction=0).mean()
    for _ in range(rounds):
        members_VK = F.one_hot(torch.cdist(x_VC, centres_KC).argmin(1), clusters).double()
        count_K1 = members_VK.sum(0)[:, None]
        moved_KC = torch.where(count_K1 > 0, members_VK.T @ x_VC / count_K1.clamp(min=1), centres_KC)
        shift, centres_KC = (moved_KC - centres_KC).square().sum(), moved_KC
        if shift <= still:
            break
    return centres_KC
