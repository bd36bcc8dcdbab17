"""SDMAE against values computed by the authors' released code, in float64, with weights and inputs from a formula."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from golden_weights import sine_weights

from oddframe.models.layers.pixels import signed
from oddframe.models.sdmae import SDMAE, gather_patches, motion_weights, patchify, weighted_error

GOLDEN = json.loads((Path(__file__).parent / "golden" / "sdmae.json").read_text())
CASES = [("p16", 16, (64, 128)), ("p8", 8, (32, 64))]


class Case:
    def __init__(self, name: str, patch: int, size: tuple[int, int], dtype: torch.dtype) -> None:
        height, width = size
        self.golden = GOLDEN[name]
        self.patch, self.dtype = patch, dtype
        self.model = SDMAE.from_preset("code", patch=patch, size=size, dropout=0.0).to(dtype).eval()
        shapes = {name: value.shape for name, value in self.model.state_dict().items()}
        self.model.load_reference_state_dict(sine_weights(shapes, ("cls_token", "mask_token")))
        flat = torch.arange(2 * 9 * height * width, dtype=torch.float64)
        self.x = torch.sin(0.013 * flat + 0.3).reshape(2, 9, height, width)
        gradient = 20 * (1 + torch.sin(0.021 * flat[: 2 * 3 * height * width] + 1.0)).reshape(2, 3, height, width)
        anomaly = torch.full((2, 1, height, width), -1.0, dtype=torch.float64)
        anomaly[1, :, : height // 2, : width // 4] = 1
        target = torch.cat((0.9 * self.x[:, 3:6] + 0.05, anomaly), 1)
        rows = torch.arange(1, 3, dtype=torch.float64)[:, None]
        columns = torch.arange(1, 33, dtype=torch.float64)[None]
        self.order = ((0.6180339887498949 * columns + 0.137 * rows) % 1).argsort(dim=1, stable=True)
        self.weights = motion_weights(gradient.permute(0, 2, 3, 1), anomaly[:, 0].clamp(0, 1), patch, "code").to(dtype)
        self.target = patchify(target.permute(0, 2, 3, 1), patch).to(dtype)
        frames = self.x.unflatten(1, (3, 3)).permute(0, 1, 3, 4, 2)
        self.frames = (127.5 * frames + 127.5).to(dtype)

    def predict(self) -> tuple[torch.Tensor, torch.Tensor]:
        teacher, student, _ = self.model(self.frames, self.order)
        return self.model.decoder_pred(teacher), self.model.decoder_student_pred(student)

    def teacher_loss(self) -> torch.Tensor:
        return weighted_error(self.target, self.predict()[0], self.weights, "code")

    def student_loss(self) -> torch.Tensor:
        (teacher, student), mask = self.predict(), self.model.mask(self.order)
        return ((student - teacher).square().mean(2) * mask).sum() / mask.sum()


@pytest.fixture(params=[(*case, dtype) for case in CASES for dtype in (torch.float64, torch.float32)], ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(*request.param)


def close(got: torch.Tensor | float, wanted: float | list[float], case: Case) -> None:
    double = case.dtype == torch.float64
    got = torch.as_tensor(got).double().flatten()
    wanted = torch.as_tensor(wanted, dtype=torch.float64).flatten()
    torch.testing.assert_close(got, wanted, rtol=1e-9 if double else 2e-4, atol=1e-12 if double else 2e-4)


def close_tensor(got: torch.Tensor, golden: dict, case: Case) -> None:
    assert list(got.shape) == golden["shape"]
    close(got.flatten()[:8], golden["first8"], case)
    close(got.flatten()[-4:], golden["last4"], case)
    close(got.mean(), golden["mean"], case)
    close(got.std(correction=0), golden["std"], case)
    close(got.abs().max(), golden["absmax"], case)


@torch.no_grad()
def test_forward(case: Case) -> None:
    patches = signed(gather_patches(case.frames, torch.arange(32).expand(2, -1), case.patch), case.dtype)
    embedded = case.model.patch_embed(patches).transpose(1, 2).reshape(2, 256, 4, 8)
    close_tensor(embedded, case.golden["patch_embed"], case)
    close_tensor(case.model.encode(case.frames, case.order), case.golden["latent"], case)
    assert case.model.mask(case.order)[0].int().tolist() == case.golden["mask_row0"]
    assert case.model.restore(case.order)[0].tolist() == case.golden["ids_restore_row0"]
    teacher, student = case.predict()
    close_tensor(teacher, case.golden["teacher"], case)
    close_tensor(student, case.golden["student"], case)


@torch.no_grad()
def test_losses_in_eval_mode(case: Case) -> None:
    close(case.teacher_loss(), case.golden["loss_stage1_eval"], case)
    close(case.student_loss(), case.golden["loss_stage2_eval"], case)


def test_losses_and_gradients_in_train_mode(case: Case) -> None:
    state = {name: value.clone() for name, value in case.model.state_dict().items()}
    case.model.train()
    loss = case.teacher_loss()
    close(loss, case.golden["loss_stage1_train_nodrop"], case)
    loss.backward()
    parameters = dict(case.model.named_parameters())
    for name, norm in case.golden["gradnorm_stage1"].items():
        close(parameters[name].grad.norm(), norm, case)
    assert all(p.grad is None for n, p in parameters.items() if "student" in n)

    case.model.load_state_dict(state)
    case.model.zero_grad()
    loss = case.student_loss()
    close(loss, case.golden["loss_stage2_train_nodrop"], case)
    loss.backward()
    for name, norm in case.golden["gradnorm_stage2"].items():
        close(parameters[name].grad.norm(), norm, case)


@torch.no_grad()
def test_scores(case: Case) -> None:
    teacher, student = case.predict()
    error, gap = case.target - teacher, teacher - student
    close(error.square().mean((1, 2)), case.golden["score_L2_T"], case)
    close(gap.square().mean((1, 2)), case.golden["score_L2_TS"], case)
    close(error.abs().mean((1, 2)), case.golden["score_L1_T"], case)
    close(gap.abs().mean((1, 2)), case.golden["score_L1_TS"], case)
