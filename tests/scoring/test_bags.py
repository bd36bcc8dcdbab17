"""From features to frames: what a segment says stands at the frames that it was made of."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.features.snippets import SnippetFeatures
from oddframe.models.mil import MIL
from oddframe.scoring.bags import torch_network
from oddframe.scoring.features import frames_of, score_bag


class Echo:
    """The first number of a segment's features is its score."""

    def __call__(self, features: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float64]]:
        self.seen = features["x"].shape
        return {"classifier": features["x"][..., 0].astype(np.float64)}


def snippets(values: list[float], frames: int | None = None, seconds: float | None = None) -> SnippetFeatures:
    rows = np.array([[value, 0.0] for value in values], np.float32)
    time = None if seconds is None or frames is None else np.linspace(0, seconds, frames)
    return SnippetFeatures("v", rows, frames, "snippets", time)


def test_every_frame_has_the_score_of_its_snippet() -> None:
    time, components = score_bag(Echo(), 5, {"x": snippets([0.1, 0.2, 0.3, 0.4, 0.5], frames=70)})
    expected = np.repeat([0.1, 0.2, 0.3, 0.4, 0.5], [16, 16, 16, 16, 6])
    assert np.allclose(components["classifier"], expected) and len(time) == 70
    assert time[25] == 1.0, "25 frames a second where nothing is known"


def test_segments_of_several_snippets_and_snippets_of_several_segments() -> None:
    values = [0.0, 1.0, 0.5, 0.25]
    half = score_bag(Echo(), 2, {"x": snippets(values)})[1]["classifier"]
    assert np.allclose(half, np.repeat([0.5, 0.375], 32))
    double = score_bag(Echo(), 8, {"x": snippets(values)})[1]["classifier"]
    assert np.allclose(double, np.repeat(values, 16))


def test_long_videos_are_scored_in_parts() -> None:
    network, own = Echo(), snippets([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], frames=96, seconds=12)
    _, whole = score_bag(network, 2, {"x": own})
    assert network.seen == (1, 2, 2) and np.unique(whole["classifier"]).size == 2
    _, parts = score_bag(network, 2, {"x": own}, segment_seconds=2.0)
    assert network.seen == (3, 2, 2)
    assert np.allclose(parts["classifier"], np.repeat([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 16))
    score_bag(network, 2, {"x": own}, segment_seconds=0.001)
    assert network.seen == (6, 2, 2), "no part without a snippet"


def test_released_segments_are_spread_over_the_video() -> None:
    rows = np.array([[0.0, 0], [1.0, 0]], np.float32)
    own = {"x": SnippetFeatures("v", rows, None, "segments")}
    _, components = score_bag(Echo(), 2, own, segment_seconds=0.001, frames=7)
    assert components["classifier"].tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert len(score_bag(Echo(), 2, own)[0]) == 32, "a row counts as a snippet where nothing is known"


def test_backbones_may_differ_by_one_row() -> None:
    five, four = snippets([0.5] * 5, frames=80), snippets([0.5] * 4)
    bounds, time = frames_of({"a": five, "b": four})
    assert bounds.tolist() == [0, 16, 32, 48, 80] and len(time) == 80
    with pytest.raises(InputError, match="5 rows of a features, 3 of another"):
        frames_of({"a": five, "b": snippets([0.5] * 3)})


def test_the_same_bits_in_any_company() -> None:
    torch.manual_seed(0)
    detector = MIL.from_preset(backbones={"x": 2}, segments=4, head=(8, 4))
    own = {"x": snippets([0.1, 0.9, 0.4, 0.3, 0.8])}
    network = torch_network(detector.train())  # dropout would show
    first, again = (score_bag(network, 4, own)[1]["classifier"] for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize(
    ("rows", "frames"), [(505, 8096), (506, 8096), (507, 8096), (506, 8081), (1, 1), (1, 20), (1, 32)]
)
def test_one_row_more_or_less_is_no_fault(rows: int, frames: int) -> None:
    bounds, time = frames_of({"x": snippets([0.5] * rows)}, frames)
    assert len(time) == bounds[-1] == frames


@pytest.mark.parametrize(("rows", "frames", "due"), [(506, 16192, 1012), (600, 8096, 506), (103, 1696, 106), (3, 1, 1)])
def test_rows_that_do_not_fit_the_frames_are_refused(rows: int, frames: int, due: int) -> None:
    says = f"{rows} rows of x features for {frames} frames, but {due} are due, one for every 16 frames"
    with pytest.raises(InputError, match=says):
        frames_of({"x": snippets([0.5] * rows)}, frames)
    with pytest.raises(InputError, match=says):
        score_bag(Echo(), 5, {"x": snippets([0.5] * rows)}, frames=frames)
