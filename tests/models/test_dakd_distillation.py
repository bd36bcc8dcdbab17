"""Refined labels and the contrastive loss: values worked out by hand, loops, and what must hold."""

from __future__ import annotations

from math import exp, log

import pytest
import torch
from torch import Tensor

from oddframe.models.dakd import DAKD, contrast, contrast_terms, pairs, smoothed, stretched

RAW = torch.tensor([[0.1, 0.1, 0.2, 0.9, 0.8, 0.1, 0.1, 0.1]], dtype=torch.float64)
REFINED = {
    (1, 1): [0, 0.0625, 0.5625, 1, 0.9375, 0.4375, 0, 0],
    (2, 1): [0.0625, 0.5625, 1, 1, 1, 0.9375, 0.4375, 0],
    (2, 2): [0.12, 0.42, 0.72, 1, 0.96, 0.64, 0.32, 0],
}


def refined(score: Tensor, reach: int = 2, passes: int = 1) -> Tensor:
    return stretched(smoothed(score, reach, passes, "replicate"))[0]


@pytest.mark.parametrize(("reach", "passes"), REFINED)
def test_values_of_refined_labels(reach: int, passes: int) -> None:
    wanted = torch.tensor([REFINED[reach, passes]], dtype=torch.float64)
    torch.testing.assert_close(refined(RAW, reach, passes), wanted, rtol=0, atol=1e-12)


def test_labels_span_0_to_1_whatever_the_scale_of_scores() -> None:
    score = torch.rand(20, 32, dtype=torch.float64)
    label = refined(score)
    assert (label.amin(1) == 0).all() and (label.amax(1) == 1).all()
    torch.testing.assert_close(refined(0.2 * score + 0.3), label, rtol=0, atol=1e-12)


def test_smoothing_is_a_box_and_none_is_none() -> None:
    assert torch.equal(smoothed(RAW, 0, 3, "replicate"), RAW)
    impulse = torch.zeros(1, 15, dtype=torch.float64)
    impulse[0, 7] = 1
    for reach in (1, 2, 3):
        torch.testing.assert_close((smoothed(impulse, reach, 1, "replicate") > 0).sum().item(), 2 * reach + 1)
    ends = smoothed(torch.ones(1, 6, dtype=torch.float64), 2, 1, "zero")[0]
    torch.testing.assert_close(ends, torch.tensor([0.6, 0.8, 1, 1, 0.8, 0.6], dtype=torch.float64))


def test_constant_scores_become_0_and_are_told() -> None:
    score = torch.full((2, 32), 0.7, dtype=torch.float64)
    score[1, 3] = 0.9
    label, flat = stretched(smoothed(score, 2, 1, "replicate"))
    assert flat.tolist() == [True, False] and (label[0] == 0).all() and label[1].max() == 1


def test_smoothing_comes_before_stretching() -> None:
    late = smoothed(stretched(RAW)[0], 2, 1, "replicate")
    assert (late - refined(RAW)).abs().max() > 0.1


def test_normal_videos_are_0_and_options_are_obeyed() -> None:
    score, label = torch.rand(4, 32), torch.tensor([1.0, 0, 0, 1])
    small = {"backbones": {"a": 4}, "student": "a", "projection": (4, 4), "attention_dim": 8}
    got, flat = DAKD.from_preset(**small).refine(score, label)
    assert (got[1:3] == 0).all() and (got[[0, 3]].amax(1) == 1).all() and not flat.any()
    torch.testing.assert_close(got[0], refined(score)[0])
    plain, _ = DAKD.from_preset(**small, min_max=False).refine(score, label)
    torch.testing.assert_close(plain[0], smoothed(score, 2, 1, "replicate")[0])
    sharp, _ = DAKD.from_preset(**small, smooth=0).refine(score, label)
    torch.testing.assert_close(sharp[0], stretched(score)[0][0])
    _, flat = DAKD.from_preset(**small).refine(torch.ones(4, 32), label)
    assert flat.tolist() == [True, False, False, True]  # of normal ones nothing is asked


# ---------------------------------------------------------------------------------------------------- contrast

TEACHER = torch.tensor([[1.0, 0], [0, 1], [1, 1], [-1, 0]], dtype=torch.float64)
STUDENT = torch.tensor([[1.0, 1], [0, 2], [1, 0], [0, -1]], dtype=torch.float64)
MASK = torch.tensor([True, False, False, True])


@pytest.mark.parametrize(
    ("tau", "anomalous", "normal", "total"),
    [
        (10, [1.085680, 1.066377], [1.025994, 1.063968], 2.121010),
        (1, [1.041466, 0.861995], [0.632036, 0.949113], 1.742305),
        (0.1, [2.981050, 0.693170], [0.052074, 2.981007], 3.353651),
    ],
)
def test_values_of_the_contrast(tau: float, anomalous: list[float], normal: list[float], total: float) -> None:
    term = contrast_terms(TEACHER, STUDENT, MASK, tau)
    wanted = torch.tensor([anomalous, normal], dtype=torch.float64)
    torch.testing.assert_close(torch.stack([term[MASK], term[~MASK]]), wanted, rtol=0, atol=6e-7)
    assert contrast(term, MASK, "class_mean").item() == pytest.approx(total, abs=1e-6)
    assert contrast(term, MASK, "sum").item() == pytest.approx(wanted.sum().item(), abs=2e-6)
    assert contrast(term, MASK, "mean").item() == pytest.approx(wanted.mean().item(), abs=1e-6)


def vectors(count: int = 12, size: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    teacher, student = torch.randn(2, count, size, generator=generator, dtype=torch.float64)
    return teacher, student, torch.arange(count) % 3 == 0


def looped(teacher: Tensor, student: Tensor, mask: Tensor, tau: float, group: Tensor) -> Tensor:
    found = []
    for i in range(len(mask)):

        def sim(m: int, i: int = i) -> float:
            return float(torch.cosine_similarity(teacher[i], student[m], dim=0)) / tau

        others = [exp(sim(m)) for m in range(len(mask)) if mask[m] != mask[i] and group[m] == group[i]]
        found.append(-log(exp(sim(i)) / (exp(sim(i)) + sum(others))))
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize("tau", [0.1, 1, 10])
def test_contrast_against_loops(tau: float) -> None:
    teacher, student, mask = vectors()
    one, group = torch.zeros(12, dtype=torch.int64), torch.arange(12) // 4
    got = contrast_terms(teacher, student, mask, tau)
    torch.testing.assert_close(got, looped(teacher, student, mask, tau, one), rtol=0, atol=1e-10)
    got = contrast_terms(teacher, student, mask, tau, group)
    wanted = looped(teacher, student, mask, tau, group)
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-10)
    both = [wanted[(group == g) & mask].mean() + wanted[(group == g) & ~mask].mean() for g in range(3)]
    torch.testing.assert_close(contrast(got, mask, "class_mean", group), torch.stack(both).mean())
    torch.testing.assert_close(contrast(got, mask, "mean", group), wanted.mean())


def test_those_of_the_same_class_play_no_part() -> None:
    teacher, student, mask = vectors()
    before = contrast_terms(teacher, student, mask, 1.0)
    student[0] += 3  # anomalous
    moved = (contrast_terms(teacher, student, mask, 1.0) - before).abs() > 1e-9
    wanted = ~mask  # it is among the others of all normal segments,
    wanted[0] = True  # and its own
    assert torch.equal(moved, wanted)


@pytest.mark.parametrize("tau", [0.1, 1, 10, 1e6])
def test_agreeing_vectors_of_orthogonal_classes(tau: float) -> None:
    mask = torch.tensor([True] * 3 + [False] * 7)
    x = torch.where(mask[:, None], torch.tensor([1.0, 0]), torch.tensor([0, 2.0])).double()
    term = contrast_terms(x, x, mask, tau)
    wanted = [log(1 + others * exp(-1 / tau)) for others in (7, 3)]
    torch.testing.assert_close(term, torch.tensor(wanted).double()[(~mask).long()], rtol=1e-6, atol=1e-9)


def test_only_directions_count_and_small_temperatures_are_safe() -> None:
    teacher, student, mask = vectors()
    for tau in (0.01, 1.0):
        term = contrast_terms(teacher, student, mask, tau)
        assert term.isfinite().all()
        torch.testing.assert_close(contrast_terms(7 * teacher, 0.2 * student, mask, tau), term)
    half = contrast_terms(teacher.float(), student.float(), mask, 0.01)
    torch.testing.assert_close(half.double(), contrast_terms(teacher, student, mask, 0.01), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [True, False])
def test_a_class_without_segments_gives_0_and_a_gradient(value: bool) -> None:
    teacher, student, _ = vectors()
    student.requires_grad_()
    mask = torch.full((12,), value)
    loss = contrast(contrast_terms(teacher, student, mask, 10.0), mask, "class_mean")
    loss.backward()
    assert loss.item() == 0 and (student.grad == 0).all()


def test_pairs_are_found_by_label() -> None:
    label = torch.tensor([0.0, 1, 1, 0, 1])
    assert pairs(label).tolist() == [0, 0, 1, 1, 0]
    assert pairs(torch.ones(3)).tolist() == [0, 0, 0]
