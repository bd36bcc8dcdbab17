"""MNAD: options, the memory and when it changes, what a score may depend on, checkpoints, recipes."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from oddframe.errors import BundleError, RecipeError
from oddframe.models.detector import Batch
from oddframe.models.mnad import MNAD, MNADConfig, MNADTraining, cosines, gate_score, rewritten
from oddframe.models.registry import create
from oddframe.recipes import load_recipe
from oddframe.scoring.combine import combine

SHAPES = {
    variant: golden["state_shapes"]
    for variant, golden in json.loads((Path(__file__).parent / "golden" / "mnad.json").read_text()).items()
}
VARIANTS = ["prediction", "reconstruction"]


def tiny(preset: str = "code", **options: object) -> MNAD:
    torch.manual_seed(0)
    return MNAD.from_preset(preset, **{"size": (16, 32), "width": 4, **options})


def batch(model: MNAD, size: int = 4, seed: int = 0) -> Batch:
    """Frames that change from sample to sample; the reconstruction variant gets its target as input."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (size, 5, 16, 32, 3), dtype=torch.uint8, generator=generator)
    first = 0 if model.config.variant == "prediction" else 4
    return Batch(frames[:, first : first + len(model.window.offsets)], frames[:, 4:], torch.arange(size))


def piece(whole: Batch, *rows: int) -> Batch:
    chosen = list(rows)
    return Batch(whole.frames[chosen], whole.target[chosen], whole.key[chosen])


def unit(rows: int, seed: int, channels: int = 32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, channels, dtype=torch.float64, generator=generator))


def positive_items() -> torch.Tensor:
    """Items as they are before training: close together, so that the queries nearest to one may belong to another."""
    return F.normalize(torch.rand(10, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))


def step(stage: MNADTraining, whole: Batch, optimiser: torch.optim.Optimizer | None = None) -> dict[str, torch.Tensor]:
    """One step as the training loop makes it."""
    stage.train_mode()
    losses = stage.loss(whole)
    if optimiser is not None:
        optimiser.zero_grad()
        losses["loss"].backward()
        optimiser.step()
    stage.update_buffers(lambda queries: queries)
    return {name: loss.detach() for name, loss in losses.items()}


# The two readings


def test_published_values_of_both_variants_and_readings() -> None:
    def chosen(preset: str, variant: str) -> tuple[float, ...]:
        c = tiny(preset, variant=variant).config
        return c.compactness_weight, c.separateness_weight, c.frame_weight, c.gate_threshold, c.learning_rate

    assert chosen("paper", "prediction") == chosen("code", "prediction") == (0.1, 0.1, 0.6, 0.01, 2e-4)
    assert chosen("paper", "reconstruction") == (0.01, 0.01, 0.7, 0.015, 2e-5)
    assert chosen("code", "reconstruction") == (0.01, 0.01, 0.7, 0.015, 2e-4)
    assert tiny(variant="reconstruction", learning_rate=1.0, frame_weight=0.5).config.learning_rate == 1.0
    config = MNADConfig()
    assert (config.items, config.epochs, config.size, config.width) == (10, 60, (256, 256), 64)
    assert (config.temperature, config.momentum, config.test_update) == (1.0, 0.0, "off")


@pytest.mark.parametrize("variant", VARIANTS)
def test_losses_in_both_forms(variant: str) -> None:
    model = tiny("code", variant=variant).double()
    code = MNADTraining(model)
    x, target = model.input(batch(model)), model.target(batch(model))
    predicted, query = model(x)
    s = query @ model.memory.T
    order = s.argsort(-1, descending=True)
    nearest, second = model.memory[order[..., 0]], model.memory[order[..., 1]]
    wrong = (predicted - target).square()
    gap = (query - nearest).square()
    near, far = ((query - items + 1e-6).square().sum(-1).sqrt() for items in (nearest, second))
    triplet = (near - far + 1).clamp(min=0)
    got = code.losses(x, target)
    torch.testing.assert_close(got["frame"], wrong.mean())
    torch.testing.assert_close(got["compactness"], gap.mean())
    torch.testing.assert_close(got["separateness"], triplet.mean())
    weight = 0.1 if variant == "prediction" else 0.01
    torch.testing.assert_close(got["loss"], wrong.mean() + weight * gap.mean() + weight * triplet.mean())

    model.config = replace(model.config, frame_loss="norm", compactness="norm", separateness="sum")
    paper = code.losses(x, target)
    torch.testing.assert_close(paper["frame"], wrong.sum((1, 2, 3)).sqrt().mean())
    torch.testing.assert_close(paper["compactness"], gap.sum(-1).sqrt().sum(1).mean())
    torch.testing.assert_close(paper["separateness"], triplet.sum(1).mean())
    total = paper["frame"] + weight * (paper["compactness"] + paper["separateness"])
    torch.testing.assert_close(paper["loss"], total)


def test_each_loss_has_an_option_of_its_own() -> None:
    forms = {"frame_loss": "norm", "compactness": "norm", "separateness": "sum"}
    for option, form in forms.items():
        model = tiny("code")
        before, after = (MNADTraining(m).loss(batch(model)) for m in (model, tiny("code", **{option: form})))
        term = "frame" if option == "frame_loss" else option
        changed = {name for name in before if not torch.allclose(before[name], after[name])}
        assert changed == {term, "loss"}


def test_the_second_nearest_is_an_item_and_not_a_query() -> None:
    """With two items and one of them where all queries are, the other one is second for all."""
    model = tiny(items=2).double()
    x, target = model.input(batch(model)), model.target(batch(model))
    _, query = model(x)
    model.memory[0] = F.normalize(query.mean((0, 1)), dim=0)
    model.memory[1] = -model.memory[0]
    _, query = model(x)
    assert (query @ model.memory[0]).min() > 0
    near, far = ((query - item + 1e-6).square().sum(-1).sqrt() for item in model.memory)
    got = MNADTraining(model).losses(x, target)
    torch.testing.assert_close(got["separateness"], (near - far + 1).clamp(min=0).mean())
    assert got["idle"] == 1


# The memory


def published_update(items: torch.Tensor, query: torch.Tensor, over: str) -> torch.Tensor:
    """The rule as it is written: softmax over the items to read, over the queries to update, a loop over the items."""
    s = query @ items.T
    owner, v = s.softmax(1).argmax(1), s.softmax(0)
    new = items.clone()
    for m in range(len(items)):
        own = [k for k in range(len(query)) if owner[k] == m]
        if own:
            highest = v[own, m].max() if over == "assigned" else v[:, m].max()
            new[m] = items[m] + sum(v[k, m] / highest * query[k] for k in own)
    return new / new.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("over", ["assigned", "all"])
@pytest.mark.parametrize("count", [1, 3, 40, 200])
def test_the_update_is_the_published_rule(over: str, count: int) -> None:
    items, query = positive_items(), unit(count, 2)
    torch.testing.assert_close(rewritten(items, query, over), published_update(items, query, over))


def test_the_two_updates_differ_where_the_strongest_query_belongs_to_another_item() -> None:
    items, query = positive_items(), unit(60, 2)
    s = query @ items.T
    own = F.one_hot(s.argmax(1), 10).bool()
    stronger_elsewhere = s.amax(0) > s.where(own, -2).amax(0)
    differ = (rewritten(items, query, "all") - rewritten(items, query, "assigned")).abs().amax(1) > 1e-9
    assert stronger_elsewhere[own.any(0)].any() and not stronger_elsewhere.all()
    assert not differ[~stronger_elsewhere].any() and differ.any()


def test_the_order_of_the_queries_and_their_split_over_devices_do_not_matter() -> None:
    items, query = unit(10, 1), unit(64, 2)
    once = rewritten(items, query, "assigned")
    torch.testing.assert_close(rewritten(items, query.flip(0), "assigned"), once)
    one, two = tiny().double(), tiny().double()
    whole = batch(one)
    for model, exchange in ((one, lambda q: q), (two, lambda q: q.flip(0))):
        stage = MNADTraining(model)
        stage.loss(whole)
        stage.update_buffers(exchange)
    torch.testing.assert_close(one.memory, two.memory)
    half = MNADTraining(tiny().double())
    half.model.eval()
    half.loss(piece(whole, 2, 3))
    other = half.query_BKC.flatten(0, 1)
    half.loss(piece(whole, 0, 1))
    half.update_buffers(lambda queries: torch.cat((queries, other)))
    all_at_once = MNADTraining(tiny().double())
    all_at_once.model.eval()
    all_at_once.loss(whole)
    all_at_once.update_buffers(lambda queries: queries)
    torch.testing.assert_close(half.model.memory, all_at_once.model.memory)


def test_an_update_recentres_items_on_their_queries_and_leaves_the_others() -> None:
    """Hundreds of unit vectors are added to one: next to nothing of the old item is left."""
    items = F.normalize(torch.rand(10, 512, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    query = F.normalize(unit(3, 3, 512).repeat(400, 1) + 0.02 * unit(1200, 4, 512))
    counts = (query @ items.T).argmax(1).bincount(minlength=10)
    new = rewritten(items, query, "all")
    owner = (query @ items.T).argmax(1)
    assert (counts == 0).any() and counts.max() >= 400
    for m in range(10):
        if counts[m]:
            assert F.cosine_similarity(new[m], query[owner == m].mean(0), dim=0) > 0.99
        else:
            torch.testing.assert_close(new[m], items[m])
    torch.testing.assert_close(new.norm(dim=1), torch.ones(10, dtype=torch.float64))


def test_momentum_keeps_a_share_of_the_old_item() -> None:
    items, query = unit(10, 1), unit(200, 2)
    new, slow = rewritten(items, query, "all"), rewritten(items, query, "all", momentum=0.9)
    torch.testing.assert_close(slow, F.normalize(0.9 * items + 0.1 * new))
    assert ((slow * items).sum(1) > (new * items).sum(1)).all()
    quick, lazy = tiny(), tiny(momentum=0.999)
    before = quick.memory.clone()
    for model in (quick, lazy):
        step(MNADTraining(model), batch(model))
    assert (lazy.memory - before).abs().max() < 0.01 < (quick.memory - before).abs().max()
    watching = tiny(momentum=0.999, test_update="per_video", gate_threshold=1.0).eval()
    watching.score(batch(watching, 1))
    assert 0 < (watching.working - before).abs().max() < 0.01


def test_items_begin_positive_of_unit_length_and_seeded() -> None:
    model = tiny(width=64)
    assert (model.memory >= 0).all()
    torch.testing.assert_close(model.memory.norm(dim=1), torch.ones(10))
    cosine = (model.memory @ model.memory.T)[~torch.eye(10, dtype=torch.bool)]
    assert cosine.mean() == pytest.approx(0.75, abs=0.02)
    assert torch.equal(tiny(width=64).memory, model.memory)


def test_items_get_no_gradient_and_none_passes_through_the_read() -> None:
    model = tiny()
    MNADTraining(model).loss(batch(model))["loss"].backward()
    assert not model.memory.requires_grad and model.memory.grad is None
    assert "memory" not in dict(model.named_parameters())
    # Deaf to the query itself (its first half of the channels), the decoder tells the encoder nothing.
    query, skips = model.encode(model.input(batch(model)))
    query = query.detach().requires_grad_()
    with torch.no_grad():
        model.decoder.moduleConv[0].weight[:, :32] = 0
    model.decode(query, tuple(skip.detach() for skip in skips), model.memory).sum().backward()
    assert not query.grad.any()


def test_what_is_read_is_the_weighted_mean_of_the_items_and_not_normalised() -> None:
    model = tiny().double()
    query, skips = model.encode(model.input(batch(model)))
    seen: list[torch.Tensor] = []
    model.decoder.moduleConv.register_forward_hook(lambda module, args, out: seen.append(args[0]))
    model.decode(query, skips, model.memory)
    got_query, read = seen[0].flatten(2).transpose(1, 2).split(32, 2)
    torch.testing.assert_close(got_query, query)
    torch.testing.assert_close(read, (query @ model.memory.T).softmax(-1) @ model.memory)
    torch.testing.assert_close(query.norm(dim=2), torch.ones(4, 8, dtype=torch.float64))
    assert read.norm(dim=2).max() < 0.99


def test_temperature_sharpens_the_read_and_moves_no_query_to_another_item() -> None:
    query, items = unit(50, 5)[None], unit(10, 6)
    flat, sharp = (tiny(temperature=t).read_weights(query, items) for t in (1.0, 0.05))
    assert sharp.max() > 0.9 > 0.45 > flat.max()
    assert torch.equal(flat.argmax(-1), sharp.argmax(-1))


@pytest.mark.parametrize("over", ["assigned", "all"])
def test_losses_see_the_old_memory_and_the_next_step_the_new_one(over: str) -> None:
    model = tiny(update_max=over).double()
    first, second = batch(model, seed=1), batch(model, seed=2)
    model.eval()
    stage, old = MNADTraining(model), model.memory.clone()
    _, query = model(model.input(first))
    before = stage.loss(first)
    assert torch.equal(model.memory, old)
    stage.update_buffers(lambda queries: queries)
    new = rewritten(old, query.flatten(0, 1), over)
    torch.testing.assert_close(model.memory, new)

    other = tiny().double().eval()
    torch.testing.assert_close(MNADTraining(other).loss(first), before)
    with_old = MNADTraining(other).loss(second)
    other.memory.copy_(new)
    torch.testing.assert_close(MNADTraining(other).loss(second), stage.loss(second))
    assert not torch.allclose(with_old["compactness"], stage.loss(second)["compactness"])


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("preset", ["paper", "code"])
def test_it_learns(preset: str, variant: str) -> None:
    model = tiny(preset, variant=variant, learning_rate=3e-3)
    stage, whole = MNADTraining(model), batch(model)
    optimiser = stage.updates()[0].optimiser
    losses = [step(stage, whole, optimiser) for _ in range(12)]
    assert losses[-1]["loss"] < losses[0]["loss"]
    assert losses[-1]["compactness"] < 0.9 * losses[0]["compactness"]
    assert all(math.isfinite(value) for line in losses for value in line.values())
    torch.testing.assert_close(model.memory.norm(dim=1), torch.ones(10))


def test_measuring_losses_changes_nothing() -> None:
    model = tiny().eval()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        MNADTraining(model).loss(batch(model))
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_half_precision_leaves_the_memory_exact() -> None:
    items, query = unit(10, 1).float(), unit(200, 2).float()
    with torch.autocast("cpu", torch.bfloat16):
        half, close = rewritten(items, query, "all"), cosines(query, items)
    assert torch.equal(half, rewritten(items, query, "all")) and torch.equal(close, query @ items.T)
    model = tiny().eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        losses, errors = MNADTraining(model).loss(batch(model)), model.score(batch(model))
    assert all(value.dtype == torch.float32 for value in [*losses.values(), *errors.components.values()])


# Scores


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
def test_scores_put_the_checked_parts_together(variant: str) -> None:
    model = tiny("code", variant=variant).double().eval()
    whole = batch(model)
    got = model.score(whole)
    predicted, query = model(model.input(whole))
    error = ((predicted + 1) / 2 - whole.target[:, 0].permute(0, 3, 1, 2).double() / 255).square()
    torch.testing.assert_close(got.components[variant], error.mean((1, 2, 3)), rtol=1e-5, atol=0)
    gap = query - model.memory[(query @ model.memory.T).argmax(-1)]
    torch.testing.assert_close(got.components["memory"], gap.square().mean((1, 2)))
    cells = error.mean(1).reshape(4, 2, 8, 4, 8).mean((2, 4))
    torch.testing.assert_close(got.map, cells, rtol=1e-5, atol=0)
    assert model.map_grid == (2, 4) and model.map_filter is None

    model.config = replace(model.config, distance="norm", psnr_peak="maximum")
    paper = model.score(whole).components
    torch.testing.assert_close(paper["memory"], gap.square().sum(2).sqrt().mean(1))
    peak = (predicted.amax((1, 2, 3)) + 1) / 2
    torch.testing.assert_close(paper[variant], got.components[variant] / peak)


@torch.no_grad()
def test_with_a_filter_the_map_has_the_size_of_the_frame() -> None:
    plain, filtered = tiny().eval(), tiny(map_filter=[3, 5, 5]).eval()
    whole = batch(plain)
    map_BHW = filtered.score(whole).map
    assert map_BHW.shape == (4, 16, 32)
    torch.testing.assert_close(map_BHW.reshape(4, 2, 8, 4, 8).mean((2, 4)), plain.score(whole).map)
    assert filtered.map_filter == (3, 5, 5) and filtered.look_ahead == 1


@torch.no_grad()
@pytest.mark.parametrize("preset", ["paper", "code"])
def test_a_black_prediction_has_a_finite_error(preset: str) -> None:
    model = tiny(preset).eval()
    black, white = torch.full((1, 3, 16, 32), -1.0), torch.full((1, 3, 16, 32), 1.0)
    query, _ = model.encode(model.input(batch(model, 1)))
    got = model.assess(black, white, query, model.memory).components["prediction"]
    assert got.item() == pytest.approx(255.0 if preset == "paper" else 1.0)


@torch.no_grad()
def test_the_published_score_of_a_video() -> None:
    """lambda (1 - g(PSNR)) + (1 - lambda) g(D), g the minimum-to-maximum scale of the video; high is abnormal."""
    model = tiny("code").eval()
    got = {name: value.double().numpy() for name, value in model.score(batch(model, 8)).components.items()}
    assert model.combination.scale == "normal"

    def g(values: np.ndarray) -> np.ndarray:
        return (values - values.min()) / (values.max() - values.min())

    psnr = 10 * np.log10(1 / got["prediction"])
    wanted = 0.6 * (1 - g(psnr)) + 0.4 * g(got["memory"])
    np.testing.assert_allclose(combine(got, replace(model.combination, scale="per_video_minmax")), wanted)
    recon = tiny("code", variant="reconstruction").combination
    assert dict(recon.weights) == pytest.approx({"reconstruction": 0.7, "memory": 0.3})


def test_window_and_channel_order() -> None:
    model = tiny()
    assert list(model.window.scorable(10)) == [4, 5, 6, 7, 8, 9] and len(model.window.scorable(4)) == 0
    assert (model.window.offsets, model.window.target, model.window.missing) == ((-4, -3, -2, -1), (0,), "drop")
    assert (model.window.colour, model.window.look_ahead) == ("bgr", 0)
    frames = torch.zeros(1, 4, 16, 32, 3, dtype=torch.uint8)
    frames[0, 2, 5, 7, 1] = 255
    x = model.input(Batch(frames, frames[:, :1], torch.zeros(1)))
    assert (x > 0).nonzero().tolist() == [[0, 3 * 2 + 1, 5, 7]]
    assert (x.min(), x.max(), x.shape) == (-1, 1, (1, 12, 16, 32))
    recon = tiny(variant="reconstruction")
    assert (recon.window.offsets, recon.window.target, recon.window.missing) == ((0,), (0,), "current")
    assert len(recon.window.scorable(3)) == 3


def test_reconstruction_has_no_skips_and_prediction_has() -> None:
    for variant in VARIANTS:
        model = tiny(variant=variant).eval()
        query, skips = model.encode(model.input(batch(model)))
        with_skips = model.decode(query, skips, model.memory)
        without = model.decode(query, tuple(torch.zeros_like(skip) for skip in skips), model.memory)
        assert torch.equal(with_skips, without) == (variant == "reconstruction")


def test_without_memory_the_decoder_sees_the_query_alone() -> None:
    model = tiny(items=0)
    assert model.decoder.moduleConv[0].weight.shape == (32, 32, 3, 3)
    assert list(model.components) == ["prediction"] and dict(model.combination.weights) == {"prediction": 1.0}
    assert not any("memory" in name for name in model.state_dict())
    stage = MNADTraining(model)
    losses = [step(stage, batch(model), torch.optim.Adam(model.parameters(), 3e-3)) for _ in range(4)]
    assert set(losses[0]) == {"loss", "frame"} and losses[-1]["loss"] < losses[0]["loss"]
    model.eval()
    assert set(model.score(batch(model)).components) == {"prediction"}
    model.load_reference_state_dict(model.state_dict())


def test_the_narrow_decoder_is_that_of_prediction_without_skips() -> None:
    model = tiny(variant="reconstruction", decoder="narrow", width=64)
    shapes = {name: tuple(value.shape) for name, value in model.decoder.state_dict().items()}
    assert shapes["moduleUpsample4.0.weight"] == (512, 256, 3, 3) and shapes["moduleDeconv3.0.weight"][1] == 256
    assert shapes["moduleUpsample3.0.weight"] == (256, 128, 3, 3) and shapes["moduleDeconv2.0.weight"][1] == 128
    assert shapes["moduleUpsample2.0.weight"] == (128, 64, 3, 3) and shapes["moduleDeconv1.0.weight"][1] == 64
    assert tiny(variant="reconstruction", decoder="narrow")(torch.rand(2, 3, 16, 32))[0].shape == (2, 3, 16, 32)


# The memory rewritten while scoring


def both_gates(predicted: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
    """The gate's score of one frame, written out with loops over pixels."""
    found = {}
    got, wanted = (predicted[0] + 1) / 2, (target[0] + 1) / 2
    squares = [(got[c, y, x] - wanted[c, y, x]).item() ** 2 for c in range(3) for y in range(16) for x in range(32)]
    norms = [(got[:, y, x] - wanted[:, y, x]).norm().item() for y in range(16) for x in range(32)]
    for form, errors in (("squared", squares), ("norm", norms)):
        weights = [1 - math.exp(-e) for e in errors]
        found[form] = sum(w * e for w, e in zip(weights, errors, strict=True)) / sum(weights)
    return found


def test_the_gate_in_both_forms() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(1, 3, 16, 32, dtype=torch.float64, generator=generator) * 2 - 1 for _ in range(2))
    for form, wanted in both_gates(a, b).items():
        assert gate_score(a, b, form).item() == pytest.approx(wanted, rel=1e-9)
        assert gate_score(a.float(), b.float(), form).item() == pytest.approx(wanted, rel=1e-4)
        assert gate_score(a, a, form).item() == 0
        pair = gate_score(torch.cat((a, b)), torch.cat((b, b)), form)
        torch.testing.assert_close(pair, torch.tensor([wanted, 0.0], dtype=torch.float64))
    error = torch.zeros(1, 3, 16, 32, dtype=torch.float64)
    error[0, 0, 3, 4] = 0.2  # errors weigh more where they are large: one pixel alone decides
    assert gate_score(error, torch.zeros_like(error), "squared").item() == pytest.approx(0.01)
    assert gate_score(error, torch.zeros_like(error), "norm").item() == pytest.approx(0.1)


@torch.no_grad()
def one_by_one(model: MNAD, whole: Batch) -> tuple[list[dict[str, float]], torch.Tensor]:
    """The published procedure: score with the items as they are, then rewrite them if the gate lets the frame pass."""
    items, lines = model.memory.clone(), []
    for i in range(len(whole)):
        x, target = model.input(piece(whole, i)), model.target(piece(whole, i))
        query, skips = model.encode(x)
        predicted = model.decode(query, skips, items)
        found = model.assess(predicted, target, query, items).components
        lines.append({name: value.item() for name, value in found.items()})
        if gate_score(predicted, target, model.config.gate).item() < model.config.gate_threshold:
            items = rewritten(items, query[0], model.config.update_max)
    return lines, items


@torch.inference_mode()
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("sizes", [[6], [1] * 6, [4, 2]])
def test_frames_rewrite_the_memory_one_after_the_other_whatever_the_batch(variant: str, sizes: list[int]) -> None:
    model = tiny(variant=variant, test_update="per_video", gate="squared").double().eval()
    whole = batch(model, 6)
    x = [model.input(piece(whole, i)) for i in range(6)]
    gates = [gate_score(model(x[i])[0], model.target(piece(whole, i)), "squared").item() for i in range(6)]
    model.config = replace(model.config, gate_threshold=sorted(gates)[3])  # some frames pass and some do not
    wanted, items = one_by_one(model, whole)
    trained = model.memory.clone()
    off = tiny(variant=variant).double().eval().score(whole).components["memory"]

    model.begin_video()
    rows = torch.arange(6).split(sizes)
    got = [model.score(piece(whole, *part.tolist())) for part in rows]
    for name in model.components:
        values = torch.cat([errors.components[name] for errors in got])
        torch.testing.assert_close(values, torch.tensor([line[name] for line in wanted], dtype=torch.float64))
    torch.testing.assert_close(model.working, items)
    assert torch.equal(model.memory, trained)
    assert torch.cat([errors.map for errors in got]).shape == (6, 2, 4)
    memory = torch.cat([errors.components["memory"] for errors in got])
    torch.testing.assert_close(memory[0], off[0])  # the first frame is scored before it changes anything
    assert not torch.allclose(memory, off)


@torch.no_grad()
def test_the_gate_decides_and_off_is_off() -> None:
    off = tiny().eval()
    whole = batch(off, 6)
    plain = off.score(whole).components
    assert off.working is None
    shut = tiny(test_update="per_video", gate_threshold=0.0).eval()
    torch.testing.assert_close(shut.score(whole).components, plain)
    assert shut.working is None
    first = tiny(test_update="per_video", gate_threshold=math.inf).eval()
    assert not torch.allclose(first.score(whole).components["memory"], plain["memory"])
    backwards = tiny(test_update="per_video", gate_threshold=math.inf).eval()
    backwards.score(piece(whole, *range(5, -1, -1)))
    assert not torch.allclose(backwards.working, first.working)  # now the order counts


@torch.no_grad()
def test_a_new_video_starts_from_the_trained_memory_or_from_the_last_video() -> None:
    fresh, carried = (tiny(test_update=how, gate_threshold=1.0).eval() for how in ("per_video", "carried"))
    assert (tiny().carries_over, fresh.carries_over, carried.carries_over) == (False, False, True)
    first, second = batch(fresh, seed=1), batch(fresh, seed=2)
    found = {}
    for model in (fresh, carried):
        alone = tiny(test_update="per_video", gate_threshold=1.0).eval().score(second).components
        for video in (first, second):
            model.begin_video()
            found[model] = model.score(video).components
    torch.testing.assert_close(found[fresh], alone)
    assert not torch.allclose(found[carried]["memory"], alone["memory"])
    carried.forget()
    torch.testing.assert_close(carried.score(second).components, alone)


def test_training_and_loading_begin_anew() -> None:
    model = tiny(test_update="carried", gate_threshold=1.0).eval()
    saved = {name: value.clone() for name, value in model.state_dict().items()}
    whole = batch(model)

    def score() -> None:
        model.eval()
        with torch.inference_mode():
            model.score(whole)
        assert model.working is not None

    score()
    assert set(model.state_dict()) == set(saved) and torch.equal(model.memory, saved["memory"])
    step(MNADTraining(model), whole)
    assert model.working is None and not torch.equal(model.memory, saved["memory"])
    score()
    model.load_state_dict(saved)
    assert model.working is None and torch.equal(model.memory, saved["memory"])
    score()
    model.load_reference_state_dict(saved)
    assert model.working is None
    score()
    assert model.double().working.dtype == torch.float64  # and it moves with the model


@torch.no_grad()
@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_constant_video_gives_finite_scores(variant: str, value: int) -> None:
    for preset in ("paper", "code"):
        model = tiny(preset, variant=variant, test_update="per_video", gate_threshold=1.0).eval()
        still = batch(model)
        still = replace(still, frames=torch.full_like(still.frames, value), target=torch.full_like(still.target, value))
        for _ in range(2):
            got = model.score(still)
            assert all(values.isfinite().all() for values in [*got.components.values(), got.map])
        assert model.working.isfinite().all()


# Checkpoints, options, recipes, cost


@pytest.mark.parametrize("variant", VARIANTS)
def test_released_key_names_load_with_the_items_beside_them(variant: str) -> None:
    # A sixteenth of the released widths; what is not a multiple is colours and items.
    shapes = {name: [n // 16 if n % 64 == 0 else n for n in shape] for name, shape in SHAPES[variant].items()}
    released = {name: torch.rand(shape) for name, shape in shapes.items()}
    items = torch.rand(10, 32)
    for state in ({**released, "keys": items}, {"model": released, "keys": items}, {**released, "memory": items}):
        model = tiny(variant=variant)
        model.load_reference_state_dict(state)
        for name, value in model.state_dict().items():
            torch.testing.assert_close(value, items if name == "memory" else released[name].to(value.dtype))
    model = tiny(variant=variant)
    before = model.memory.clone()
    with pytest.warns(UserWarning, match='no memory items under the key "keys"'):
        model.load_reference_state_dict(released)
    assert torch.equal(model.memory, before)
    torch.testing.assert_close(
        model.state_dict()["encoder.moduleConv1.0.weight"], released["encoder.moduleConv1.0.weight"]
    )


def test_a_checkpoint_that_does_not_fit_is_refused_by_name() -> None:
    state = tiny().state_dict()
    with pytest.raises(BundleError, match=r"memory is \(8, 32\), this network needs \(10, 32\)"):
        tiny().load_reference_state_dict({**state, "memory": torch.rand(8, 32)})
    with pytest.raises(BundleError, match=r"encoder\.moduleConv1\.0\.weight is \(4, 12, 3, 3\)"):
        tiny(variant="reconstruction").load_reference_state_dict(state)
    with pytest.raises(BundleError, match="has surplus"):
        tiny().load_reference_state_dict({**state, "surplus": torch.zeros(1)})
    del state["decoder.moduleConv.0.bias"]
    with pytest.raises(BundleError, match=r"lacks decoder\.moduleConv\.0\.bias"):
        tiny().load_reference_state_dict(state)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (20, 32)}, "size 20x32 must be multiples of 8"),
        ({"size": (0, 32)}, "size 0x32"),
        ({"width": 0}, "width 0"),
        ({"items": 1}, "items 1 must be at least 2, or 0"),
        ({"items": -2}, "items -2"),
        ({"items": 0, "test_update": "per_video"}, "nothing to rewrite"),
        ({"temperature": 0.0}, "temperature 0"),
        ({"momentum": 1.0}, "momentum 1"),
        ({"frame_weight": 1.5}, "frame_weight 1.5"),
        ({"variant": "recon"}, "variant is 'recon': Input should be 'prediction' or 'reconstruction'"),
        ({"gate": "mean"}, "gate is 'mean'"),
        ({"colour": "red"}, "no option 'colour'"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        tiny(**options)


def test_unknown_preset() -> None:
    for variant in VARIANTS:
        with pytest.raises(RecipeError, match="no preset 'papper'; did you mean paper"):
            tiny("papper", variant=variant)


def gflop(model: MNAD) -> float:
    """Of one scored frame at the model's size."""
    height, width = model.window.size
    frames = torch.zeros(1, len(model.window.offsets), height, width, 3, dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model.eval().score(Batch(frames, frames[:, :1], torch.zeros(1)))
    return counter.get_total_flops() / 1e9


@pytest.mark.parametrize(("variant", "published"), [("prediction", 92.969), ("reconstruction", 99.537)])
def test_cost_of_a_frame(variant: str, published: float) -> None:
    # Everything costs in proportion to the pixels; the nearest item is looked up once more for the component.
    small = tiny(variant=variant, width=64, size=(32, 32))
    assert gflop(small) * 64 == pytest.approx(published, rel=5e-4)


@pytest.mark.parametrize("name", ["mnad-ped2", "mnad-avenue", "mnad-shanghaitech"])
def test_published_recipes(name: str) -> None:
    for recipe in (load_recipe(name), load_recipe(name.replace("mnad", "mnad-recon"))):
        config = MNAD.from_preset(recipe.preset, **{**recipe.options, "width": 1}).config
        assert (config.size, config.items, config.epochs) == ((256, 256), 10, 10 if "shanghai" in name else 60)
        assert (recipe.training.batch_size, recipe.training.schedule, recipe.training.warmup) == (4, "cosine", 0.0)
        assert (recipe.pseudo.source, recipe.scoring.smoothing.kind) == ("none", "causal")
        assert config.variant == ("reconstruction" if "recon" in recipe.name else "prediction")
        assert config.learning_rate == 2e-4


def test_the_recipe_for_a_cpu_is_the_published_one_in_small() -> None:
    large, small = load_recipe("mnad-ped2"), load_recipe("mnad-ped2-cpu")
    changed = {"size": [128, 128], "width": 32, "learning_rate": 4e-4, "epochs": 40}
    assert small.options == {**large.options, **changed} and small.preset == large.preset
    assert (small.scoring, small.pseudo, small.training.precision) == (large.scoring, large.pseudo, "bf16")


def test_the_small_recipe_is_small() -> None:
    recipe = load_recipe("mnad-small")
    model = create(recipe.model, recipe.preset, **recipe.options)
    assert 3e5 < sum(p.numel() for p in model.parameters()) < 1e6
    assert model.window.size == (64, 128) and gflop(model) < 0.5


@pytest.mark.parametrize("how", ["per_video", "carried"])
def test_operations_are_counted_without_looking_at_values(how: str) -> None:
    """A card states the operations, and a fit with this option ended in an error when it was written."""
    assert tiny(test_update=how).flops_per_frame() == tiny().flops_per_frame() > 0
