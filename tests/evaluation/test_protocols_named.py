"""The named protocols: which there are, what they compute, and which of them a set of scores is shown under."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oddframe.errors import InputError, RecipeError
from oddframe.evaluation.auc import roc_auc
from oddframe.evaluation.explain import explain
from oddframe.evaluation.protocol import GroundTruth, Protocol, curves, evaluate
from oddframe.evaluation.protocols import (
    DATA,
    GROUND_TRUTHS,
    HONEST,
    PROTOCOLS,
    get_protocol,
    known_data,
    protocols_for,
    read_protocols,
)
from oddframe.extras import how_to_install
from oddframe.models.mil import ENTRY
from oddframe.scoring.combine import ScoreRule, combine, measure_bounds, minmax
from oddframe.scoring.smooth import smooth
from oddframe.settings import Smoothing
from oddframe.types import Combination, FrameScores, VideoInfo

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "protocols.md"
NONE = Smoothing("none")


def scores_of(video: str, **components: np.ndarray) -> FrameScores:
    frame = np.arange(len(next(iter(components.values()))))
    info = VideoInfo(video, video, 64, 48, 25.0, len(frame))
    return FrameScores(video, frame, frame / 25, components, np.zeros(len(frame)), info)


def two_videos(seed: int = 0) -> tuple[list[FrameScores], dict[str, np.ndarray]]:
    """Two videos on scales of their own, with both classes."""
    rng = np.random.default_rng(seed)
    labels = {"a": rng.integers(0, 2, 50), "b": rng.integers(0, 2, 70)}
    scores = [
        scores_of(name, prediction=10 ** (rng.normal(-3, 1, len(of)) + 2 * k), prototype=rng.random(len(of)) + 0.1 * k)
        for k, (name, of) in enumerate(labels.items())
    ]
    return scores, labels


def test_every_system_has_its_protocols_on_every_data_set_it_was_published_on() -> None:
    for system in ("memae", "mnad", "mnad/reconstruction", "mpn", "std"):
        assert {f"paper/{system}{data}" for data in ("", "/ped2", "/avenue", "/shanghaitech")} <= PROTOCOLS.keys()
        assert f"code/{system}" in PROTOCOLS
    assert {f"paper/sdmae/{data}" for data in ("ped2", "avenue", "shanghaitech", "ubnormal")} <= PROTOCOLS.keys()
    for name, protocol in PROTOCOLS.items():
        assert re.fullmatch(r"honest|(paper|code)/(sdmae|memae|mnad|mpn|std)(/[a-z0-9-]+)*", name)
        assert protocol.system == (None if name == "honest" else name.split("/")[1])
        assert protocol.selection
        if protocol.data and protocol.ground_truth:
            assert protocol.ground_truth is GROUND_TRUTHS[protocol.data]


def test_the_ground_truths_are_those_that_circulate() -> None:
    counts = {name: (truth.positives, truth.frames) for name, truth in GROUND_TRUTHS.items()}
    assert counts == {"ped2": (1648, 2010), "avenue": (3867, 15324), "shanghaitech": (17326, 40791)}
    truth = GroundTruth("a file", 10, 4)
    assert truth.differs(10, 4) is None
    assert truth.differs(10, 3) == "4 of 10 frames anomalous (a file); here 3 of 10"


def test_minmax_over_the_test_set_is_not_minmax_per_video() -> None:
    scores, labels = two_videos()
    got = evaluate(scores, labels, get_protocol("code/mpn/avenue"), ScoreRule(Combination({}), NONE))
    truth = np.concatenate([labels["a"], labels["b"]])
    decibel = {
        name: 10 * np.log10(np.concatenate([s.components[name] for s in scores])) for name in scores[0].components
    }
    total = 0.5 * minmax(decibel["prediction"]) + 0.5 * minmax(decibel["prototype"])
    by_hand = np.concatenate(
        [smooth(total[:50], Smoothing("held", 15, 2.0)), smooth(total[50:], Smoothing("held", 15, 2.0))]
    )
    assert got.micro_auc == pytest.approx(roc_auc(truth, by_hand), abs=1e-12)
    per_video = evaluate(scores, labels, get_protocol("code/mpn"), ScoreRule(Combination({}), NONE))
    assert abs(per_video.micro_auc - got.micro_auc) > 1e-3
    assert not got.causal


def test_bounds_of_a_test_set() -> None:
    how = Combination({"x": 1.0, "y": 1.0}, scale="dataset_minmax")
    videos = [{"x": np.array([1.0, 3.0]), "y": np.ones(2)}, {"x": np.array([5.0]), "y": np.ones(1)}]
    assert measure_bounds(videos, how) == {"x": (1.0, 4.0), "y": (1.0, 1.0)}
    assert combine(videos[0], how, measure_bounds(videos, how)).tolist() == [0.0, 0.5]
    with pytest.raises(InputError, match="asks for y; these scores have: x"):
        measure_bounds([{"x": np.ones(2)}], how)


def test_the_best_filter_on_the_test_set_is_called_that() -> None:
    scores, labels = two_videos(3)
    own = ScoreRule(Combination({"prediction": 1.0}), NONE)
    tried = (NONE, Smoothing("centred", 9, 3.0), Smoothing("code", 5, 2.0))
    got = evaluate(scores, labels, Protocol("p", "", candidates=tried), own)
    alone = [evaluate(scores, labels, Protocol("p", "", smoothing=one), own) for one in tried]
    best = max(alone, key=lambda result: result.micro_auc)
    assert (got.micro_auc, got.smoothing) == (best.micro_auc, best.smoothing)
    assert got.chosen_on_test and not got.causal
    assert not any(result.chosen_on_test for result in alone)
    assert len(get_protocol("code/sdmae/cls-head/best-width").candidates) == 3


def test_few_shot_code_counts_the_feature_error_with_the_wrong_sign() -> None:
    scores, labels = two_videos(1)
    got = evaluate(scores[:1], {"a": labels["a"]}, get_protocol("code/mpn/meta"), ScoreRule(Combination({}), NONE))
    x = scores[0].components
    by_hand = 0.7 * minmax(10 * np.log10(x["prediction"])) - 0.3 * minmax(x["prototype"])
    smoothed = smooth(by_hand, Smoothing("held", 15, 2.0))
    assert got.micro_auc == pytest.approx(roc_auc(labels["a"], smoothed), abs=1e-12)


def test_curves_are_what_the_figures_are_made_of() -> None:
    scores, labels = two_videos()
    protocol, own = get_protocol("code/mpn"), ScoreRule(Combination({}), NONE)
    found = curves(scores[::-1], labels, protocol, own)
    assert list(found) == ["a", "b"]
    truth, score = (np.concatenate(column) for column in zip(*found.values(), strict=True))
    assert roc_auc(truth, score) == pytest.approx(evaluate(scores, labels, protocol, own).micro_auc, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "data"),
    [("UCSD Ped2", "ped2"), ("CUHK Avenue", "avenue"),
        ("Avenue (ground truth of 3712)", "avenue"), ("ShanghaiTech", "shanghaitech"), ("UBnormal", "ubnormal"),
     ("ped2-night", None), ("testing", None), ("", None)],
)  # fmt: skip
def test_data_sets_are_known_by_their_names(name: str, data: str | None) -> None:
    assert known_data(name) == data


def test_a_data_sets_protocols_take_the_place_of_the_general_ones() -> None:
    components = {"prediction", "memory"}

    def names(data: str | None) -> list[str]:
        return [protocol.name for protocol in protocols_for("mnad", components, data)]

    assert names(None) == ["honest", "paper/mnad", "code/mnad"]
    assert names("ped2") == ["honest", "paper/mnad/ped2", "code/mnad/ped2"]
    assert names("ped1") == names(None)
    assert [p.name for p in protocols_for("mpn", {"prediction", "prototype"})] == [
        "honest", "paper/mpn", "code/mpn", "code/mpn/avenue", "code/mpn/meta",
    ]  # fmt: skip
    assert protocols_for("sdmae", {"teacher"}, "avenue") == [HONEST]
    assert {p.name for p in protocols_for("sdmae", {"teacher", "map_max"}, "avenue")} == {
        "honest",
        "paper/sdmae/avenue",
    }


def test_standing_in_changes_the_components_alone() -> None:
    own = Combination({"x": 2.0}, {"x": "decibel"}, "normal")
    mpn, std = get_protocol("code/mpn"), get_protocol("code/std")
    assert mpn.standing_in(own) == replace(mpn, combination=replace(own, scale="per_video_minmax"))
    assert std.standing_in(own) == replace(std, combination=own)
    assert HONEST.standing_in(own) == replace(HONEST, combination=own)
    assert mpn.computes_like(replace(mpn, name="x", description="y", selection="z", data="d"))
    assert not mpn.computes_like(replace(mpn, label_shift=1))


def test_every_protocol_can_be_explained() -> None:
    for protocol in PROTOCOLS.values():
        words = explain(protocol)
        assert all(words.values()) and list(words) == list(explain(HONEST))
    honest, code, best = (explain(get_protocol(n)) for n in ("honest", "code/std", "code/sdmae/cls-head/best-width"))
    assert (honest["score"], honest["smoothing"], honest["causal"]) == (
        "the system's own", "the system's own, causal", "yes",
    )  # fmt: skip
    assert (code["score"], code["label"], code["normalisation"]) == ("1/fused", "of frame t+1", "min-max per video")
    assert best["smoothing"].startswith("the best on the test set of: Gaussian, 119 taps, sigma 16,")
    assert explain(get_protocol("paper/mnad"))["score"] == (
        "0.6 PSNR of prediction + 0.4 memory, each min-max per video"
    )
    assert explain(get_protocol("code/mpn/avenue"))["ground truth"].startswith("3867 of 15324,")
    assert explain(replace(HONEST, dropped=(4, 3)))["dropped"] == "4 first, 3 last frames"


@pytest.mark.slow
def test_the_page_names_every_protocol_that_computes_something_of_its_own() -> None:
    text = DOCS.read_text(encoding="utf-8")
    general = {p.name for p in PROTOCOLS.values() if not p.data}
    own = {p.name for p in PROTOCOLS.values() if p.data and p.name.rpartition("/")[0] not in general}
    assert [name for name in sorted(general | own) if f"`{name}`" not in text] == []


@pytest.mark.slow
def test_protocols_are_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    from oddframe.cli.listing import protocols

    def told(call: Callable[[], Any]) -> str:
        capsys.readouterr()
        call()
        return capsys.readouterr().out

    listed = told(protocols)
    assert all(f"\n{name} " in f"\n{listed}" for name in PROTOCOLS)
    rows = {row["name"]: row for row in json.loads(told(lambda: protocols(None, True)))}
    assert rows.keys() == PROTOCOLS.keys()
    assert rows["paper/mnad/ped2"]["ground_truth"] == {
        "version": "masks of the release",
        "frames": 2010,
        "positives": 1648,
    }
    assert rows["code/std"]["words"]["label"] == "of frame t+1"
    explained = told(lambda: protocols(["mpn", "avenue"]))
    assert explained.count("ground truth") == 2 and "each min-max over the test set" in explained
    with pytest.raises(InputError, match="no protocol has a name with nothing"):
        protocols(["nothing"])


def test_data_sets_of_protocols_are_known_without_their_systems() -> None:
    assert {protocol.data for protocol in PROTOCOLS.values()} - {""} == set(DATA)
    assert set(GROUND_TRUTHS) <= set(DATA)


def test_an_entry_may_say_a_protocol_in_short() -> None:
    text = {"name": "paper/mil", "description": "x", "data": ("", "ped2", "ubnormal"), "ground_truth": True,
            "smoothing": ("centred", 9, 2.0), "candidates": (("none",),)}  # fmt: skip
    found = read_protocols(replace(ENTRY, protocols=(text, replace(HONEST, name="code/mil"))))
    assert list(found) == ["paper/mil", "paper/mil/ped2", "paper/mil/ubnormal", "code/mil"]
    assert [p.ground_truth for p in found.values()] == [None, GROUND_TRUTHS["ped2"], None, None]
    assert found["paper/mil"].smoothing == Smoothing("centred", 9, 2.0) and found["paper/mil"].candidates == (NONE,)
    own = read_protocols(
        replace(ENTRY, protocols=({**text, "data": "ped2", "ground_truth": GroundTruth("own", 1, 1)},))
    )
    assert own["paper/mil"].ground_truth == GroundTruth("own", 1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"smoothness": 3}, "model mil: protocol 'paper/mil' has an unknown field 'smoothness'"),
        ({"name": "paper/mill"}, "protocol 'paper/mill': its name must begin with paper/mil"),
        ({"smoothing": ("centred", 8, 2.0)}, "protocol 'paper/mil': centred smoothing needs an odd number"),
        ({"smoothing": ("centred", 9, 2.0, 25.0, 1)}, "protocol 'paper/mil': .* takes from"),
    ],
)
def test_a_wrong_protocol_of_an_entry_is_named(change: dict[str, Any], message: str) -> None:
    text = {"name": "paper/mil", "description": "x", **change}
    with pytest.raises(RecipeError, match=message):
        read_protocols(replace(ENTRY, protocols=(text,)))


WITHOUT_TORCH = """
import sys, warnings
sys.modules["torch"] = None
from oddframe.evaluation.protocols import get_protocol, known_data, protocols_for
from oddframe.errors import InputError
assert get_protocol("honest").online and known_data("UCSD Ped2") == "ped2"
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    print([p.name for p in protocols_for("sdmae", {"map_max"})], *(warning.message for warning in told))
try:
    get_protocol("paper/sdmae/ped2")
except InputError as error:
    print(error)
"""


@pytest.mark.slow
def test_without_torch_honest_is_left_and_one_line_says_what_is_missing() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True)
    line = f"model sdmae needs the library torch: {how_to_install('torch')}"
    assert done.stdout.splitlines() == [f"['honest'] only the protocol honest is used: {line}", line], done.stderr
