"""MPN: the prototype unit by hand, what each option changes, stages, second-order steps, adaptation, key names."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from oddframe.errors import BundleError, RecipeError
from oddframe.models.detector import Batch
from oddframe.models.mpn import MPN, PRESETS, MetaStage, length
from oddframe.models.stage import BatchSampling
from oddframe.recipes import load_recipe

TINY = {"size": (16, 24), "width": 4}
SMALLEST = {"size": (8, 8), "width": 2, "prototypes": 3}


def tiny(preset: str = "code", **options: object) -> MPN:
    torch.manual_seed(0)
    return MPN.from_preset(preset, **{**TINY, **options})


def batch(count: int = 4, size: tuple[int, int] = (16, 24)) -> Batch:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (count, 5, *size, 3), dtype=torch.uint8, generator=generator)
    return Batch(frames[:, :4], frames[:, 4:], torch.arange(count))


def unit_features(*shape: int) -> torch.Tensor:
    return F.normalize(torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), dim=1)


def meta_model(**options: object) -> MPN:
    """Small enough for finite differences, in float64, with step sizes that matter."""
    return tiny(**{**SMALLEST, "meta": True, "step_size": 0.1, "temperature": 0.1, **options}).double()


# The prototype unit


def test_uniform_features_are_their_own_prototype() -> None:
    model = tiny().double()
    x = unit_features(1, 8, 1, 1).expand(2, 8, 3, 5)
    features, means, prototypes, distance = model.read(x, model.prototype["Mheads"].weight)
    torch.testing.assert_close(prototypes, x[:, :, 0, 0][:, None].expand(2, 10, 8))
    torch.testing.assert_close(means, prototypes)
    torch.testing.assert_close(features, 2 * x)
    torch.testing.assert_close(distance, torch.zeros(2, 15, dtype=torch.float64))
    out = model.predict(x, model.theta())
    losses = model.losses(out, torch.zeros_like(out.frame_B3HW), (1.0, 1.0, 1.0))
    torch.testing.assert_close(losses["diversity"].item(), 1.0)
    torch.testing.assert_close(losses["compactness"].item(), 0.0)
    torch.testing.assert_close(losses["alike"].item(), 1.0)


def test_two_kinds_of_features_make_two_prototypes() -> None:
    """One half of the picture is e_0, the other e_1; the maps of three prototypes look at e_0, e_1 and both alike."""
    model = tiny(prototypes=3, width=1, margin=3.0).double()
    x = torch.zeros(1, 2, 2, 4, dtype=torch.float64)
    x[0, 0, :, :2] = x[0, 1, :, 2:] = 1
    _, means, _, distance = model.read(x, torch.tensor([[40.0, 0], [0, 40], [1, 1]], dtype=torch.float64))
    wanted = torch.tensor([[1.0, 0], [0, 1], [0.5, 0.5]], dtype=torch.float64)
    torch.testing.assert_close(means[0], wanted)
    torch.testing.assert_close(distance, torch.zeros(1, 8, dtype=torch.float64))
    out = model.predict(x, {**model.theta(), "prototype.Mheads.weight": 40 * wanted - 20})
    losses = model.losses(out, torch.zeros_like(out.frame_B3HW), (0.0, 0.0, 1.0))
    # Squared distances 2, 2 - sqrt(2) and 2 - sqrt(2) of the unit vectors, taken from the margin of 3.
    torch.testing.assert_close(losses["loss"].item(), (1 + 2 * (1 + 2**0.5)) / 3)


@pytest.mark.parametrize(
    ("attention", "relevance", "normalise", "distance"),
    list(itertools.product(("sum", "softmax"), ("sum", "softmax"), (True, False), ("norm", "squared"))),
)
def test_the_unit_equals_its_formulas_written_out(
    attention: str, relevance: str, normalise: bool, distance: str
) -> None:
    model = tiny(
        attention=attention, relevance=relevance, normalise=normalise, distance=distance, prototypes=3, temperature=0.5
    )
    weight = torch.randn(3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    x_BCHW = unit_features(2, 8, 2, 3)
    features, means, prototypes, distances = model.read(x_BCHW, weight)
    for b in range(2):
        x = [x_BCHW[b, :, n // 3, n % 3] for n in range(6)]
        found = []
        for m in range(3):
            raw = torch.stack([weight[m] @ one / 0.5 for one in x])
            raw = raw.exp() if attention == "softmax" else (1 + raw.exp()).log()
            found.append(sum(raw[n] / raw.sum() * x[n] for n in range(6)))
        torch.testing.assert_close(means[b], torch.stack(found))
        if normalise:
            found = [p / p.norm() for p in found]
        torch.testing.assert_close(prototypes[b], torch.stack(found))
        for n in range(6):
            products = torch.stack([x[n] @ p for p in found])
            shares = products.exp() if relevance == "softmax" else products
            read = sum(shares[m] / shares.sum() * found[m] for m in range(3))
            read = read / read.norm() if normalise else read
            torch.testing.assert_close(features[b, :, n // 3, n % 3], x[n] + read)
            gap = x[n] - found[int(products.argmax())]
            wanted = gap.norm() if distance == "norm" else gap.square().mean()
            torch.testing.assert_close(distances[b, n], wanted, rtol=1e-6, atol=1e-9)


def test_weights_by_name_give_what_the_modules_give() -> None:
    model = tiny().double()
    x = unit_features(2, 8, 4, 4)
    out = model.predict(x, model.theta())
    assert torch.equal(out.frame_B3HW, model.ohead(out.features_BCHW))
    logits = model.prototype["Mheads"](x.flatten(2).mT)
    torch.testing.assert_close(out.means_BMC, logits.softmax(1).mT @ x.flatten(2).mT)


@torch.no_grad()
def test_training_and_scoring_predict_the_same_frame() -> None:
    model, x = tiny(), tiny().input(batch())
    assert torch.equal(model.train()(x).frame_B3HW, model.eval()(x).frame_B3HW)


def test_length_has_a_gradient_of_every_order_at_zero() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    (first,) = torch.autograd.grad(length(x, 1).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert not first.any() and second.isfinite().all()
    torch.testing.assert_close(length(torch.tensor([[3.0, 4.0]]), 1), torch.tensor([5.0]))


@torch.no_grad()
def test_the_unit_keeps_its_precision_under_autocast() -> None:
    model = tiny()
    x = unit_features(2, 8, 4, 4).float()
    wanted = model.predict(x, model.theta())
    with torch.autocast("cpu", torch.bfloat16):
        got = model.predict(x, model.theta())
    assert torch.equal(got.means_BMC, wanted.means_BMC) and torch.equal(got.distance_BN, wanted.distance_BN)
    assert got.frame_B3HW.dtype == torch.float32 and not torch.equal(got.frame_B3HW, wanted.frame_B3HW)


# Losses and options


def losses_of(model: MPN, weights: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> dict[str, torch.Tensor]:
    return model.losses(model(model.input(batch())), model.target(batch()), weights)


def test_every_choice_between_paper_and_code_changes_what_it_should() -> None:
    concerned = {
        "attention": {"loss", "frame", "compactness", "diversity"},
        "relevance": {"loss", "frame"},
        "distance": {"loss", "compactness"},
        "diversity": {"loss", "diversity"},
        "frame_loss": {"loss", "frame"},
    }
    rest = {"loss_weights", "sampling", "epochs", "adapt_weights"}  # of stages and adaptation, see below
    assert set(PRESETS["code"]) == set(concerned) | rest
    code, paper = tiny("code").double().config, tiny("paper").double().config
    base = losses_of(tiny("code").double())
    for option, names in concerned.items():
        changed = losses_of(tiny("code", **{option: getattr(paper, option)}).double())
        different = {name for name in base if abs(changed[name] - base[name]) > 1e-9}
        assert different - {"alike"} == names, option
        assert getattr(code, option) != getattr(paper, option)


@torch.no_grad()
def test_losses_are_what_they_are_called() -> None:
    model, paper = tiny("code").double(), tiny("paper").double()
    for one in (model, paper):
        out, target = one(one.input(batch())), one.target(batch())
        losses = one.losses(out, target, (2.0, 3.0, 5.0))
        p = out.prototypes_BMC
        apart = torch.stack([torch.cdist(p[b], p[b])[*torch.triu_indices(10, 10, 1)] for b in range(4)])
        if one is model:
            frame, diverse = (out.frame_B3HW - target).square().mean(), (1 - apart.square()).relu().mean()
        else:
            frame = torch.stack([(out.frame_B3HW[b] - target[b]).norm() for b in range(4)]).mean()
            diverse = (1 - apart).relu().mean()
        torch.testing.assert_close(losses["frame"], frame)
        torch.testing.assert_close(losses["compactness"], out.distance_BN.mean())
        torch.testing.assert_close(losses["diversity"], diverse, rtol=1e-5, atol=1e-6)
        total = 2 * losses["frame"] + 3 * losses["compactness"] + 5 * losses["diversity"]
        torch.testing.assert_close(losses["loss"], total)


def test_default_loss_weights() -> None:
    assert tiny("paper").config.loss_weights == (1.0, 1.0, 0.01)
    assert tiny("code").config.loss_weights == (1.0, 1.0, 1e-4)
    stage = tiny("code", loss_weights=[0.0, 0.0, 7.0]).stages()[0]  # a list, as YAML has it
    losses = stage.updates()[0].loss(batch())
    torch.testing.assert_close(losses["loss"], 7 * losses["diversity"])


def test_detached_prototypes_get_no_compactness_gradient() -> None:
    gradients = {}
    for detach in (False, True):
        model = tiny(detach=detach, temperature=0.1).double()
        losses_of(model)["compactness"].backward()
        weight = model.prototype["Mheads"].weight
        gradients[detach] = 0.0 if weight.grad is None else weight.grad.norm().item()
        assert model.encoder.moduleConv1[0].weight.grad.norm() > 0
    assert gradients[False] > 1e-8 and gradients[True] == 0


@torch.no_grad()
def test_a_lower_temperature_makes_prototypes_less_alike() -> None:
    """As released, all prototypes are the mean feature at first."""
    alike = [losses_of(tiny(temperature=t))["alike"].item() for t in (1.0, 0.1, 0.01)]
    assert alike[0] > 0.99 and alike[0] > alike[1] > alike[2]


# Scores


@torch.no_grad()
@pytest.mark.parametrize("preset", ["paper", "code"])
def test_scores_are_plain_means(preset: str) -> None:
    model, whole = tiny(preset).eval(), batch()
    out, got = model(model.input(whole)), model.score(whole)
    error = ((out.frame_B3HW + 1) / 2 - whole.target[:, 0].permute(0, 3, 1, 2) / 255).square()
    torch.testing.assert_close(got.components["prediction"], error.mean((1, 2, 3)))
    torch.testing.assert_close(got.components["prototype"], out.distance_BN.mean(1))
    torch.testing.assert_close(got.map, F.avg_pool2d(error.mean(1), 8))
    assert model.combination.weights == {"prediction": 0.5, "prototype": 0.5}
    assert set(model.combination.transform.values()) == {"decibel"} and model.combination.scale == "normal"


@torch.no_grad()
def test_a_map_filter_asks_for_maps_at_pixel_size() -> None:
    plain, filtered = tiny().eval(), tiny(map_filter=[1, 5, 5]).eval()
    got = filtered.score(batch())
    assert filtered.map_filter == (1, 5, 5) and got.map.shape == (4, 16, 24)
    torch.testing.assert_close(got.map.mean((1, 2)), plain.score(batch()).components["prediction"])
    assert filtered.combination.weights == {"map_max": 0.5, "prototype": 0.5}
    assert set(filtered.combination.transform) == {"map_max", "prototype"}


@torch.no_grad()
def test_scores_do_not_depend_on_the_rest_of_the_batch() -> None:
    model, whole = tiny(temperature=0.05).eval(), batch()
    together = model.score(whole).components
    for i in range(4):
        alone = model.score(replace(whole, frames=whole.frames[[i]], target=whole.target[[i]], key=whole.key[[i]]))
        for name in model.components:
            torch.testing.assert_close(alone.components[name][0], together[name][i], rtol=1e-5, atol=1e-8)


def test_the_window_is_four_frames_that_predict_the_fifth() -> None:
    window = tiny().window
    assert (window.offsets, window.target, window.missing) == ((-4, -3, -2, -1), (0,), "drop")
    assert window.colour == "bgr" and list(window.scorable(7)) == [4, 5, 6] and not window.scorable(4)


# Stages


def names_of(model: MPN, stage: int) -> set[str]:
    learning = {id(p) for group in model.stages()[stage].updates()[0].optimiser.param_groups for p in group["params"]}
    return {name for name, p in model.named_parameters() if id(p) in learning}


def test_stages_of_both_methods() -> None:
    paper, code = (tiny(preset).stages() for preset in ("paper", "code"))
    assert [(s.name, s.length, s.sampling) for s in paper] == [("train", 60, BatchSampling())]
    assert [(s.name, s.length, s.sampling) for s in code] == [("train", 1000, BatchSampling("spread", 4))]
    plain = tiny()
    assert names_of(plain, 0) == {name for name, _ in plain.named_parameters()}
    assert not any(name.startswith("step_sizes") for name in plain.state_dict())

    meta = tiny(meta=True, epochs=7)
    pretrain, second = meta.stages()
    assert [(s.name, s.length) for s in (pretrain, second)] == [("pretrain", 7), ("meta", 1000)]
    assert second.sampling == BatchSampling("close", 4) and second.unit == pretrain.unit
    adapted = set(meta.theta())
    assert len(adapted) == 7 and names_of(meta, 1) == adapted | {n for n in meta.state_dict() if "step_sizes." in n}
    assert names_of(meta, 0) == set(tiny().state_dict()) - {"prototype.Mheads.weight"}
    losses = pretrain.updates()[0].loss(batch())
    assert torch.equal(losses["loss"], losses["frame"])


def test_learning_rates() -> None:
    model = tiny(meta=True, learning_rate=0.5, meta_learning_rate=0.25)
    rates = [stage.updates()[0].optimiser.param_groups[0]["lr"] for stage in model.stages()]
    assert rates == [0.5, 0.25]
    assert [s.updates()[0].optimiser.param_groups[0]["lr"] for s in tiny("code", meta=True).stages()] == [1e-4, 1e-6]


# Meta-training


def meta_losses(model: MPN) -> dict[str, torch.Tensor]:
    return model.stages()[1].updates()[0].loss(batch(8, (8, 8)))


def test_step_sizes_are_one_for_each_element() -> None:
    model = tiny(meta=True, width=64, step_size=0.25)
    assert sum(p.numel() for p in model.step_sizes.parameters()) == 113_731
    for name, value in model.theta().items():
        assert model.step_size(name).shape == value.shape and (model.step_size(name) == 0.25).all()


@pytest.mark.parametrize("preset", ["paper", "code"])
def test_second_order_gradients_equal_finite_differences(preset: str) -> None:
    torch.manual_seed(0)
    model = MPN.from_preset(
        preset, **{**SMALLEST, "meta": True, "step_size": 0.01, "temperature": 0.1, "loss_weights": (1.0, 0.5, 0.3)}
    ).double()
    meta_losses(model)["loss"].backward()
    eps = 1e-5
    for name in ("prototype.Mheads.weight", "ohead.0.weight", "ohead.4.bias"):
        for value in (model.step_size(name), model.theta()[name]):
            flat, place = value.detach().view(-1), int(value.grad.abs().argmax())
            got = value.grad.view(-1)[place].item()
            here = flat[place].item()
            ends = []
            for shifted in (here + eps, here - eps):
                flat[place] = shifted
                ends.append(meta_losses(model)["loss"].item())
            flat[place] = here
            assert abs(got) > 1e-7
            assert (ends[0] - ends[1]) / (2 * eps) == pytest.approx(got, rel=1e-4)


def test_first_order_leaves_out_second_derivatives_alone() -> None:
    gradients = []
    for first_order in (False, True):
        model = meta_model(first_order=first_order)
        losses = meta_losses(model)
        losses["loss"].backward()
        steps = [p.grad for p in model.step_sizes.parameters()]
        gradients.append((losses["loss"], steps, [p.grad for p in model.theta().values()]))
    (loss, steps, weights), (other_loss, other_steps, other_weights) = gradients
    assert torch.equal(loss, other_loss)
    assert all(torch.equal(a, b) for a, b in zip(steps, other_steps, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(weights, other_weights, strict=True))


def test_tasks_are_averaged_and_measuring_needs_no_gradients() -> None:
    model = meta_model()
    stage, whole = MetaStage(model), batch(8, (8, 8))
    parts = [
        stage.loss(replace(whole, frames=whole.frames[s], target=whole.target[s], key=whole.key[s]))
        for s in (slice(0, 4), slice(4, 8))
    ]
    training = stage.loss(whole)
    with torch.no_grad():
        measured = stage.loss(whole)
    assert training["loss"].requires_grad
    for name, value in training.items():
        torch.testing.assert_close(value, (parts[0][name] + parts[1][name]) / 2)
        torch.testing.assert_close(measured[name], value)
    assert all(p.grad is None for p in model.parameters())


def test_only_unit_and_output_learn_in_meta_training() -> None:
    model = meta_model()
    meta_losses(model)["loss"].backward()
    reached = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == names_of(model, 1)


def test_with_steps_of_nothing_the_query_is_just_scored() -> None:
    model, whole = meta_model(step_size=0.0), batch(4, (8, 8))
    losses = MetaStage(model).loss(whole)
    with torch.no_grad():
        out = model(model.input(whole)[2:])
        wanted = model.losses(out, model.target(whole)[2:], model.config.loss_weights)
    torch.testing.assert_close(losses["loss"], wanted["loss"])
    assert losses["step"] == 0 and meta_losses(meta_model())["step"] > 0


def test_inner_weights_are_those_of_the_step_alone() -> None:
    model, other = meta_model(), meta_model(inner_weights=[0.0, 0.0, 0.0])
    assert meta_losses(other)["step"] == 0 == meta_losses(other)["inner"]
    still = meta_model(step_size=0.0)
    torch.testing.assert_close(meta_losses(other)["loss"], meta_losses(still)["loss"])
    assert not torch.equal(meta_losses(model)["loss"], meta_losses(still)["loss"])


# Adaptation


def adapted(model: MPN, support: Batch) -> MPN:
    model.adapt(support)
    return model


def test_adapting_is_the_inner_step() -> None:
    model, whole = meta_model(adapt_weights=None), batch(4, (8, 8))
    query = MetaStage(model).loss(whole)
    support = replace(whole, frames=whole.frames[:2], target=whole.target[:2], key=whole.key[:2])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.adapt(support)
    after = model.state_dict()
    assert {name for name in before if not torch.equal(before[name], after[name])} == set(model.theta())
    with torch.no_grad():
        out = model(model.input(whole)[2:])
        losses = model.losses(out, model.target(whole)[2:], model.config.loss_weights)
    for name, value in losses.items():
        torch.testing.assert_close(value, query[name])
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_adapting_helps_on_what_it_was_adapted_to() -> None:
    model, support = meta_model(step_size=0.01, adapt_weights=None), batch(3, (8, 8))

    @torch.no_grad()
    def loss() -> float:
        out = model(model.input(support))
        return model.losses(out, model.target(support), model.config.loss_weights)["loss"].item()

    losses = [loss()]
    for _ in range(3):
        model.adapt(support)
        losses.append(loss())
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0]


def test_steps_and_weights_of_adaptation() -> None:
    support = batch(2, (8, 8))
    once = adapted(meta_model(), support)
    twice, both = adapted(adapted(meta_model(), support), support), adapted(meta_model(adapt_steps=2), support)
    other = adapted(meta_model(adapt_weights=None), support)
    inner = adapted(meta_model(adapt_weights=None, inner_weights=(1.0, 0.1, 0.1)), support)
    for name, value in once.theta().items():
        torch.testing.assert_close(twice.theta()[name], both.theta()[name])
        assert not torch.equal(value, both.theta()[name])
        assert torch.equal(value, inner.theta()[name])  # the test script's own are 1, 0.1, 0.1
        # The output convolutions only know the frame loss, and its weight is the same.
        assert torch.equal(value, other.theta()[name]) == name.startswith("ohead.")
    assert tiny("paper").config.adapt_weights is None


def test_a_plainly_trained_network_does_not_adapt() -> None:
    assert tiny(meta=True).adapts and not tiny().adapts
    with pytest.raises(RecipeError, match=r"only a meta-trained network adapts.*mpn-meta"):
        tiny().adapt(batch())


# Checkpoints and wrong options


def test_released_names_load_old_and_wrapped_ones_too() -> None:
    released = {name: torch.rand_like(value) for name, value in tiny().state_dict().items()}
    old = {name.replace("prototype.", "memory."): value for name, value in released.items()}
    assert "memory.Mheads.weight" in old
    wrapped = {"state_dict": {f"module.{name}": value for name, value in old.items()}, "epoch": 60}
    for state in (released, old, wrapped):
        model = tiny()
        model.load_reference_state_dict(state)
        assert all(torch.equal(value, released[name]) for name, value in model.state_dict().items())


def test_a_released_backbone_begins_meta_training() -> None:
    released = {name: torch.rand_like(value) for name, value in tiny().state_dict().items()}
    model = tiny(meta=True, step_size=0.5)
    model.load_reference_state_dict(released)
    state = model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in released.items())
    assert all((value == 0.5).all() for name, value in state.items() if name not in released)
    again = tiny(meta=True)
    again.load_reference_state_dict(state)
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())


def test_a_checkpoint_that_does_not_fit_is_refused_by_name() -> None:
    state = tiny().state_dict()
    with pytest.raises(BundleError, match=r"lacks encoder\.moduleConv1\.0\.weight"):
        tiny().load_reference_state_dict({})
    with pytest.raises(BundleError, match=r"encoder\.moduleConv1\.0\.weight is \(4, 12, 3, 3\)"):
        tiny(width=8).load_reference_state_dict(state)
    with pytest.raises(BundleError, match="has step_sizes"):
        tiny().load_reference_state_dict(tiny(meta=True).state_dict())
    with pytest.raises(BundleError, match="lacks encoder and decoder"):
        tiny(meta=True).load_reference_state_dict({"meta_init": {}, "meta_alpha": {}})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (20, 24)}, "20x24 must be multiples of 8"),
        ({"size": (0, 8)}, "0x8 must be multiples of 8"),
        ({"width": 0}, "width 0 must be at least 1"),
        ({"prototypes": 1}, "prototypes 1 at least 2"),
        ({"temperature": 0.0}, "temperature 0 must be above 0"),
        ({"adapt_steps": 0}, "adapt_steps 0 at least 1"),
        ({"loss_weights": [1.0, 1.0]}, "loss_weights is"),
        ({"adapt_weights": (1.0,)}, "adapt_weights is"),
        ({"attention": "max"}, "attention is 'max': Input should be 'sum' or 'softmax'"),
        ({"sampling": "close"}, "should be 'shuffle' or 'spread'"),
        ({"memory": 10}, "MPN has no option 'memory'"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        tiny(**options)
    with pytest.raises(RecipeError, match="no preset 'best'"):
        MPN.from_preset("best")


# Recipes


def test_published_settings() -> None:
    for name, epochs in (("mpn-ped2", 60), ("mpn-avenue", 60), ("mpn-shanghaitech", 10), ("mpn-meta-shanghaitech", 10)):
        recipe = load_recipe(name)
        config = MPN.from_preset(recipe.preset, **recipe.options).config
        assert (recipe.preset, recipe.training.batch_size, recipe.pseudo.source) == ("paper", 4, "none")
        assert (config.size, config.learning_rate, config.epochs) == ((256, 256), 1e-4, epochs)
        assert config.meta == ("meta" in name) and recipe.scoring.smoothing.kind == "causal"
    assert (config.meta_epochs, config.step_size, config.meta_learning_rate) == (1000, 1e-6, 1e-6)


@pytest.mark.parametrize("name", ["mpn-small", "mpn-meta-small"])
def test_small_recipes_are_small(name: str) -> None:
    recipe = load_recipe(name)
    model = MPN.from_preset(recipe.preset, **recipe.options)
    assert 0.3e6 < sum(p.numel() for n, p in model.named_parameters() if "step_sizes" not in n) < 1e6
    assert model.flops_per_frame() < 0.5e9
    for stage in model.stages():
        assert recipe.training.batch_size % stage.sampling.group == 0


def test_without_prototypes_the_frame_alone_is_learned_and_scored() -> None:
    model, whole = tiny(prototypes=0, map_filter=(1, 5, 5)), batch()
    assert not any(name.startswith("prototype") for name in model.state_dict())
    assert set(model.components) == {"prediction"} and model.combination.weights == {"map_max": 1.0}
    losses = model.stages()[0].loss(whole)
    assert set(losses) == {"loss", "frame"} and losses["loss"] == losses["frame"]
    losses["loss"].backward()
    assert all(p.grad is not None for p in model.parameters())
    features = model.features(model.input(whole))
    torch.testing.assert_close(model(model.input(whole)).frame_B3HW, model.ohead(features))
    assert set(model.score(whole).components) == {"prediction"}
    with pytest.raises(RecipeError, match="meta-training adapts the prototypes"):
        tiny(prototypes=0, meta=True)
