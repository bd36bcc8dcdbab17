"""MPN against values computed by the authors' released code, in float64, with weights and inputs from a formula."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from golden_weights import drawn_clips, drawn_weights

from oddframe.models.detector import Batch
from oddframe.models.layers.pixels import squared_error
from oddframe.models.mpn import MPN, MetaStage

GOLDEN = json.loads((Path(__file__).parent / "golden" / "mpn.json").read_text())
WEIGHTS = (1.0, 1.0, 1e-4)


class Case:
    def __init__(self, dtype: torch.dtype, **options: object) -> None:
        self.dtype = dtype
        self.model = MPN.from_preset("code", size=(64, 64), **options).to(dtype).eval()
        self.model.load_reference_state_dict(drawn_weights(GOLDEN["state"]))
        if self.model.config.meta:
            for step_size in self.model.step_sizes.values():
                torch.nn.init.constant_(step_size, GOLDEN["meta"]["alpha"])  # which float32 does not hold exactly
        frames = drawn_clips().to(dtype)
        self.x, self.target = frames[:, :12], frames[:, 12:]

    def close(self, got: torch.Tensor | float, wanted: float | list[float], atol: float = 0.0) -> None:
        """1e-9 in float64; 1e-4 in float32, where single values may be off by as much of the typical one, `atol`."""
        rtol = 1e-9 if self.dtype == torch.float64 else 1e-4
        got = torch.as_tensor(got).detach().double().flatten()
        wanted = torch.as_tensor(wanted, dtype=torch.float64).flatten()
        torch.testing.assert_close(got, wanted, rtol=rtol, atol=rtol * atol)

    def close_tensor(self, got: torch.Tensor, golden: dict) -> None:
        flat, typical = got.flatten(), golden["std"]
        assert list(got.shape) == golden["shape"]
        for values, name in ((flat[:3], "first"), (flat[flat.numel() // 2], "mid"), (flat[-1], "last")):
            self.close(values, golden[name], typical)
        self.close(got.mean(), golden["mean"], typical)
        self.close(got.std(correction=0), golden["std"])
        self.close(got.abs().sum(), golden["abs_sum"])


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


def test_sizes_and_names_of_the_released_network() -> None:
    model = MPN.from_preset("code")
    assert {name: list(value.shape) for name, value in model.state_dict().items()} == GOLDEN["state"]
    counts = {
        part: sum(p.numel() for n, p in model.named_parameters() if n.startswith(part + "."))
        for part in ("encoder", "decoder", "prototype", "ohead")
    }
    assert counts == {"encoder": 4_690_560, "decoder": 8_480_960, "prototype": 1_280, "ohead": 112_451}
    assert sum(p.numel() for p in model.parameters()) == 13_285_251 and not list(model.buffers())
    assert sum(p.numel() for p in model.theta().values()) == 113_731


@torch.no_grad()
def test_forward(dtype: torch.dtype) -> None:
    case = Case(dtype)
    model, x, target = case.model, case.x[:1], case.target[:1]
    features = model.features(x)
    out = model(x)
    case.close_tensor(out.frame_B3HW, GOLDEN["out_eval"])
    assert out.frame_B3HW.dtype == dtype

    # Features and nearest prototypes anew: the released code keeps their squared differences, we their means.
    x_NC = features[0].flatten(1).T
    nearest = (x_NC @ out.prototypes_BMC[0].T).argmax(1)
    squared = (x_NC - out.prototypes_BMC[0][nearest]).square()[None]
    case.close_tensor(squared, GOLDEN["fea_loss_map"])
    case.close(out.distance_BN, squared.mean(2).flatten().tolist(), 1e-3)
    case.close(out.distance_BN.mean(), GOLDEN["fea_loss_map"]["mean"])

    case.close(-10 * squared_error(out.frame_B3HW, target).mean().log10(), GOLDEN["psnr_frame"])
    case.close(-10 * out.distance_BN.mean().log10(), GOLDEN["psnr_fea"])


@pytest.mark.slow
def test_losses_and_gradients(dtype: torch.dtype) -> None:
    case, golden = Case(dtype), GOLDEN["train"]
    out = case.model.train()(case.x)
    losses = case.model.losses(out, case.target, case.model.config.loss_weights)
    assert case.model.config.loss_weights == WEIGHTS
    for name, released in (("frame", "pixel"), ("compactness", "fea"), ("diversity", "dis"), ("loss", "loss")):
        case.close(losses[name], golden[released])
    case.close_tensor(out.frame_B3HW, golden["out"])
    case.close_tensor(out.features_BCHW, golden["dpu_out"])
    case.close_tensor(out.means_BMC, golden["protos_raw"])
    # The loss that the released code computes and drops.
    consecutive = (out.prototypes_BMC[1:] - out.prototypes_BMC[:-1]).square().sum(2).mean()
    case.close(consecutive, golden["cst_unused"])

    losses["loss"].backward()
    parameters = dict(case.model.named_parameters())
    assert all(p.grad is not None for p in parameters.values())
    for name, norm in golden["grad_norm"].items():
        case.close(parameters[name].grad.norm(), norm)


@pytest.mark.slow
def test_meta_step(dtype: torch.dtype) -> None:
    case, golden = Case(dtype, meta=True), GOLDEN["meta"]
    model, stage = case.model, MetaStage(case.model)
    with torch.no_grad():
        features = model.features(case.x)
    # One window to step on and one to learn from, where training has two of each.
    losses = stage.task(features, case.target, support=1)
    case.close(losses["inner"], golden["inner_loss"])
    case.close(losses["loss"], golden["outer_loss"])
    losses["loss"].backward()
    theta = model.theta()
    assert list(theta) == list(golden["grad_init_norm"]) == list(golden["grad_alpha_norm"])
    for name, value in theta.items():
        case.close(value.grad.norm(), golden["grad_init_norm"][name])
        case.close(model.step_size(name).grad.norm(), golden["grad_alpha_norm"][name])
    assert all(p.grad is None for n, p in model.named_parameters() if n.startswith(("encoder.", "decoder.")))


@pytest.mark.slow
def test_adaptation(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    golden = GOLDEN["adapt_2shot_2iter"]
    case = Case(dtype, meta=True, adapt_steps=2, adapt_weights=WEIGHTS)
    model = case.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    # The golden frames are no multiples of 1/255: they are handed over behind the back of `Batch`.
    monkeypatch.setattr(MPN, "input", lambda *_: case.x)
    monkeypatch.setattr(MPN, "target", lambda *_: case.target)
    nothing = torch.empty(2, 0)
    model.adapt(Batch(nothing, nothing, torch.arange(2)))
    after = model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == set(golden["param_delta_norm"])
    for name, norm in golden["param_delta_norm"].items():
        if dtype == torch.float32 and name == "prototype.Mheads.weight":
            continue  # moves by 5e-6 in all, less than float32 keeps of it
        case.close((after[name] - before[name]).norm(), norm)
    with torch.no_grad():
        case.close_tensor(model(case.x[:1]).frame_B3HW, golden["out"])
