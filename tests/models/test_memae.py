"""MemAE: its options, its memory, its dead queries, its errors, and what a score may and may not depend on."""

from __future__ import annotations

import warnings
from dataclasses import asdict

import pytest
import torch

from oddframe.errors import BundleError, RecipeError
from oddframe.models.detector import Batch
from oddframe.models.layers.pixels import on_grid
from oddframe.models.memae import (
    WATCHED,
    MemAE,
    MemAEConfig,
    MemAEOutput,
    Memory,
    clip_error,
    objective,
    pixel_error,
    shrink,
)

TINY = {"size": (16, 32), "width": 2, "items": 20}


def tiny(preset: str = "paper", **options: object) -> MemAE:
    torch.manual_seed(0)
    return MemAE.from_preset(preset, **{**TINY, **options})


def batch(size: int = 4, seed: int = 0, channels: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (size, 16, 16, 32, channels), dtype=torch.uint8, generator=generator)
    return Batch(frames, frames[:, :0], torch.arange(size))


def settled(preset: str = "paper", **options: object) -> MemAE:
    """In eval mode, with BatchNorm statistics of its data: without them an untrained network hardly sees its input."""
    model = tiny(preset, **options)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(model.input(batch(8, 9, model.window.channels)))
    return model.eval()


def memory(width: int = 16, **options: object) -> Memory:
    torch.manual_seed(0)
    made = Memory(MemAEConfig(**options), width)
    torch.nn.init.normal_(made.memory.weight)
    return made


# Shrinkage


@pytest.mark.parametrize("form", ["masked", "literal"])
def test_shrinkage_keeps_what_is_above_the_threshold_and_drops_the_rest(form: str) -> None:
    threshold = 0.0025
    below, above = threshold * (1 - 1e-6), threshold * (1 + 1e-6)
    w = torch.tensor([0.0, 0.001, below, threshold, above, 0.01, 0.9], dtype=torch.float64, requires_grad=True)
    shrunk = shrink(w, threshold, form)
    assert shrunk[:4].tolist() == [0, 0, 0, 0]
    torch.testing.assert_close(shrunk[4:], w[4:], rtol=1e-3, atol=0)
    (gradient,) = torch.autograd.grad(shrunk.sum(), w)
    assert gradient[:4].tolist() == [0, 0, 0, 0]
    torch.testing.assert_close(gradient[5:], torch.ones(2, dtype=torch.float64), rtol=1e-6, atol=0)


def test_the_two_forms_of_shrinkage_have_the_same_values_and_differ_in_gradient_just_above_the_threshold() -> None:
    threshold = 0.0025
    w = torch.nextafter(torch.tensor([threshold]), torch.tensor([1.0])).requires_grad_()
    masked, literal = shrink(w, threshold, "masked"), shrink(w, threshold, "literal")
    torch.testing.assert_close(literal, masked, rtol=5e-3, atol=0)
    assert torch.autograd.grad(masked, w)[0].item() == 1
    assert torch.autograd.grad(literal, w)[0].item() > 1e4


@pytest.mark.parametrize("form", ["masked", "literal"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_weights_are_normalised_again_and_a_query_without_any_item_reads_zero(form: str, similarity: str) -> None:
    read_by = memory(items=50, similarity=similarity, temperature=0.3, threshold=0.05, shrinkage=form)
    query = torch.randn(2, 40, 16, generator=torch.Generator().manual_seed(1))
    query[0, 0] = 0  # equally similar to all: every weight is 1/50
    query.requires_grad_()
    read, attention = read_by(query)
    sums = attention.sum(2)
    assert sums[0, 0] == 0 and not read[0, 0].any()
    alive = sums > 0
    assert alive.sum() > 40
    torch.testing.assert_close(sums[alive], torch.ones(int(alive.sum())))
    assert ((attention > 0).sum(2)[alive] < 50).all()
    read.square().sum().backward()
    assert query.grad.isfinite().all() and read_by.memory.weight.grad.isfinite().all()
    assert not query.grad[~alive].any() and query.grad[alive].any()


@pytest.mark.parametrize("options", [{"threshold": 0.0}, {"sparse": False}, {"sparse": False, "threshold": 0.5}])
def test_without_shrinkage_the_attention_is_a_softmax(options: dict[str, object]) -> None:
    read_by = memory(items=50, similarity="dot", **options)
    query = torch.randn(2, 7, 16)
    read, attention = read_by(query)
    wanted = (query @ read_by.memory.weight.T).softmax(2)
    torch.testing.assert_close(attention, wanted)
    torch.testing.assert_close(read, wanted @ read_by.memory.weight)


# Addressing


def test_cosine_does_not_see_the_length_of_a_query_and_dot_does() -> None:
    query = torch.randn(1, 5, 16)
    for similarity, same in (("cosine", True), ("dot", False)):
        read_by = memory(items=50, similarity=similarity, threshold=0.0)
        assert torch.allclose(read_by(query)[1], read_by(3 * query)[1], atol=1e-6) == same


def test_cosine_with_the_threshold_of_the_code_answers_nothing() -> None:
    query = torch.randn(1, 200, 256)
    answered = {}
    for name, options in {
        "code": {"threshold": 0.0025},
        "paper": {},
        "sharp": {"threshold": 0.0025, "temperature": 0.05},
    }.items():
        attention = memory(256, items=2000, similarity="cosine", **options)(query)[1]
        answered[name] = attention.sum(2).gt(0).float().mean().item()
    assert answered == {"code": 0.0, "paper": 1.0, "sharp": 1.0}


def test_no_cosine_can_reach_the_ceiling_of_a_weight() -> None:
    """One item alike, all others opposite: e / (e + 1999 / e) stays near 7.4 / N."""
    read_by = memory(8, items=2000, similarity="cosine", threshold=0.0)
    query = torch.randn(8)
    with torch.no_grad():
        read_by.memory.weight.copy_(-query.expand(2000, -1))
        read_by.memory.weight[7] = query
    assert read_by(query[None, None])[1].max().item() * 2000 == pytest.approx(7.36, abs=0.01)


def test_a_low_temperature_sharpens() -> None:
    query = torch.randn(1, 5, 16)
    flat, sharp = (memory(items=50, threshold=0.0, temperature=t)(query)[1].amax(2) for t in (1.0, 0.1))
    assert (sharp > 2 * flat).all()


def test_the_default_threshold_is_the_weight_of_chance() -> None:
    assert MemAEConfig().shrink_below == 1 / 2000
    assert MemAEConfig(items=100).shrink_below == 1 / 100
    assert tiny("code").config.shrink_below == 0.0025


def test_statistics_at_initialisation() -> None:
    """Most queries are dead when training begins: 86 % are reported of the released network on a smooth clip."""
    torch.manual_seed(1)
    model = MemAE.from_preset("code", size=(64, 64))
    assert model.encoder[3].weight.std().item() == pytest.approx(0.02, rel=0.01)
    assert model.decoder[0].weight.std().item() == pytest.approx(0.02, rel=0.01)
    assert model.encoder[4].weight.mean().item() == pytest.approx(1, abs=0.01)
    assert model.encoder[4].weight.std().item() == pytest.approx(0.02, rel=0.25)
    assert not model.encoder[4].bias.any() and model.encoder[3].bias.any()
    items = model.mem_rep.memory.weight
    assert items.abs().max().item() == pytest.approx(1 / 16, rel=1e-3)
    assert items.norm(dim=1).mean().item() == pytest.approx(0.577, abs=0.005)
    t, y, x = torch.meshgrid(torch.arange(16.0), torch.linspace(0, 9, 64), torch.linspace(0, 12, 64), indexing="ij")
    clip = 0.5 * torch.sin(x + 0.2 * t) + 0.3 * torch.cos(y + 0.5 * x + 0.1 * t)
    with torch.no_grad():
        out = model.train()(clip[None, None])
    assert out.query.norm(dim=2).mean().item() == pytest.approx(11.3, abs=0.5)
    assert (out.query @ items.T).softmax(2).amax(2).mean().item() == pytest.approx(0.0019, abs=0.0003)
    assert objective(clip[None, None], out, model.config)["dead"].item() == pytest.approx(0.86, abs=0.08)


# The network


@torch.no_grad()
def test_the_decoder_sees_the_memory_and_never_the_query() -> None:
    for with_memory in (True, False):
        model = settled(memory=with_memory)
        if with_memory:
            model.mem_rep.memory.weight.copy_(torch.randn(1, 16).expand(20, -1))
        one, two = (model(model.input(batch(1, seed))).reconstruction for seed in (1, 2))
        assert torch.allclose(one, two, atol=1e-5) == with_memory


def test_width_scales_every_layer() -> None:
    channels = [m.out_channels for m in tiny(width=5).modules() if isinstance(m, torch.nn.Conv3d)]
    assert channels == [15, 20, 40, 40]
    assert tiny(width=5).mem_rep.memory.weight.shape == (20, 40)


def test_the_input_is_grey_between_minus_one_and_one_with_time_in_order() -> None:
    frames = torch.zeros(1, 16, 16, 32, 1, dtype=torch.uint8)
    frames[0, 3] = 255
    x = tiny().input(Batch(frames, frames[:, :0], torch.zeros(1)))
    assert x.shape == (1, 1, 16, 16, 32)
    assert x[0, 0].mean((1, 2)).tolist() == [1.0 if t == 3 else -1.0 for t in range(16)]


def test_the_window_is_the_published_one() -> None:
    window = tiny().window
    assert window.offsets == (-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7)
    assert (window.look_back, window.look_ahead, window.channels) == (8, 7, 1)
    assert (window.target, window.colour, window.resize) == ((), "gray", "bicubic")
    assert window.scorable(36) == range(8, 29)  # 21 clips, as many as Avenue's shortest video has
    assert not window.scorable(15) and window.scorable(16) == range(8, 9)
    train = [120, 150, 150, 180, 180, 150, 150, 120, 180, 180, 180, 180, 180, 150, 150, 150]
    test = [180, 180, 150, 180, 150, 180, 180, 180, 120, 150, 180, 180]
    assert [sum(len(window.scorable(length)) for length in ped2) for ped2 in (train, test)] == [2310, 1830]


def test_colour() -> None:
    model = settled("code", colour="rgb")
    assert model.window.channels == 3
    with torch.no_grad():
        got, x = model.score(batch(2, channels=3)), model.input(batch(2, channels=3))
        wanted = (model(x).reconstruction - x).square().sum(1).sqrt().mean((1, 2, 3))
    torch.testing.assert_close(got.components["reconstruction"], wanted)


# Losses


def outputs(model: MemAE, x: torch.Tensor) -> MemAEOutput:
    return model.train()(x)


def test_the_readings_of_the_loss_differ_by_their_counts() -> None:
    model = tiny("code")
    x = model.input(batch())
    out = outputs(model, x)

    def losses(**options: object) -> dict[str, torch.Tensor]:
        return objective(x, out, MemAEConfig(**{**asdict(model.config), **options}))

    means, sums = losses(), losses(reconstruction_loss="sum", entropy_loss="sum")
    elements, queries = 16 * 16 * 32, 2 * 1 * 2
    torch.testing.assert_close(sums["reconstruction"], elements * means["reconstruction"])
    torch.testing.assert_close(sums["entropy"], queries * means["entropy"])
    torch.testing.assert_close(means["reconstruction"], (out.reconstruction - x).square().mean())
    torch.testing.assert_close(means["loss"], means["reconstruction"] + 2e-4 * means["entropy"])
    torch.testing.assert_close(sums["loss"], sums["reconstruction"] + 2e-4 * sums["entropy"])
    strong = losses(entropy_weight=0.5)
    torch.testing.assert_close(strong["loss"], means["reconstruction"] + 0.5 * means["entropy"])


def test_the_ablation_has_neither_shrinkage_nor_entropy_loss() -> None:
    model = tiny("code", sparse=False, threshold=0.2, entropy_weight=10.0)
    x = model.input(batch())
    out = outputs(model, x)
    losses = objective(x, out, model.config)
    assert (out.attention > 0).all() and losses["dead"] == 0 and losses["items_used"] == 1
    assert losses["loss"] == losses["reconstruction"] and losses["entropy"] > 0


def test_the_plain_auto_encoder() -> None:
    model = tiny(memory=False)
    losses = model.stages()[0].loss(batch())
    assert losses.keys() == {"loss", "reconstruction"}
    got = model.eval().score(batch())
    assert list(got.components) == list(model.components) == ["reconstruction"]
    assert not any("mem" in name for name in model.state_dict())


def test_entropy_and_diagnostics_of_a_known_attention() -> None:
    x = torch.zeros(1, 1, 16, 16, 16)
    attention = torch.zeros(1, 4, 8)
    attention[0, 0, 3] = 1.0
    attention[0, 1, 3:5] = 0.5
    out = MemAEOutput(x, torch.zeros(1, 4, 2), torch.zeros(1, 4, 2), attention)
    losses = objective(x, out, MemAEConfig(entropy_loss="mean"))
    assert losses["entropy"].item() == pytest.approx(0.6931 / 4, abs=1e-4)  # a dead query has no entropy
    assert losses["dead"].item() == 0.5
    assert losses["items_used"].item() == 2 / 8


def test_every_query_dead_gives_finite_losses_and_a_decoder_that_learns() -> None:
    for form in ("masked", "literal"):
        model = tiny(threshold=0.9, shrinkage=form)
        losses = model.stages()[0].loss(batch())
        assert losses["dead"] == 1 and losses["items_used"] == 0 and losses["entropy"].abs() < 1e-6
        losses["loss"].backward()
        gradients = {name: p.grad for name, p in model.named_parameters()}
        assert all(g is None or g.isfinite().all() for g in gradients.values())
        assert not gradients["encoder.0.weight"].any() and not gradients["mem_rep.memory.weight"].any()
        assert gradients["decoder.9.weight"].any()


# The warning


def watched(dead: list[float], model: MemAE | None = None) -> list[str]:
    """Messages after steps in which these shares of the queries were dead, each share for `WATCHED` of them."""
    stage = (model or tiny()).stages()[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for share in dead:
            for _ in range(WATCHED):
                stage.dead = torch.tensor(share)
                stage.update_buffers(lambda value: value)
    return [str(w.message) for w in caught if w.category is RuntimeWarning]


def test_queries_that_stay_dead_are_warned_of_once() -> None:
    assert watched([0.86]) == []
    assert len(watched([0.86, 0.86])) == 1
    assert len(watched([0.86, 0.9, 0.9, 1.0])) == 1
    assert "none of 90% of the queries" in watched([0.2, 0.9])[0]


def test_queries_that_revive_and_a_dead_minority_are_not_warned_of() -> None:
    assert watched([0.86, 0.8, 0.7, 0.6, 0.55, 0.5, 0.5]) == []
    assert watched([0.3, 0.4, 0.5]) == []
    assert watched([0.0, 0.0], tiny(memory=False)) == []


def test_the_stage_notes_dead_queries_of_its_own_batches() -> None:
    stage = tiny(threshold=0.9).stages()[0]
    stage.loss(batch())
    assert stage.dead == 1 and not stage.dead.requires_grad


# Scores


def test_errors_of_a_clip() -> None:
    got, wanted = torch.zeros(2, 2, 4, 1, 2), torch.zeros(2, 2, 4, 1, 2)
    got[1, 0, 2, 0, 1], got[1, 1, 2, 0, 1], got[1, 1, 3, 0, 1] = 0.3, 0.4, -1.2
    assert clip_error(got, wanted, "squared").tolist() == pytest.approx([0, (0.09 + 0.16 + 1.44) / 4 / 16])
    assert clip_error(got, wanted, "channel_norm").tolist() == pytest.approx([0, (0.5 + 1.2) / 8])
    over_time = 0.3 + (0.16 + 1.44) ** 0.5
    assert clip_error(got, wanted, "time_norm").tolist() == pytest.approx([0, over_time / 4])
    assert pixel_error(got, wanted, "channel_norm")[1, :, 0, 1].tolist() == pytest.approx([0, 0, 0.5, 1.2])
    grey = torch.randn(3, 1, 16, 4, 4)
    torch.testing.assert_close(clip_error(grey, 0 * grey, "channel_norm"), grey.abs().mean((1, 2, 3, 4)))


@pytest.mark.parametrize("error", ["squared", "channel_norm", "time_norm"])
@torch.no_grad()
def test_the_score_is_of_the_clip_and_the_map_of_the_scored_frame(error: str) -> None:
    whole = batch()
    model = settled("code", error=error)
    x = model.input(whole)
    out, got = model(x), model.score(whole)
    torch.testing.assert_close(got.components["reconstruction"], clip_error(out.reconstruction, x, error))
    torch.testing.assert_close(got.components["memory"], (out.query - out.read).norm(dim=2).mean(1))
    of_frame = pixel_error(out.reconstruction, x, error)[:, 8]
    assert got.map.shape == (4, *model.map_grid) == (4, 2, 4)
    torch.testing.assert_close(got.map, on_grid(of_frame, (2, 4)))
    filtered = settled("code", error=error, map_filter=(3, 3, 3))
    assert filtered.look_ahead == 7 + 1 and "map_max" in filtered.reported
    torch.testing.assert_close(filtered.score(whole).map, of_frame)


def test_only_the_reconstruction_makes_the_score() -> None:
    combination = tiny().combination
    assert (combination.weights, combination.scale) == ({"reconstruction": 1.0}, "none")
    assert list(tiny().components) == ["reconstruction", "memory"]


@pytest.mark.parametrize("preset", ["paper", "code"])
@torch.no_grad()
def test_scores_do_not_depend_on_the_batch_and_change_nothing(preset: str) -> None:
    model = settled(preset)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    whole = batch(6)
    together = model.score(whole)
    for i in range(6):
        one = Batch(whole.frames[i : i + 1], whole.target[i : i + 1], whole.key[i : i + 1])
        alone = model.score(one)
        for name, values in together.components.items():
            torch.testing.assert_close(alone.components[name][0], values[i])
        torch.testing.assert_close(alone.map[0], together.map[i])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@torch.no_grad()
def test_the_memory_is_addressed_in_full_precision_under_bf16() -> None:
    model = settled("code")
    with torch.autocast("cpu", torch.bfloat16):
        out = model(model.input(batch()))
        got = model.score(batch())
    assert out.reconstruction.dtype == torch.bfloat16
    assert out.read.dtype == out.attention.dtype == torch.float32
    torch.testing.assert_close(out.attention.sum(2), torch.ones(4, 4))
    assert all(values.dtype == torch.float32 for values in (*got.components.values(), got.map))


# Presets, options, checkpoints


def test_the_presets_differ_where_paper_and_code_do() -> None:
    paper, code = (asdict(MemAE.from_preset(preset, **TINY).config) for preset in ("paper", "code"))
    assert {name: (paper[name], code[name]) for name in paper if paper[name] != code[name]} == {
        "similarity": ("cosine", "dot"),
        "threshold": (None, 0.0025),
        "reconstruction_loss": ("sum", "mean"),
        "entropy_loss": ("sum", "mean"),
        "error": ("squared", "channel_norm"),
    }


def test_the_optimiser_is_adam_over_all_parameters_the_memory_included() -> None:
    model = tiny()
    (stage,) = model.stages()
    (update,) = stage.updates()
    assert type(update.optimiser) is torch.optim.Adam and not update.sums_over_batch
    (group,) = update.optimiser.param_groups
    assert (group["lr"], group["betas"], group["weight_decay"]) == (1e-4, (0.9, 0.999), 0)
    assert {id(p) for p in group["params"]} == {id(p) for p in model.parameters()}
    assert (stage.length, stage.unit) == (100, "epochs")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (17, 32)}, "size 17x32 must be multiples of 16"),
        ({"size": (16, 8)}, "size 16x8"),
        ({"size": (0, 16)}, "size 0x16"),
        ({"width": 0}, "width 0"),
        ({"items": 0}, "items 0"),
        ({"temperature": 0.0}, "temperature 0"),
        ({"threshold": -0.1}, "threshold -0.1"),
        ({"threshold": 1.0}, "threshold 1.0"),
        ({"items": 1}, "threshold None"),
        ({"similarity": "euclid"}, "similarity is 'euclid'"),
        ({"lambda": 0.1}, "no option 'lambda'"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        tiny(**options)
    with pytest.raises(RecipeError, match="no preset 'mine'"):
        tiny("mine")


def test_a_state_dict_may_lie_under_the_key_model() -> None:
    source, model = tiny(), tiny(items=20)
    torch.nn.init.normal_(source.decoder[9].weight)
    model.load_reference_state_dict({"model": source.state_dict(), "epoch": 3})
    assert torch.equal(model.decoder[9].weight, source.decoder[9].weight)


def test_a_checkpoint_that_does_not_fit_is_refused_by_name() -> None:
    with pytest.raises(BundleError, match=r"lacks mem_rep\.memory\.weight.*memory=false"):
        tiny().load_reference_state_dict(tiny(memory=False).state_dict())
    with pytest.raises(BundleError, match=r"has mem_rep\.memory\.weight"):
        tiny(memory=False).load_reference_state_dict(tiny().state_dict())
    with pytest.raises(BundleError, match=r"mem_rep\.memory\.weight is \(20, 16\)"):
        tiny(items=30).load_reference_state_dict(tiny().state_dict())
