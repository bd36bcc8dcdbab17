"""STD: sizes, key names, options, clusters, stages, and what the scores are made of."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import torch
from sklearn.cluster import KMeans
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from oddframe.errors import BundleError, RecipeError
from oddframe.models.detector import Batch
from oddframe.models.registry import create
from oddframe.models.stage import Stage
from oddframe.models.std import (
    CENTRE_SAMPLE,
    STD,
    JointStage,
    MotionEncoder,
    Residual,
    VarianceAttention,
    added,
    enlarged,
    gradient_difference,
    k_means,
)
from oddframe.recipes import load_recipe

SHAPES = json.loads((Path(__file__).parent / "golden" / "std-shapes.json").read_text())
TINY = {"size": (16, 32), "width": 4, "clusters": 4, "centre_batches": 2}


def tiny(preset: str = "paper", **options: object) -> STD:
    torch.manual_seed(0)
    return STD.from_preset(preset, **{**TINY, **options})


def batch(model: STD, size: int = 3, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (size, 5, *model.config.size, 3), dtype=torch.uint8, generator=generator)
    inputs = len(model.window.offsets)
    return Batch(frames[:, :inputs], frames[:, inputs:], torch.arange(size))


def batches(model: STD) -> Iterator[Batch]:
    return (batch(model, seed=seed) for seed in count())


def joint(model: STD) -> Stage:
    return model.stages()[1]


def size_of(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_of_the_released_networks() -> None:
    model = STD.from_preset("code")
    assert size_of(model.motion_encoder) == 2_227_584
    assert size_of(model.motion_decoder) == 480_960
    assert size_of(model.appearance_encoder) == 2_139_424
    assert size_of(model.appearance_decoder) == 1_255_104
    assert model.centres.numel() == 17_408 - 32**2  # the identity matrix is not built
    assert size_of(model) == 6_120_480 - 32**2
    assert size_of(STD.from_preset("cdda")) == 6_125_664 - 32**2


def test_released_key_names_load() -> None:
    released = {key: torch.rand(shape) for key, shape in SHAPES.items()}
    model = STD.from_preset("code")
    model.load_reference_state_dict({"epoches": 3, "state_dict": {f"module.{k}": v for k, v in released.items()}})
    own = model.state_dict()
    assert len(own) == len(released) - 1
    for ours, theirs in (
        ("motion_decoder.stages.1.shortcut", "motion_decoder_func.layer_list.1.0.downsample.1"),
        ("motion_encoder.attentions.2.projection", "motion_encoder_func.layer_list.3.att_layer3.flow.proj_conv"),
        ("appearance_decoder.stages.2.conv1", "static_decoder_func.flow.de-layer3.0.conv1.1"),
        ("appearance_encoder.norms.2", "static_encoder_func.flow.layer3_bn"),
    ):
        assert torch.equal(own[f"{ours}.weight"], released[f"{theirs}.weight"])
    assert torch.equal(own["centres"], released["cluster.cluster_center"])


def test_a_checkpoint_that_does_not_fit_is_refused_by_name() -> None:
    state = dict(tiny().state_dict())
    with pytest.raises(BundleError, match=r"STD checkpoint: motion_decoder\.head\.weight is .*3, 8.*needs .*12, 8"):
        tiny("cdda").load_reference_state_dict(state)
    with pytest.raises(BundleError, match=r"has motion_encoder\.attentions\.0"):
        tiny(attention=False).load_reference_state_dict(state)
    del state["centres"]
    with pytest.raises(BundleError, match="lacks centres"):
        tiny().load_reference_state_dict(state)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (250, 256)}, "250x256 must be multiples of 16"),
        ({"size": (0, 16)}, "multiples of 16"),
        ({"width": 3}, "width 3 must be even"),
        ({"clusters": 0}, "at least 1"),
        ({"centre_batches": 0}, "at least 1"),
        ({"centres": "normalised"}, "centres"),
        ({"cluster": 8}, "no option 'cluster'"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        tiny(**options)
    with pytest.raises(RecipeError, match="paper, code, cdda"):
        tiny("codes")


def test_a_clip_is_five_rgb_frames_in_0_to_1_in_order() -> None:
    for preset in ("paper", "cdda"):
        model = tiny(preset)
        frames = batch(model)
        clip = model.clip(frames)
        assert clip.shape == (3, 15, 16, 32) and clip.min() >= 0 and 0.99 < clip.max() <= 1
        whole = torch.cat((frames.frames, frames.target), 1)
        for frame, channel in ((0, 0), (2, 1), (4, 2)):
            torch.testing.assert_close(clip[:, 3 * frame + channel], whole[:, frame, :, :, channel] / 255)
        assert model.window.colour == "rgb" and model.window.missing == "drop"
        assert model.window.scorable(10) == range(4, 10) and model.look_ahead == 0


def test_residual_blocks_halve_or_shuffle() -> None:
    x = torch.rand(2, 8, 6, 10)
    assert Residual(8, 12)(x).shape == (2, 12, 3, 5)
    up = Residual(8, 4, up=True)
    for parameter in up.parameters():
        parameter.data.zero_()
    up.shortcut.weight.data[0, 1, 1, 1] = 1  # copies channel 1 of the shuffled picture
    got = up(x)
    assert got.shape == (2, 4, 12, 20)
    for dy in (0, 1):
        for dx in (0, 1):
            torch.testing.assert_close(got[:, 0, dy::2, dx::2], x[:, 4 + 2 * dy + dx])


def test_attention_by_hand() -> None:
    torch.manual_seed(0)
    attention, x = VarianceAttention(6, pool=4), 1 + 5 * torch.rand(2, 6, 8, 12)
    projected = torch.einsum("oc,bchw->bohw", attention.projection.weight[:, :, 0, 0], x)
    for b in range(2):
        variance = torch.zeros(2, 3)
        for i in range(2):
            for j in range(3):
                mean_over_cell = projected[b, :, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4].mean((1, 2))
                variance[i, j] = ((mean_over_cell - mean_over_cell.mean()) ** 2).sum()
        gain = variance.flatten().softmax(0).exp().reshape(2, 3)
        got = attention(x)[b] / x[b]
        torch.testing.assert_close(got, enlarged(gain[None], 4).expand(6, -1, -1), rtol=1e-4, atol=1e-5)
        assert gain.min() > 1 and gain.max() < math.e and gain.max() > 1.05 * gain.min()


def test_attention_begins_as_nearly_nothing_and_outlives_bfloat16() -> None:
    torch.manual_seed(0)
    attention, x = VarianceAttention(8, pool=8), torch.rand(1, 8, 128, 128)
    torch.testing.assert_close(attention(x) / x, torch.full_like(x, math.exp(1 / 256)), rtol=5e-4, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = attention(x.bfloat16())
    assert half.dtype == torch.float32
    assert (half / x.bfloat16()).mean().item() == pytest.approx(math.exp(1 / 256), rel=1e-4)


def test_codes_have_an_absolute_sum_of_one() -> None:
    for preset, lowest in (("paper", -1.0), ("code", 0.0)):
        model = tiny(preset)
        appearance, motion, _ = model.encode(model.clip(batch(model)))
        assert appearance.shape == motion.shape == (3, 32, 2, 4)
        for code in (appearance, motion):
            torch.testing.assert_close(code.abs().sum(1), torch.ones(3, 2, 4))
        assert motion.min() < 0
        assert (appearance.min() < 0) == (lowest < 0), "ReLU in the released network, LeakyReLU in the paper"


def test_the_activation_is_that_of_the_first_convolutions_too() -> None:
    x = torch.rand(1, 12, 16, 32)
    leaky, relu = tiny("paper").motion_encoder, tiny("code").motion_encoder
    relu.load_state_dict(leaky.state_dict())
    assert not torch.allclose(leaky(x)[0], relu(x)[0])
    relu.stem.weight.data.abs_()
    leaky.stem.weight.data.abs_()
    torch.testing.assert_close(leaky(x)[0], relu(x)[0])


def test_options_take_parts_away() -> None:
    full, plain, straight = tiny(), tiny(attention=False), tiny(skips=False)
    projections = 8**2 + 16**2 + 32**2
    assert size_of(full) - size_of(plain) == projections
    assert size_of(straight.motion_decoder) < size_of(full.motion_decoder)
    clip = full.clip(batch(full))
    assert straight.encode(clip)[2] == () and len(full.encode(clip)[2]) == 2
    assert straight(clip).motion.shape == full(clip).motion.shape == (3, 3, 16, 32)
    encoder = MotionEncoder(4, torch.nn.ReLU(), attention=False)
    features = encoder.stages[0](encoder.activation(encoder.stem(clip[:, :12])))
    torch.testing.assert_close(encoder(clip[:, :12])[1][1], features)


def test_skips_carry_the_motion_past_its_code() -> None:
    full, straight = tiny(), tiny(skips=False)
    clip = full.clip(batch(full))
    for model, passes in ((full, True), (straight, False)):
        _, motion, skips = model.encode(clip)
        changed = tuple(skip + 1 for skip in skips)
        got = [model.motion_decoder(motion, s) for s in (skips, changed)]
        assert torch.equal(*got) != passes


def test_the_gain_of_the_codes_reaches_the_decoders_alone() -> None:
    one, eight = tiny(skips=False), tiny(skips=False, code_gain=8.0)
    clip = one.clip(batch(one))
    a, b = one(clip), eight(clip)
    torch.testing.assert_close(b.code, a.code)
    # Without biases a decoder is homogeneous.
    torch.testing.assert_close(b.appearance, 8 * a.appearance)
    torch.testing.assert_close(b.motion, 8 * a.motion)


def test_distances_and_assignments_by_hand() -> None:
    model = tiny(alpha=7.0)
    code = torch.randn(2, 64, 2, 3)
    distance, assignment = model.cluster(code)
    for b, i, j in ((0, 0, 0), (1, 1, 2)):
        z = code[b, :, i, j] / code[b, :, i, j].norm()
        d = torch.stack([(z - centre).norm() for centre in model.centres])
        torch.testing.assert_close(distance[b, i, j], d)
        torch.testing.assert_close(assignment[b, i, j], torch.exp(-7 * d) / torch.exp(-7 * d).sum())
        torch.testing.assert_close(model.cluster_map(code)[b, i, j], (assignment[b, i, j] * d).sum() / 4)


def test_a_code_on_its_centre_has_a_gradient() -> None:
    model = tiny()
    model.centres.data[:] = F.normalize(torch.randn(4, 64), dim=1)
    code = model.centres.data[1].clone()[None, :, None, None].requires_grad_()
    distance, assignment = model.cluster(code)
    assert distance[0, 0, 0, 1] < 1e-3 and assignment[0, 0, 0, 1] > 0.99
    model.cluster_map(code).sum().backward()
    assert code.grad.isfinite().all() and model.centres.grad.isfinite().all()


def test_gradient_difference() -> None:
    got, wanted = torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 2, 3)
    got[0, 0] = torch.tensor([[0.0, 3, 3], [0, 0, 0]])
    wanted[0, 0] = torch.tensor([[0.0, -2, -2], [0, 0, 0]])
    # Along rows 3 against -2, along columns twice -3 against 2; six elements.
    assert gradient_difference(got, wanted, "magnitude").item() == pytest.approx((1 + 1 + 1) / 6)
    assert gradient_difference(got, wanted, "signed").item() == pytest.approx((5 + 5 + 5) / 6)


@pytest.mark.parametrize("preset", ["paper", "cdda"])
def test_losses_are_those_of_the_frames_they_name(preset: str) -> None:
    model = tiny(preset)
    clip = model.clip(batch(model))
    for parameter in (model.appearance_decoder.head.weight, model.motion_decoder.head.weight):
        parameter.data.zero_()  # both streams say nothing
    losses = model.autoencoder_losses(clip, model(clip))
    f0, f4, inputs = clip[:, :3], clip[:, 12:], clip[:, :12]
    if preset == "paper":
        appearance, motion, gradient = f0.square().mean(), (f4 - f0).square().mean(), (f0, f4)
    else:
        f4_four_times = f4.repeat(1, 4, 1, 1)
        appearance, motion = f4.square().mean(), (inputs - f4_four_times).square().mean()
        gradient = (f4_four_times, inputs)
    torch.testing.assert_close(losses["appearance"], appearance)
    torch.testing.assert_close(losses["motion"], motion)
    torch.testing.assert_close(losses["gradient"], gradient_difference(*gradient, "magnitude"))
    torch.testing.assert_close(losses["loss"], appearance + motion + 0.01 * losses["gradient"])


def test_the_precursor_never_sees_the_last_frame_in_its_motion_stream() -> None:
    for preset, blind in (("paper", (12, 15)), ("cdda", (12, 15))):
        model = tiny(preset).eval()
        clip = model.clip(batch(model))
        changed = clip.clone()
        changed[:, slice(*blind)] = 0
        assert torch.equal(model(clip).motion, model(changed).motion)
        assert torch.equal(model(clip).appearance, model(changed).appearance) == (preset == "paper")
    assert tiny("cdda")(clip).motion.shape[1] == 12


@torch.no_grad()
@pytest.mark.parametrize("preset", ["paper", "code", "cdda"])
@pytest.mark.parametrize("fusion", ["pixel", "frame", "none"])
def test_scores_by_hand(preset: str, fusion: str) -> None:
    model = tiny(preset, fusion=fusion).eval()
    frames = batch(model)
    clip, got = model.clip(frames), model.score(frames)
    out = model(clip)
    f0, f4, four = clip[:, :3], clip[:, 12:], clip[:, :12]
    if preset == "cdda":
        rebuilt, wanted = torch.cat([out.appearance + out.motion[:, 3 * i : 3 * i + 3] for i in range(4)], 1), four
        appearance, motion = out.appearance - f4, out.motion - (four - f4.repeat(1, 4, 1, 1))
    else:
        rebuilt, wanted = out.appearance + out.motion, f4
        appearance, motion = out.appearance - f0, out.motion - (f4 - f0)
    error, cluster = (rebuilt - wanted).square().mean(1), model.cluster_map(out.code)
    nearest = F.interpolate(cluster[:, None], scale_factor=8, mode="nearest")[:, 0]
    fused = {
        "pixel": (error * nearest).mean((1, 2)),
        "frame": error.mean((1, 2)) * cluster.mean((1, 2)),
        "none": error.mean((1, 2)),
    }
    assert list(got.components) == list(model.components)
    torch.testing.assert_close(got.components["fused"], fused[fusion])
    torch.testing.assert_close(got.components["appearance"], appearance.square().mean((1, 2, 3)))
    torch.testing.assert_close(got.components["motion"], motion.square().mean((1, 2, 3)))
    torch.testing.assert_close(got.components["cluster"], cluster.mean((1, 2)))
    whole = error if fusion == "none" else error * nearest
    torch.testing.assert_close(got.map, F.avg_pool2d(whole, 8))
    assert got.map.shape[1:] == model.map_grid == (2, 4)


@torch.no_grad()
def test_with_a_filter_the_map_has_the_size_of_the_picture() -> None:
    stored, whole = tiny().eval(), tiny(map_filter=(3, 5, 5)).eval()
    a, b = stored.score(batch(stored)), whole.score(batch(whole))
    assert b.map.shape == (3, 16, 32)
    torch.testing.assert_close(b.map.mean((1, 2)), b.components["fused"])
    torch.testing.assert_close(F.avg_pool2d(b.map, 8), a.map)
    assert list(whole.reported) == [*stored.reported, "map_max"]
    assert whole.look_ahead == 1


def test_presets() -> None:
    paper, code, cdda = (tiny(preset) for preset in ("paper", "code", "cdda"))
    assert paper.combination.transform == {} and paper.combination.weights == {"fused": 1.0}
    assert code.combination.transform == cdda.combination.transform == {"fused": "reciprocal"}
    assert paper.window.target == code.window.target == (0,) and cdda.window.target == ()
    assert (cdda.config.fusion, code.config.fusion, paper.config.fusion) == ("frame", "pixel", "pixel")
    config = STD.from_preset("code").config
    assert (config.size, config.width, config.clusters, config.alpha, config.code_gain) == ((256, 256), 32, 32, 25, 1)
    assert (config.learning_rate, config.cluster_learning_rate) == (1e-5, 1e-6)
    assert (config.gradient_weight, config.cluster_weight, config.centre_batches) == (0.01, 0.1, 500)


def learning(model: STD, stage: int) -> list[list[set[int]]]:
    updates = model.stages()[stage].updates()
    return [[{id(p) for p in group["params"]} for group in update.optimiser.param_groups] for update in updates]


def test_stages() -> None:
    model = STD.from_preset("code")
    warm_up, both = model.stages()
    assert [(s.name, s.length, s.unit) for s in (warm_up, both)] == [
        ("warm-up", 5_000, "steps"),
        ("joint", 100_000, "steps"),
    ]
    centres = {id(model.centres)}
    networks = {id(p) for p in model.parameters()} - centres
    lasts = {id(model.motion_encoder.last.weight), id(model.appearance_encoder.last.weight)}
    assert learning(model, 0) == [[networks]]
    assert learning(model, 1) == [[networks], [centres | lasts]]
    autoencoders, clusters = both.updates()
    assert (autoencoders.sums_over_batch, clusters.sums_over_batch) == (False, True)
    assert autoencoders.optimiser.param_groups[0]["lr"] == 1e-5
    assert clusters.optimiser.param_groups[0]["lr"] == 1e-6
    # The released list counts the identity matrix, too.
    assert sum(p.numel() for p in clusters.optimiser.param_groups[0]["params"]) == 1_197_056 - 32**2

    paper = STD.from_preset("paper")
    networks = {id(p) for p in paper.parameters()} - {id(paper.centres)}
    assert learning(paper, 1) == [[networks, {id(paper.centres)}]]
    (update,) = joint(paper).updates()
    assert not update.sums_over_batch
    assert [group["lr"] for group in update.optimiser.param_groups] == [1e-5, 1e-6]


def test_joint_and_alternating_losses() -> None:
    paper, code = tiny("paper"), tiny("paper", objective="alternating")
    frames = batch(paper)
    for model in (paper, code):
        model.eval()
    (whole,) = [update.loss(frames) for update in joint(paper).updates()]
    autoencoders, clusters = [update.loss(frames) for update in joint(code).updates()]
    torch.testing.assert_close(clusters["cluster"], 3 * whole["cluster"])  # summed over the batch, not averaged
    torch.testing.assert_close(clusters["loss"], 0.1 * clusters["cluster"])
    torch.testing.assert_close(whole["loss"], autoencoders["loss"] + 0.1 * whole["cluster"])
    doubled = Batch(frames.frames.repeat(2, 1, 1, 1, 1), frames.target.repeat(2, 1, 1, 1, 1), frames.key.repeat(2))
    torch.testing.assert_close(joint(code).updates()[1].loss(doubled)["loss"], 2 * clusters["loss"])
    heavy = tiny("paper", cluster_weight=10.0, gradient_weight=1.0).eval()
    (other,) = [update.loss(frames) for update in joint(heavy).updates()]
    torch.testing.assert_close(JointStage(heavy).cluster_losses(frames)["loss"], 10 * clusters["cluster"])
    expected = whole["appearance"] + whole["motion"] + whole["gradient"] + 10 * whole["cluster"]
    torch.testing.assert_close(other["loss"], expected)


def test_the_gradient_option_changes_its_loss_alone() -> None:
    a, b = tiny(), tiny(gradient="signed")
    clip = a.clip(batch(a))
    first, second = a.autoencoder_losses(clip, a(clip)), b.autoencoder_losses(clip, b(clip))
    assert second["gradient"] > first["gradient"]
    torch.testing.assert_close(first["motion"], second["motion"])


def test_alternating_steps_count_every_batch_twice_in_batch_norm() -> None:
    for preset, times in (("code", 2), ("paper", 1)):
        model = tiny(preset)
        stage = joint(model)
        stage.train_mode()
        for update in stage.updates():
            update.loss(batch(model))
        assert model.appearance_encoder.norms[0].num_batches_tracked == times
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in model.motion_encoder.modules())


def test_centres_lie_where_the_codes_are() -> None:
    raw, normalized = tiny("code"), tiny("code", centres="normalized")
    lengths = {}
    for name, model in (("raw", raw), ("normalized", normalized)):
        stage = joint(model)
        stage.train_mode()
        stage.prepare(batches(model))
        lengths[name] = model.centres.detach().norm(dim=1)
        assert model.training and model.centres.requires_grad and model.centres.grad is None
    assert lengths["raw"].max() < 0.6 < lengths["normalized"].min()
    assert lengths["normalized"].max() <= 1
    frames = batch(normalized)
    for model in (raw, normalized):
        model.eval()
    distance = [m.cluster(m(m.clip(frames)).code)[0].amin(3).mean() for m in (raw, normalized)]
    assert distance[1] < distance[0]


def test_collecting_in_train_mode_moves_the_statistics_of_batch_norm() -> None:
    for collect in ("train", "eval"):
        model = tiny("code", collect=collect)
        before = model.appearance_encoder.norms[0].running_mean.clone()
        joint(model).prepare(batches(model))
        assert torch.equal(before, model.appearance_encoder.norms[0].running_mean) == (collect == "eval")
        assert model.training


def test_k_means_is_seeded_and_takes_its_share_of_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    def centres(**options: object) -> torch.Tensor:
        model = tiny(**options)
        torch.seed()  # whatever the state of the global generator is
        joint(model).prepare(batches(model))
        return model.centres.detach().clone()

    # Each batch has 3 * 2 * 4 = 24 vectors.
    assert torch.equal(centres(), centres())
    assert not torch.equal(centres(), centres(seed=1))
    seen = []

    def noted(vectors: torch.Tensor, clusters: int, generator: torch.Generator) -> torch.Tensor:
        seen.append(vectors)
        return k_means(vectors, clusters, generator)

    monkeypatch.setattr("oddframe.models.std.k_means", noted)
    centres(centre_batches=3)
    assert len(seen[0]) == 3 * 24
    monkeypatch.setattr("oddframe.models.std.CENTRE_SAMPLE", 20)
    centres(centre_batches=3)
    assert len(seen[1]) == 3 * 7, "memory is bounded, whatever the number and the size of batches"
    assert CENTRE_SAMPLE == 32_768


def blobs() -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    means = 10 * torch.randn(6, 12, generator=generator)
    return (means[:, None] + torch.randn(6, 50, 12, generator=generator)).flatten(0, 1)


def test_k_means_finds_what_scikit_learn_finds() -> None:
    x = blobs()
    got = k_means(x, 6, torch.Generator().manual_seed(0))
    wanted = KMeans(6, n_init=5, random_state=0).fit(x.numpy()).cluster_centers_
    gaps = torch.cdist(got, torch.from_numpy(wanted).double())
    assert gaps.amin(1).max() < 1e-4 and sorted(gaps.argmin(1).tolist()) == list(range(6))


def test_k_means_of_few_or_equal_vectors() -> None:
    generator = torch.Generator().manual_seed(0)
    few = k_means(torch.eye(3), 5, generator)
    assert few.shape == (5, 3) and torch.cdist(torch.eye(3).double(), few).amin(1).max() == 0
    assert torch.equal(k_means(torch.ones(9, 2), 4, generator), torch.ones(4, 2, dtype=torch.float64))
    assert k_means(torch.zeros(9, 2), 1, generator).tolist() == [[0, 0]]


def test_the_map_is_nearest_not_bilinear() -> None:
    assert enlarged(torch.tensor([[[1.0, 2.0]]]), 2).tolist() == [[[1, 1, 2, 2], [1, 1, 2, 2]]]
    frame, differences = torch.ones(1, 3, 2, 2), torch.arange(4.0).repeat_interleave(3)[None, :, None, None]
    assert added(frame, differences)[0, :, 0, 0].tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]


@pytest.mark.parametrize("value", [0, 255])
def test_a_constant_video_stays_finite(value: int) -> None:
    for preset in ("paper", "code", "cdda"):
        model = tiny(preset)
        still = batch(model)
        still.frames.fill_(value)
        still.target.fill_(value)
        stage = joint(model)
        stage.train_mode()
        stage.prepare(still for _ in count())
        for update in stage.updates():
            update.loss(still)["loss"].backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
        assert all(part.isfinite().all() for part in model.eval().score(still).components.values())


@pytest.mark.parametrize("name", ["std-ped2", "std-avenue", "std-shanghaitech", "std-cdda-ped2"])
def test_published_recipes_have_the_released_settings(name: str) -> None:
    recipe = load_recipe(name)
    config = create(recipe.model, recipe.preset, **recipe.options).config
    assert (config.size, config.width, config.clusters, recipe.training.batch_size) == ((256, 256), 32, 32, 4)
    assert (config.warm_up_steps, config.joint_steps, config.centre_batches) == (5_000, 100_000, 500)
    assert (recipe.training.schedule, recipe.pseudo.source) == ("constant", "none")
    assert config.appearance == ("last" if "cdda" in name else "first")


def test_the_small_recipe_is_small() -> None:
    recipe = load_recipe("std-small")
    with torch.device("meta"):
        model = create(recipe.model, recipe.preset, **recipe.options).eval()
        frames = torch.empty(1, 5, *model.config.size, 3, dtype=torch.uint8)
        one = Batch(frames[:, :4], frames[:, 4:], torch.zeros(1))
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model.score(one)
    assert counter.get_total_flops() < 0.5e9
    assert 0.3e6 < size_of(model) < 1e6
