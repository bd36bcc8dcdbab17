"""MNAD against values computed by the authors' released code, in float64, with weights and inputs from a formula."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_weights import drawn_clips, drawn_weights
from torch.nn import functional as F

from oddframe.models.mnad import MNAD, MNADTraining, gate_score, rewritten

GOLDEN = json.loads((Path(__file__).parent / "golden" / "mnad.json").read_text())
CASES = [(variant, dtype) for variant in GOLDEN for dtype in (torch.float64, torch.float32)]
DEAD = {f"encoder.moduleBatchNorm.{name}" for name in ("weight", "bias")}


@functools.cache
def released_state(variant: str) -> dict[str, torch.Tensor]:
    """Every tensor of the released network by its key name, and the items."""
    items = torch.from_numpy(np.random.RandomState(11).random_sample((10, 512)))
    return {**drawn_weights(GOLDEN[variant]["state_shapes"]), "keys": F.normalize(items)}


class Case:
    def __init__(self, variant: str, dtype: torch.dtype) -> None:
        self.golden, self.dtype = GOLDEN[variant], dtype
        self.model = MNAD.from_preset("code", variant=variant, size=(64, 64)).to(dtype).eval()
        self.model.load_reference_state_dict(released_state(variant))
        frames = drawn_clips().to(dtype)
        prediction = variant == "prediction"
        self.x, self.target = (frames[:, :12], frames[:, 12:]) if prediction else (frames[:, :3], frames[:, :3])

    def close(self, got: torch.Tensor | float, wanted: float | list[float], single: float = 2e-4) -> None:
        """To 1e-9 in float64, and to `single` in float32."""
        double = self.dtype == torch.float64
        got = torch.as_tensor(got).detach().double().flatten()
        wanted = torch.as_tensor(wanted, dtype=torch.float64).flatten()
        torch.testing.assert_close(got, wanted, rtol=1e-9 if double else single, atol=1e-12 if double else 2e-6)

    def close_tensor(self, got: torch.Tensor, golden: dict) -> None:
        assert list(got.shape) == golden["shape"]
        self.close(got.flatten()[:3], golden["first"])
        self.close(got.flatten()[got.numel() // 2], golden["mid"])
        self.close(got.flatten()[-1], golden["last"])
        self.close(got.mean(), golden["mean"])
        self.close(got.std(correction=0), golden["std"])
        self.close(got.abs().sum(), golden["abs_sum"])


@pytest.fixture(scope="module", params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(*request.param)


@pytest.mark.slow
@torch.no_grad()
def test_forward_and_scores_of_one_frame(case: Case) -> None:
    model, golden = case.model, case.golden
    features_BCHW, _ = model.encoder(case.x[:1])
    case.close_tensor(features_BCHW, golden["fea_eval"])
    query_BKC, skips = model.encode(case.x[:1])
    case.close(model.read_weights(query_BKC, model.memory).max(), golden["read_w_max"])
    predicted_BCHW = model.decode(query_BKC, skips, model.memory)
    case.close_tensor(predicted_BCHW, golden["out_eval"])

    components = model.assess(predicted_BCHW, case.target[:1], query_BKC, model.memory).components
    frame, memory = components.values()
    case.close(frame, golden["mse01"])
    case.close(-10 * frame.log10(), golden["psnr"])
    case.close(memory, golden["compact_test"])
    case.close(gate_score(predicted_BCHW, case.target[:1], "squared"), golden["gate_score"])


@torch.no_grad()
def test_memory_update_of_one_frame(case: Case) -> None:
    model, golden = case.model, case.golden
    query_KC = model.encode(case.x[:1])[0][0]
    counts = model.read_weights(query_KC, model.memory).argmax(1).bincount(minlength=10)
    assert counts.tolist() == golden["assign_counts"]
    items_MC = rewritten(model.memory, query_KC, "all")
    case.close_tensor(items_MC, golden["mem_updated"])
    case.close((items_MC * model.memory).sum(1), golden["mem_rowdot_old_new"])
    unused = counts == 0
    assert unused.any()
    case.close(items_MC[unused], model.memory[unused].flatten().tolist())


@pytest.mark.slow
def test_losses_gradients_and_memory_of_a_training_step(case: Case) -> None:
    model, golden = case.model, case.golden["train"]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    seen: list[torch.Tensor] = []
    hook = model.decoder.register_forward_hook(lambda module, args, out: seen.append(out))
    stage = MNADTraining(model)
    losses = stage.losses(case.x, case.target)
    hook.remove()
    case.close_tensor(seen[0], golden["out"])
    case.close(losses["frame"], golden["pixel"])
    case.close(losses["compactness"], golden["compact"])
    case.close(losses["separateness"], golden["separate"])
    case.close(losses["loss"], golden["loss"])

    losses["loss"].backward()
    parameters = dict(model.named_parameters())
    for name, norm in golden["grad_norm"].items():
        case.close(parameters[name].grad.norm(), norm, single=1e-3)  # a maximum or two falls the other way
    assert all(parameter.grad is not None for parameter in parameters.values())
    case.close(model.memory, state["memory"].flatten().tolist())  # the losses saw the memory as it was
    stage.update_buffers(lambda queries: queries)
    case.close_tensor(model.memory, golden["mem_new"])

    model.zero_grad(set_to_none=True)
    model.load_state_dict(state)
    model.eval()


@pytest.mark.parametrize(
    ("variant", "published", "encoder", "decoder"),
    [("prediction", 15_651_843, 4_694_400, 10_957_443), ("reconstruction", 17_196_291, 4_689_216, 12_507_075)],
)
def test_parameters_and_key_names_of_the_released_networks(
    variant: str, published: int, encoder: int, decoder: int
) -> None:
    shapes, model = GOLDEN[variant]["state_shapes"], MNAD.from_preset("code", variant=variant)

    def count(module: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    # The released encoder owns a BatchNorm of 2 x 512 parameters that nothing calls; it is not built.
    assert (count(model) + 1024, count(model.encoder) + 1024, count(model.decoder)) == (published, encoder, decoder)
    assert set(GOLDEN[variant]["train"]["params_without_grad"]) == DEAD
    assert len(shapes) == 135
    own = {name: list(value.shape) for name, value in model.state_dict().items()}
    living = {name: shape for name, shape in shapes.items() if "moduleBatchNorm" not in name}
    assert own == {**living, "memory": [10, 512]}
    buffers = sum(value.numel() for name, value in model.named_buffers() if name != "memory")
    assert buffers + 2 * 512 + 1 == {"prediction": 8595, "reconstruction": 9491}[variant]
