"""Claims of a plan against its results: does the system that is said to be better turn out so?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oddframe.benchmark.plan import ClaimPart
from oddframe.evaluation.paired import Difference, Videos, paired_difference
from oddframe.evaluation.plain import plain

LEVEL = 0.95


@dataclass(frozen=True)
class Outcome:
    """A claim on one data set under one protocol, and the difference of the micro AUCs of its two systems."""

    data: str
    protocol: str
    claim: ClaimPart
    difference: Difference

    @property
    def row(self) -> dict[str, Any]:
        """Plain values for a line of CSV; undefined figures are None."""
        own: dict[str, Any] = plain(
            {"difference": self.difference.value, "low": self.difference.low, "high": self.difference.high}
        )
        names = {"better": self.claim.better, "than": self.claim.than}
        verdict = {"verdict": self.difference.verdict, "paper": self.claim.paper}
        return {"data": self.data, "protocol": self.protocol, **names, **own, **verdict}

    def to_dict(self) -> dict[str, Any]:
        """The row with the difference of every seed."""
        return {**self.row, "by_seed": [plain(value) for value in self.difference.by_seed]}

    @property
    def cells(self) -> list[str]:
        """A row of the table for people, in points of AUC."""
        found, claim = self.difference, self.claim
        if np.isnan(found.low):
            figures = ["-", "-"]
        else:
            figures = [f"{100 * found.value:+.2f}", f"{100 * found.low:+.2f} to {100 * found.high:+.2f}"]
        paper = " ".join(claim.paper.split())
        seeds = " ".join("-" if np.isnan(value) else f"{100 * value:+.2f}" for value in found.by_seed)
        return [self.data, self.protocol, claim.better, claim.than, paper, *figures, seeds, found.verdict]


COLUMNS = ("data", "protocol", "said to be better", "than", "where", "difference", "interval", "by seed", "verdict")
NUMBERS = ("difference", "interval", "by seed")


def judge(
    claims: Sequence[ClaimPart], data: str, protocol: str, videos: Mapping[str, Sequence[Videos]]
) -> list[Outcome]:
    """Every claim on a data set whose two systems stand under a protocol.

    Args:
        videos: system -> for each seed, in the same order, labels and scores of the test videos.

    Raises:
        InputError: there are fewer than two test videos.
    """
    found = []
    for claim in claims:
        if claim.data in (None, data) and claim.better in videos and claim.than in videos:
            difference = paired_difference(videos[claim.better], videos[claim.than], level=LEVEL)
            found.append(Outcome(data, protocol, claim, difference))
    return found


def reading_notes(outcomes: Sequence[Outcome], seeds: int) -> list[str]:
    """How the verdicts are to be read."""
    if not outcomes:
        return []
    over = "test videos" if seeds == 1 else f"{seeds} seeds and the test videos"
    notes = [
        f"claims: difference of micro AUCs in points, same seeds and videos, with a {LEVEL:.0%} interval over {over}; "
        'an interval that holds 0 is "undecided"',
    ]
    for one in outcomes:
        better, than = one.difference.frames
        if better != than:
            names = f"{one.claim.better} and {one.claim.than}"
            notes.append(f"claims: {names} have scores for {better} and {than} frames of {one.data}")
    if seeds == 1:
        notes.append("claims: with one seed, the intervals hold nothing of what another training would change")
    chance = len(outcomes) * (1 - LEVEL)
    if len(outcomes) > 1:
        without = f"of {len(outcomes)} comparisons without any true difference"
        notes.append(f"claims: {without}, {chance:.1f} would be decided by chance")
    return notes
