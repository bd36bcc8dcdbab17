"""The ranking loss against values worked out by hand, loops and what must hold; and the network that it trains."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from oddframe.errors import RecipeError
from oddframe.models.bag_detector import BagBatch
from oddframe.models.layers.mil_ranking import Ranking, ranking_loss, spread
from oddframe.models.mil import MIL

ANOMALOUS = [[0.1, 0.9, 0.3], [0.2, 0.4, 0.1]]
NORMAL = [[0.2, 0.1, 0.2], [0.5, 0.3, 0.1]]
SCORES = torch.tensor(ANOMALOUS + NORMAL, dtype=torch.float64)
LABELS = torch.tensor([1.0, 1, 0, 0])


def many(count: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(2 * count, 8, generator=generator, dtype=torch.float64)
    return scores, torch.tensor([0.0, 1] * count)


def test_values_by_hand() -> None:
    got = ranking_loss(SCORES, LABELS, Ranking())
    wanted = {"loss": 0.7001252, "ranking": 0.7, "smoothness": 1.13 / 2, "sparsity": 1.0}
    assert {name: value.item() for name, value in got.items()} == pytest.approx(wanted, abs=1e-12)
    summed = ranking_loss(SCORES, LABELS, Ranking(mil_scale="sum"))
    assert summed["loss"].item() == pytest.approx(1.4002504, abs=1e-12)
    one = ranking_loss(torch.tensor([[0.9, 0.5], [0.2, 0.1]], dtype=torch.float64), torch.tensor([1.0, 0]), Ranking())
    assert one["loss"].item() == pytest.approx(0.3 + 8e-5 * (0.16 + 1.4), abs=1e-12)


@pytest.mark.parametrize("margin", [1.0, 0.1])
def test_pairings(margin: float) -> None:
    scores, labels = many()
    best_a, best_n = scores[labels > 0.5].amax(1), scores[labels < 0.5].amax(1)
    loops = torch.stack([(margin - a + n).clamp(min=0) for a in best_a for n in best_n]).mean()
    every, index = (ranking_loss(scores, labels, Ranking(margin, pairing=p))["ranking"] for p in ("all", "index"))
    torch.testing.assert_close(every, loops)
    closed = margin - best_a.mean() + best_n.mean()
    if margin == 1.0:  # the hinge never clips scores in [0, 1]
        torch.testing.assert_close([every, index], [closed, closed])
    else:
        assert (every - index).abs() > 1e-4 and (every - closed).abs() > 1e-4


def test_official_scale_is_that_of_the_anomalous_bags() -> None:
    scores, labels = many(30)
    mean, summed = (ranking_loss(scores, labels, Ranking(mil_scale=s)) for s in ("mean", "sum"))
    for name, value in mean.items():
        torch.testing.assert_close(summed[name], 30 * value)


def test_the_order_of_segments_matters_to_smoothness_alone() -> None:
    scores, labels = many()
    before = ranking_loss(scores, labels, Ranking())
    after = ranking_loss(scores[:, torch.tensor([3, 0, 7, 1, 6, 2, 5, 4])], labels, Ranking())
    torch.testing.assert_close([after["ranking"], after["sparsity"]], [before["ranking"], before["sparsity"]])
    assert (after["smoothness"] - before["smoothness"]).abs() > 1e-3


def test_labels_decide_and_not_positions() -> None:
    scores, labels = many()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ranking_loss(scores[order], labels[order], Ranking()),
                               ranking_loss(scores, labels, Ranking()))  # fmt: skip
    assert ranking_loss(scores, 1 - labels, Ranking())["ranking"] != ranking_loss(scores, labels, Ranking())["ranking"]


def test_gradient_reaches_the_best_segment_of_a_normal_bag_alone() -> None:
    scores, labels = many()
    scores.requires_grad_()
    ranking_loss(scores, labels, Ranking())["loss"].backward()
    touched = scores.grad != 0
    assert (touched[labels < 0.5].sum(1) == 1).all() and touched[labels > 0.5].all()
    assert torch.equal(touched[labels < 0.5].float().argmax(1), scores[labels < 0.5].argmax(1))


def test_perfect_scores_cost_the_regularisers_alone() -> None:
    scores = torch.tensor([[0.0, 1, 0], [0, 0, 0]], dtype=torch.float64)
    got = ranking_loss(scores, torch.tensor([1.0, 0]), Ranking())
    assert got["ranking"] == 0 and got["loss"].item() == pytest.approx(8e-5 * 3)


@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("pairing", ["all", "index"])
def test_one_class_alone_is_no_failure(label: float, pairing: Any) -> None:
    scores = torch.rand(3, 5, requires_grad=True)
    got = ranking_loss(scores, torch.full((3,), label), Ranking(pairing=pairing))
    got["loss"].backward()
    assert got["ranking"] == 0 and scores.grad.isfinite().all()
    assert (got["sparsity"] > 0) == bool(label)


def test_spread_is_of_segments_not_of_bags() -> None:
    assert spread(torch.tensor([[0.1, 0.1], [0.9, 0.9]])) == 0
    assert spread(torch.tensor([[0.0, 1], [0.5, 0.5]])).item() == pytest.approx(0.25)


# ----------------------------------------------------------------------------------------------------- the network


def batch() -> BagBatch:
    generator = torch.Generator().manual_seed(0)
    features = {name: torch.randn(8, 6, dim, generator=generator) for name, dim in (("c3d", 10), ("clip", 4))}
    features["c3d"][4:, 2] += 3
    return BagBatch(features, torch.tensor([0.0] * 4 + [1.0] * 4), torch.arange(8), torch.arange(8))


def tiny(preset: str = "paper", **options: Any) -> MIL:
    torch.manual_seed(0)
    return MIL.from_preset(preset, **{"backbones": {"c3d": 10, "clip": 4}, "segments": 6, "head": (16, 4), **options})


def test_parameters_of_the_published_network() -> None:
    counts = {4096: 2_114_113, 2048: 1_065_537, 1024: 541_249}
    for dim, wanted in counts.items():
        with torch.device("meta"):
            assert sum(p.numel() for p in MIL.from_preset(backbones={"x": dim}).parameters()) == wanted
    two, one = MIL.from_preset("code").config, MIL.from_preset().config
    assert (two.learning_rate, one.learning_rate, one.backbones, one.steps) == (0.01, 0.001, {"c3d": 4096}, 20_000)


def test_scores_and_input_norm() -> None:
    detector, b = tiny().eval(), batch()
    (score,) = detector.score(b.features).values()
    assert list(detector.components) == ["classifier"] and detector.required == ("c3d", "clip")
    assert score.shape == (8, 6) and score.min() >= 0 and score.max() <= 1
    larger = {name: 5 * x for name, x in b.features.items()}
    torch.testing.assert_close(detector.score(larger)["classifier"], score)
    raw = tiny(feature_norm="none").eval()
    assert (raw.score(larger)["classifier"] - raw.score(b.features)["classifier"]).abs().max() > 1e-3
    detector.load_reference_state_dict(detector.state_dict())


def test_standard_features_are_those_of_the_training_segments() -> None:
    b = batch()
    b.features["c3d"][..., 1] = 4.0  # constant: it says nothing and is not blown up
    b.features["c3d"][..., 3] *= 100
    detector = tiny(feature_norm="standard")
    before = detector.score(b.features)["classifier"]
    (stage,) = detector.stages()
    stage.prepare(iter([b, b, b]))
    x, clip = detector.norm(b.features)
    wanted = b.features["c3d"].flatten(0, 1)
    deviation = wanted.std(0, correction=0)
    deviation[1] = 1
    torch.testing.assert_close(x.flatten(0, 1), (wanted - wanted.mean(0)) / deviation, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(clip.flatten(0, 1).std(0, correction=0), torch.ones(4), rtol=1e-4, atol=1e-5)
    assert (detector.score(b.features)["classifier"] - before).abs().max() > 1e-3
    again = tiny(feature_norm="standard")
    again.load_reference_state_dict(detector.state_dict())
    assert torch.equal(again.eval().score(b.features)["classifier"], detector.eval().score(b.features)["classifier"])
    assert "norm.centre0" not in tiny().state_dict(), "a bundle of another norm has no such numbers"


def test_differences_of_neighbouring_segments_stand_beside_them() -> None:
    b, detector = batch(), tiny(difference=True, feature_norm="none")
    both, clip = detector.norm(b.features)
    x = b.features["c3d"]
    assert both.shape == (8, 6, 20) and clip.shape == (8, 6, 8) and detector.layers[0].in_features == 28
    assert torch.equal(both[..., :10], x) and not both[:, 0, 10:].any()
    assert torch.equal(both[:, 3, 10:], (x[:, 3] - x[:, 2]).abs())
    assert detector.backbones == {"c3d": 10, "clip": 4}, "those of the features that it is given"
    scaled = tiny(difference=True, feature_norm="standard")
    scaled.stages()[0].prepare(iter([b]))
    rows = scaled.norm(b.features)[0].flatten(0, 1)
    torch.testing.assert_close(rows.std(0, correction=0), torch.ones(20), rtol=1e-4, atol=1e-4)


def test_two_ways_to_draw_weights_to_0() -> None:
    b = batch()
    loss, decay = (tiny(l2=l2).eval().stages()[0] for l2 in ("loss", "decay"))
    squares = sum(float(layer.weight.detach().square().sum()) for layer in tiny().layers)
    (first,), (second,) = loss.updates(), decay.updates()
    got, plain = first.loss(b), second.loss(b)
    assert got["l2"].item() == pytest.approx(squares) and "l2" not in plain
    assert (got["loss"] - plain["loss"]).item() == pytest.approx(1e-3 * squares, abs=1e-6)
    rates = [update.optimiser.param_groups[0]["weight_decay"] for update in (first, second)]
    assert rates == [0.0, 1e-3]


@pytest.mark.parametrize("preset", ["paper", "code"])
@pytest.mark.parametrize("init", ["glorot", "torch"])
def test_it_learns(preset: str, init: str) -> None:
    detector, b = tiny(preset, init=init, head_dropout=0.0), batch()
    (stage,) = detector.stages()
    stage.train_mode()
    (update,), losses = stage.updates(), []
    for _ in range(60):
        loss = update.loss(b)["loss"]
        update.optimiser.zero_grad()
        loss.backward()
        update.optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] and all(p.grad.abs().sum() > 0 for p in detector.parameters())
    assert (stage.unit, stage.sampling.kind) == ("steps", "balanced")
    assert bool((detector.head.first.bias == 0).all()) is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbones": None}, "MIL: backbones is None: name at least one"),
        ({"backbones": {"c3d": 0}}, "MIL: backbones is"),
        ({"margin": -1.0}, "MIL: margin -1 must be above 0"),
        ({"head_dropout": 1.0}, "MIL: head_dropout 1"),
        ({"head": (0, 4)}, r"MIL: head \[0, 4\]"),
        ({"segments": 0}, "MIL: segments 0"),
        ({"optimiser": "sgd"}, "MIL has no option 'optimiser'"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        tiny(**options)
