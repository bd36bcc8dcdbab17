"""MemAE against values computed by the authors' released code, in float64, with weights and inputs from a formula."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_weights import drawn_weights
from torch.utils.flop_counter import FlopCounterMode

from oddframe.models.memae import MemAE, MemAEConfig, clip_error, objective

GOLDEN = json.loads((Path(__file__).parent / "golden" / "memae.json").read_text())
SHAPES = json.loads((Path(__file__).parent / "golden" / "memae-shapes.json").read_text())
FORMS = ["masked", "literal"]


STATE = drawn_weights(SHAPES, {"mem_rep.memory.weight": 0.3})


class Case:
    """The network of the released code, filled by the formula, and its input of two clips."""

    def __init__(self, dtype: torch.dtype, shrinkage: str) -> None:
        torch.manual_seed(0)
        self.model = MemAE.from_preset("code", size=(64, 64), shrinkage=shrinkage).to(dtype).eval()
        self.model.load_reference_state_dict(STATE)
        self.x = torch.from_numpy(np.random.RandomState(7).uniform(-1, 1, (2, 1, 16, 64, 64))).to(dtype)

    def close(
        self, got: torch.Tensor | float, wanted: float | list[float], rtol: float = 1e-8, gradient: bool = False
    ) -> None:
        got = torch.as_tensor(got).double().flatten()
        wanted = torch.as_tensor(wanted, dtype=torch.float64).flatten()
        if self.x.dtype == torch.float32:
            # In a gradient the order of summation, and with it the number of threads, shows in the fourth digit.
            rtol, atol = (5e-4 if gradient else 1e-4), 1e-5
        else:
            atol = 1e-13
        torch.testing.assert_close(got, wanted, rtol=rtol, atol=atol)

    def close_tensor(self, got: torch.Tensor, golden: dict) -> None:
        assert list(got.shape) == golden["shape"]
        self.close(got.mean(), golden["mean"])
        self.close(got.std(correction=0), golden["std"])
        self.close(got.abs().sum(), golden["abs_sum"])
        self.close(got.flatten()[:3], golden["first"])
        self.close(got.flatten()[got.numel() // 2], golden["mid"])
        self.close(got.flatten()[-1], golden["last"])


@pytest.fixture(params=[(dtype, form) for dtype in (torch.float64, torch.float32) for form in FORMS], ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(*request.param)


@pytest.mark.slow
@torch.no_grad()
def test_forward_losses_and_score_in_eval_mode(case: Case) -> None:
    out = case.model(case.x)
    assert out.attention is not None and out.query is not None
    case.close_tensor(case.model.encoder(case.x), GOLDEN["enc"])
    case.close_tensor(out.attention.transpose(1, 2).unflatten(2, (2, 4, 4)), GOLDEN["att"])
    case.close(out.attention.sum(2), [1.0] * 64)
    case.close((out.attention > 0).sum(2).double().mean(), GOLDEN["nnz_per_query"])
    case.close_tensor(out.reconstruction, GOLDEN["out_eval"])
    losses = objective(case.x, out, case.model.config)
    case.close(losses["reconstruction"], GOLDEN["mse_eval"])
    case.close(losses["entropy"], GOLDEN["entropy_eval"])
    assert losses["dead"].item() == GOLDEN["zero_queries"] == 0
    case.close(clip_error(out.reconstruction, case.x, "channel_norm"), GOLDEN["score_eval"])


@pytest.mark.slow
def test_losses_gradients_and_statistics_in_train_mode(case: Case) -> None:
    case.model.train()
    out = case.model(case.x)
    losses = objective(case.x, out, case.model.config)
    golden = GOLDEN["train"]
    case.close_tensor(out.reconstruction, golden["out"])
    case.close(losses["reconstruction"], golden["mse"])
    case.close(losses["entropy"], golden["entropy"])
    case.close(losses["loss"], golden["loss"])
    assert losses["dead"].item() == golden["zero_queries"] == 0
    losses["loss"].backward()
    parameters = dict(case.model.named_parameters())
    masked = case.model.config.shrinkage == "masked"
    for name, norm in golden["grad_norm"].items():
        # Just above the threshold the released form has a gradient of its own.
        case.close(parameters[name].grad.norm(), norm, 1e-7 if masked else 1e-8, gradient=True)
    case.close(case.model.encoder[1].running_mean.sum(), golden["bn1_running_mean_sum"])


@pytest.mark.parametrize(
    ("options", "count", "tensors"),
    [
        ({}, 6_492_801, 31),
        ({"memory": False}, 5_980_801, 30),
        ({"colour": "rgb"}, 6_503_171, 31),
        ({"colour": "rgb", "memory": False}, 5_991_171, 30),
    ],
)
def test_parameter_counts_of_the_released_networks(options: dict[str, object], count: int, tensors: int) -> None:
    model = MemAE.from_preset("code", **options)
    assert sum(p.numel() for p in model.parameters()) == count
    assert len(list(model.parameters())) == tensors
    assert (sum(b.numel() for b in model.buffers()), len(list(model.buffers()))) == (2439, 21)
    assert [sum(p.numel() for p in part.parameters()) for part in (model.encoder, model.decoder)] == (
        [2_990_784, 2_990_017] if model.config.colour == "gray" else [2_995_968, 2_995_203]
    )


def test_parameter_counts_layer_by_layer() -> None:
    model = MemAE.from_preset("code")
    weights = [2_688, 331_904, 884_992, 1_769_728, 1_769_728, 884_864, 331_872, 2_593]
    norms = [192, 256, 512, 512, 512, 256, 192]
    layers = [*model.encoder, *model.decoder]
    counts = [sum(p.numel() for p in layer.parameters()) for layer in layers]
    assert [n for n, layer in zip(counts, layers, strict=True) if "Conv" in type(layer).__name__] == weights
    assert [n for n, layer in zip(counts, layers, strict=True) if "Norm" in type(layer).__name__] == norms


@pytest.mark.parametrize(("memory", "gflop"), [(True, 66.429), (False, 65.381)])
def test_shapes_and_cost_of_the_released_network(memory: bool, gflop: float) -> None:
    # 1.057 above the released network: the zeros in the kernels of the last layer.
    with torch.device("meta"):
        model, x = MemAE.from_preset("code", memory=memory).eval(), torch.empty(1, 1, 16, 256, 256)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        out = model(x)
    assert counter.get_total_flops() / 1e9 == pytest.approx(gflop, rel=1e-5)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shapes = [tuple(x.shape[1:]) for layer in model.encoder if (x := layer(x)) is not None]
    assert counter.get_total_flops() / 1e9 == pytest.approx(32.162, rel=1e-4)
    assert shapes[2::3] == [(96, 16, 128, 128), (128, 8, 64, 64), (256, 4, 32, 32), (256, 2, 16, 16)]
    shapes = [tuple(x.shape[1:]) for layer in model.decoder if (x := layer(x)) is not None]
    assert shapes[::3] == [(256, 4, 32, 32), (128, 8, 64, 64), (96, 16, 128, 128), (1, 16, 256, 256)]
    if memory:
        assert out.attention.shape == (1, 512, 2000) and out.query.shape == out.read.shape == (1, 512, 256)


def test_key_names_and_shapes_are_those_of_the_released_network() -> None:
    own = {name: list(value.shape) for name, value in MemAE.from_preset("code").state_dict().items()}
    assert own == SHAPES
    assert len(own) == 52
    plain = {name for name in MemAE.from_preset("code", memory=False).state_dict()}
    assert plain == SHAPES.keys() - {"mem_rep.memory.weight"}
    assert MemAEConfig().items == 2000
