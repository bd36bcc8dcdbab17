"""The gate: what is let through, and in which words the rest is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from oddframe.runtime.parity import Parity, compare

GOOD = Parity(100, "a video", {"error": 5e-5, "map": 9e-5}, 0.9995)


def test_the_gate() -> None:
    assert GOOD.fault("fp32") is None and GOOD.fault("bf16") is None
    coarse = replace(GOOD, relative={"error": 2e-3, "map": 0.0})
    assert coarse.fault("bf16") is None and "error differs by 0.002" in str(coarse.fault("fp32"))
    assert "rank correlation" in str(replace(GOOD, ranks=0.9989).fault("int8"))
    assert replace(GOOD, auc=(0.9, 0.9019)).fault("bf16") is None
    assert "AUC goes from 0.9000 to 0.8970" in str(replace(GOOD, auc=(0.9, 0.897)).fault("int8"))
    assert "NaN" in str(replace(GOOD, finite=False).fault("fp32"))


def test_differences_are_relative_to_what_is_wanted() -> None:
    rng = np.random.default_rng(0)
    wanted = {"error": rng.uniform(1, 2, 50)}
    got = {"error": wanted["error"].copy()}
    got["error"][7] *= 1.001
    maps = rng.uniform(0, 4, (2, 50, 3, 3))
    maps[1] = maps[0]
    maps[1, 3, 2, 1] += 0.01
    parity = compare(wanted, got, (wanted["error"], got["error"]), (maps[0], maps[1]), "here")
    assert parity.relative["error"] == pytest.approx(1e-3, rel=1e-6)
    assert parity.relative["map"] == pytest.approx(0.01 / maps[0].max(), rel=1e-6)
    assert (parity.frames, parity.where, parity.finite) == (50, "here", True)


def test_ranks_are_spearmans_ties_included() -> None:
    rng = np.random.default_rng(1)
    a = rng.integers(0, 20, 200).astype(float)
    b = a + rng.normal(size=200)
    parity = compare({"x": a}, {"x": b}, (a, b), None, "here")
    assert parity.ranks == pytest.approx(spearmanr(a, b)[0])
    flat = np.ones(5)
    assert compare({"x": flat}, {"x": flat}, (flat, flat), None, "here").ranks == 1
    assert compare({"x": flat}, {"x": b[:5]}, (flat, b[:5]), None, "here").ranks == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_seen_in_components_and_maps(bad: float) -> None:
    good, maps = np.arange(4.0), np.zeros((4, 2, 2))
    spoilt, spoilt_maps = good.copy(), maps.copy()
    spoilt[2], spoilt_maps[1, 0, 0] = bad, bad
    assert not compare({"x": good}, {"x": spoilt}, (good, good), None, "").finite
    assert not compare({"x": good}, {"x": good}, (good, good), (maps, spoilt_maps), "").finite
