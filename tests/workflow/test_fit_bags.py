"""Fitting to labelled videos: which of them are held out."""

from __future__ import annotations

import numpy as np

from oddframe.workflow.fit_bags import hold_out


def test_the_same_share_of_both_classes_is_held_out() -> None:
    labels = np.array([0] * 80 + [1] * 20)
    chosen = hold_out(labels, 0.15, 3)
    assert (chosen[:80].sum(), chosen[80:].sum()) == (12, 3)
    assert not np.array_equal(chosen, hold_out(labels, 0.15, 4))
    assert hold_out(np.array([0, 0, 1, 1]), 0.01, 0).sum() == 2, "at least one of each"
