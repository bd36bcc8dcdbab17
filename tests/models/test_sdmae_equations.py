"""The losses and the map of SDMAE's paper, written as loops straight from its equations, against the `paper` preset.

Only what the network predicts is taken from the model. The rest is made again here from the bytes of the frames:
median, motion gradient, anomaly map, token weights (Eq. 1-2), the three losses (Eq. 3-5) and the fused map (Eq. 6).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from oddframe.models.detector import Batch
from oddframe.models.sdmae import SDMAE

B, H, W, D = 3, 8, 16, 4
ROWS, COLUMNS = H // D, W // D
N = ROWS * COLUMNS  # n of the equations
Array = NDArray[np.float64]


@pytest.fixture
def model() -> SDMAE:
    torch.manual_seed(0)
    options = {"patch": D, "size": (H, W), "encoder_width": 8, "decoder_width": 8, "heads": 2, "dropout": 0.0}
    return SDMAE.from_preset("paper", **options).double().eval()


@pytest.fixture
def batch() -> Batch:
    """Frame 0 with an object, its edge grey; frame 1 still; frame 2 as it is."""
    generator = torch.Generator().manual_seed(1)

    def frames(count: int) -> torch.Tensor:
        return torch.randint(0, 256, (B, count, H, W, 3), dtype=torch.uint8, generator=generator)

    target, context = frames(1), frames(1)
    context[1] = target[1]
    pasted = torch.zeros(B, H, W, dtype=torch.uint8)
    pasted[0, 2:6, 3:9] = 255
    pasted[0, 2, 3:9] = 100
    return Batch(frames(3), target, torch.tensor([5, 6, 7]), context=context, pasted=pasted)


def predictions(model: SDMAE, batch: Batch) -> tuple[Array, Array, Array]:
    """Patches of teacher and student (B, N, D, D, 4), and the probability of an anomaly (B,)."""
    with torch.no_grad():
        teacher, student, latent = model(batch.frames, model.order(batch))
        patches = [
            head(tokens).reshape(B, N, D, D, 4).numpy()
            for head, tokens in ((model.decoder_pred, teacher), (model.decoder_student_pred, student))
        ]
        return patches[0], patches[1], model.classify(latent).sigmoid().numpy()


def median(frame: Array, y: int, x: int, colour: int) -> float:
    """Of the 3 x 3 pixels around a pixel; the border is repeated outside."""
    around = [
        frame[min(max(y + dy, 0), H - 1), min(max(x + dx, 0), W - 1), colour] for dy in (-1, 0, 1) for dx in (-1, 0, 1)
    ]
    return float(sorted(around)[4])


def token_weights(batch: Batch, b: int) -> list[float]:
    """Eq. 1: m_i = (1/c) sum_l max_jk (tau_ijkl + a_ijk); Eq. 2: w_i = m_i / sum of m. All values in [0, 1]."""
    now, before = batch.target[b, 0].double().numpy() / 255, batch.context[b, 0].double().numpy() / 255
    a = batch.pasted[b].double().numpy() / 255
    m = []
    for i in range(N):
        top, left = i // COLUMNS * D, i % COLUMNS * D
        total = 0.0
        for colour in range(3):
            largest = 0.0
            for y in range(top, top + D):
                for x in range(left, left + D):
                    tau = abs(median(now, y, x, colour) - median(before, y, x, colour))
                    largest = max(largest, tau + a[y, x])
            total += largest
        m.append(total / 3)
    return [value / sum(m) if sum(m) else 1 / N for value in m]


def target(batch: Batch, b: int, i: int, y: int, x: int, channel: int) -> float:
    """Of a pixel of patch i: the clean frame in [-1, 1], and the anomaly map, 0 or 1."""
    row, column = i // COLUMNS * D + y, i % COLUMNS * D + x
    if channel == 3:
        return float(batch.pasted[b, row, column]) / 255
    return float(batch.target[b, 0, row, column, channel]) / 127.5 - 1


def weighted(batch: Batch, gap: Array) -> float:
    """The batch mean of (1/n) sum_i w_i ||gap_i||^2."""
    total = 0.0
    for b in range(B):
        weights = token_weights(batch, b)
        for i in range(N):
            total += weights[i] * sum(float(value) ** 2 for value in gap[b, i].flatten()) / N / B
    return total


def wrong(batch: Batch, got: Array) -> Array:
    gap = np.empty_like(got)
    for b, i, y, x, channel in np.ndindex(got.shape):
        gap[b, i, y, x, channel] = target(batch, b, i, y, x, channel) - got[b, i, y, x, channel]
    return gap


def test_eq_1_and_2_weights_of_tokens(model: SDMAE, batch: Batch) -> None:
    got = model.token_weights(batch)
    for b in range(B):
        assert got[b].tolist() == pytest.approx(token_weights(batch, b), rel=1e-12)
    assert got[1].tolist() == [1 / N] * N, "nothing moves in frame 1"


def test_eq_3_and_5_losses_of_the_teacher(model: SDMAE, batch: Batch) -> None:
    teacher, _, probability = predictions(model, batch)
    cross_entropy = 0.0
    for b in range(B):
        abnormal = any(batch.pasted[b].flatten().tolist())
        cross_entropy -= math.log(probability[b] if abnormal else 1 - probability[b]) / B
    got = model.stages()[0].loss(batch)
    assert got["reconstruction"].item() == pytest.approx(weighted(batch, wrong(batch, teacher)), rel=1e-12)
    assert got["class"].item() == pytest.approx(cross_entropy, rel=1e-12)
    assert got["loss"].item() == pytest.approx(got["reconstruction"].item() + got["class"].item(), rel=1e-12)


def test_eq_4_loss_of_the_student(model: SDMAE, batch: Batch) -> None:
    teacher, student, _ = predictions(model, batch)
    assert model.stages()[1].loss(batch)["loss"].item() == pytest.approx(weighted(batch, teacher - student), rel=1e-12)


def test_eq_6_map(model: SDMAE, batch: Batch) -> None:
    """alpha (x - teacher)^2 + beta (teacher - student)^2, the mean over the channels, + gamma times the probability.

    Where a video is scored nothing is pasted: its map is 0.
    """
    batch = replace(batch, pasted=torch.zeros(B, H, W, dtype=torch.uint8))
    teacher, student, probability = predictions(model, batch)
    gap = wrong(batch, teacher)
    wanted = np.empty((B, H, W))
    for b, row, column in np.ndindex(B, H, W):
        i, y, x = row // D * COLUMNS + column // D, row % D, column % D
        total = 0.0
        for channel in range(4):
            apart = teacher[b, i, y, x, channel] - student[b, i, y, x, channel]
            total += 0.4 * gap[b, i, y, x, channel] ** 2 + 0.3 * apart**2
        wanted[b, row, column] = total / 4 + 0.3 * probability[b]
    with torch.no_grad():
        got = model.score(batch).map
    assert got is not None
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-5)  # scores are in float32
