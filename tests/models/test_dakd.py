"""DAKD as a system: what it says of itself, what its stages teach whom, and that its options do what they say."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from oddframe.datasets.bags import BagSet
from oddframe.errors import BundleError, RecipeError
from oddframe.models.bag_detector import BagBatch
from oddframe.models.dakd import DAKD, PATIENCE, CollapseWatch, DAKDStudentStage, contrast, contrast_terms
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.training.loop import train

DIMS = {"i3d": 12, "clip": 8}
TINY: dict[str, Any] = {
    "backbones": DIMS, "segments": 6, "projection": (10, 8), "attention_dim": 16, "heads": 2, "max_distance": 4,
    "head": (12, 4), "projector_width": 5, "temporal_width": 8,
}  # fmt: skip


def tiny(preset: str = "paper", **options: Any) -> DAKD:
    torch.manual_seed(0)
    return DAKD.from_preset(preset, **{**TINY, **options})


def batch(normal: int = 3, anomalous: int = 3, seed: int = 0) -> BagBatch:
    generator = torch.Generator().manual_seed(seed)
    count = normal + anomalous
    features = {name: torch.randn(count, 6, dim, generator=generator) for name, dim in DIMS.items()}
    label = torch.tensor([0.0] * normal + [1.0] * anomalous)
    for x in features.values():
        x[normal:, 2:4] += 2
    return BagBatch(features, label, torch.arange(count), torch.arange(count))


def chosen(b: BagBatch, order: Tensor) -> BagBatch:
    return BagBatch({name: x[order] for name, x in b.features.items()}, b.label[order], b.index[order], b.key[order])


def student_stage(detector: DAKD, dropout: bool = False) -> DAKDStudentStage:
    stage = detector.stages()[1]
    assert isinstance(stage, DAKDStudentStage)
    stage.train_mode()
    if not dropout:
        detector.eval()
    return stage


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameters_of_the_published_sizes() -> None:
    with torch.device("meta"):
        full, half = DAKD.from_preset(), DAKD.from_preset(attention_dim=512)
        i3d = DAKD.from_preset(student="i3d").student, DAKD.from_preset(student="i3d", attention_dim=512).student
    assert (count(full.teacher), count(full.student)) == (9_519_681, 4_792_897)
    assert (count(half.teacher), count(half.student)) == (5_294_145, 2_143_297)
    assert tuple(map(count, i3d)) == (5_055_041, 2_405_441)
    assert [count(p) for p in full.teacher.projections.values()] == [787_456, 787_456, 525_312]
    assert (count(full.teacher.temporal), count(full.teacher.head)) == (6_878_208, 541_249)
    assert (count(half.teacher.temporal), count(half.teacher.head)) == (2_914_816, 279_105)
    assert (count(full.student.temporal), count(half.student.temporal)) == (3_726_336, 1_338_880)


@pytest.mark.parametrize("preset", ["paper", "robust"])
def test_what_it_says_of_itself(preset: str) -> None:
    detector, b = tiny(preset).eval(), batch()
    assert detector.required == ("clip",) and detector.segments == 6 and dict(detector.backbones) == DIMS
    assert list(detector.components) == ["student", "teacher"]
    assert dict(detector.combination.weights) == {"student": 1.0}
    both = detector.score(b.features)
    alone = detector.score({"clip": b.features["clip"]})
    assert list(both) == ["student", "teacher"] and list(alone) == ["student"]
    assert torch.equal(both["student"], alone["student"])
    for score in both.values():
        assert score.shape == (6, 6) and score.min() >= 0 and score.max() <= 1
    assert all(words[0].islower() and not words.endswith(".") for words in detector.reported.values())
    teacher = tiny(preset, student=None).eval()
    assert teacher.required == ("i3d", "clip") and list(teacher.score(b.features)) == ["teacher"]
    assert [stage.name for stage in teacher.stages()] == ["teacher"]


def test_scores_do_not_depend_on_the_batch_and_survive_a_file() -> None:
    detector, b = tiny().eval(), batch()
    whole = detector.score(b.features)
    for n in range(6):
        one = detector.score({name: x[n : n + 1] for name, x in b.features.items()})
        for name, score in one.items():
            torch.testing.assert_close(score[0], whole[name][n], rtol=0, atol=1e-6)
    again = tiny()
    again.load_reference_state_dict({name: value + 0 for name, value in detector.state_dict().items()})
    torch.testing.assert_close(again.eval().score(b.features), whole, rtol=0, atol=0)
    with pytest.raises(BundleError, match="DAKD checkpoint lacks"):
        again.load_reference_state_dict({})


def test_normalised_features_make_scale_irrelevant() -> None:
    b = batch()
    small = {name: 1e-2 * x for name, x in b.features.items()}
    for norm in ("l2", "layernorm"):
        detector = tiny(feature_norm=norm).eval()
        torch.testing.assert_close(detector.score(small), detector.score(b.features), rtol=0, atol=1e-5)
    detector = tiny().eval()
    assert (detector.score(small)["teacher"] - detector.score(b.features)["teacher"]).abs().max() > 5e-4
    assert tiny("robust").config.feature_norm == "layernorm"


def test_teacher_and_student_learn_the_scale_of_their_features() -> None:
    b, detector = batch(), tiny(feature_norm="standard")
    for stage in detector.stages():
        stage.prepare(iter([b]))
    assert detector.student is not None
    for branch, names in ((detector.teacher, ("i3d", "clip")), (detector.student, ("clip",))):
        for name, x in zip(names, branch.norm(b.features), strict=True):
            rows = b.features[name].flatten(0, 1)
            wanted = (rows - rows.mean(0)) / rows.std(0, correction=0)
            torch.testing.assert_close(x.flatten(0, 1), wanted, rtol=1e-4, atol=1e-4)


# -------------------------------------------------------------------------------------------------------- learning

VARIANTS: list[dict[str, Any]] = [
    {}, {"block": "deberta"}, {"temporal": "none"}, {"temporal": "gru"}, {"temporal": "mtn"},
    {"temporal": "disentangled", "projector": "separate"}, {"terms": ("self", "c2p")}, {"learn_table": False},
    {"alpha": 0.0}, {"prediction": "mil"}, {"prediction": "teacher_head"}, {"distilled": "hidden"},
    {"distilled": "bottleneck", "negatives": "pair", "reduction": "mean"}, {"student_projection": False},
    {"targets": "hard"}, {"buckets": 4}, {"mil_scale": "sum", "pairing": "index"},
]  # fmt: skip


def label_of(options: dict[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in options.items()) or "default"


@pytest.mark.slow
@pytest.mark.parametrize("options", VARIANTS, ids=label_of)
def test_losses_fall_and_what_should_learn_learns(options: dict[str, Any]) -> None:
    detector, b = tiny("robust", tau=1.0, head_dropout=0.0, **options), batch()
    for stage in detector.stages():
        stage.train_mode()
        stage.prepare(iter(()))
        (update,), losses = stage.updates(), []
        own = {id(p) for group in update.optimiser.param_groups for p in group["params"]}
        before = {name: p.detach().clone() for name, p in detector.named_parameters() if id(p) not in own}
        for _ in range(15):
            loss = update.loss(b)["loss"]
            update.optimiser.zero_grad()
            loss.backward()
            update.optimiser.step()
            losses.append(loss.item())
        assert not [n for n, p in detector.named_parameters() if id(p) in own and not (p.grad.abs().sum() > 0)]
        assert losses[-1] < losses[0]
        after = dict(detector.named_parameters())
        assert all(torch.equal(after[name], value) for name, value in before.items())
        mine = {n for n, p in after.items() if id(p) in own}
        if stage.name == "teacher":
            assert mine == {n for n in after if n.startswith("teacher.")}
        else:
            head = "student.head" if options.get("prediction") == "teacher_head" else "never"
            assert mine == {n for n in after if n.startswith(("student.", "projectors.")) and not n.startswith(head)}


def test_temporal_modules_learn_slower() -> None:
    detector = tiny()
    for stage, scorer in zip(detector.stages(), (detector.teacher, detector.student), strict=True):
        (update,) = stage.updates()
        assert isinstance(update.optimiser, torch.optim.Adagrad)
        rates = {id(p): group["lr"] for group in update.optimiser.param_groups for p in group["params"]}
        assert {rates[id(p)] for p in scorer.temporal.parameters()} == {1e-4}
        assert {rates[id(p)] for p in scorer.head.parameters()} == {1e-3}
        assert {group["weight_decay"] for group in update.optimiser.param_groups} == {1e-3}
        assert (stage.sampling.kind, stage.length, stage.unit) == ("balanced", 100, "epochs")


def test_labels_count_and_not_positions() -> None:
    b, order = batch(), torch.tensor([4, 0, 5, 2, 1, 3])
    for number in (0, 1):
        stage = tiny().eval().stages()[number]
        straight, mixed = stage.loss(b), stage.loss(chosen(b, order))
        for name in straight:
            torch.testing.assert_close(mixed[name], straight[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("normal", "anomalous"), [(0, 4), (4, 0), (1, 5)])
def test_any_share_of_classes(normal: int, anomalous: int) -> None:
    detector = tiny()
    for stage in detector.stages():
        stage.train_mode()
        losses = stage.updates()[0].loss(batch(normal, anomalous))
        losses["loss"].backward()
        assert all(value.isfinite() for value in losses.values())
    assert all(p.grad is None or p.grad.isfinite().all() for p in detector.parameters())


def test_the_teacher_is_frozen_and_its_dropout_off() -> None:
    detector = tiny()
    stage = student_stage(detector, dropout=True)
    assert detector.student.training and detector.projectors.training and not detector.teacher.training
    stage.loss(batch())["loss"].backward()
    assert all(p.grad is None for p in detector.teacher.parameters())
    assert all(p.grad is not None for p in detector.projectors.parameters())
    first = detector.stages()[0]
    first.train_mode()
    assert (detector.teacher.training, detector.student.training) == (True, False)


def test_the_students_loss_is_what_the_paper_adds_up() -> None:
    detector, b = tiny(), batch()
    got = student_stage(detector).loss(b)
    teacher, student = detector.teacher(b.features), detector.student(b.features)
    label, _ = detector.refine(teacher.score, b.label)
    bce = F.binary_cross_entropy(student.score, label)
    g = detector.projectors["both"]
    mask = (label > 0.9).flatten()
    vectors = g(teacher.temporal).flatten(0, 1), g(student.temporal).flatten(0, 1)
    nce = contrast(contrast_terms(*vectors, mask, 10.0), mask, "class_mean")
    torch.testing.assert_close([got["bce"], got["nce"]], [bce, nce])
    torch.testing.assert_close(got["loss"], bce + 750 * nce)
    assert got["anomalous"] == mask.sum() and got["above"] == pytest.approx(mask.sum() / 18) and got["guarded"] == 0


def test_masks_come_from_the_teacher() -> None:
    detector, b = tiny(), batch()
    before = student_stage(detector).loss(b)
    with torch.no_grad():
        detector.student.head.last.bias += 5
    after = student_stage(detector).loss(b)
    assert torch.equal(after["nce"], before["nce"]) and torch.equal(after["anomalous"], before["anomalous"])
    assert after["bce"] != before["bce"]


def test_switches_of_the_students_loss() -> None:
    def losses(**options: Any) -> dict[str, Tensor]:
        return student_stage(tiny(**options)).loss(batch())

    assert list(losses(alpha=0.0))[:2] == ["loss", "bce"] and "nce" not in losses(alpha=0.0)
    assert "bce" not in losses(prediction="mil") and "mil" in losses(prediction="mil")
    only = losses(prediction="teacher_head", alpha=1.0, tau=2.0)
    torch.testing.assert_close(only["loss"], 4 * only["nce"])
    base = losses()
    for options in ({"smooth": 0}, {"min_max": False}, {"targets": "hard"}):
        assert losses(**options)["bce"] != base["bce"]
    for options in ({"mask": "raw"}, {"delta": 0.2}, {"distilled": "hidden"}, {"projector": "separate"}):
        assert losses(**options)["nce"] != base["nce"]
    assert losses(mask="raw")["anomalous"] == 0  # an untrained teacher is sure of nothing
    detector = tiny(prediction="teacher_head")
    stage = student_stage(detector)
    stage.prepare(iter(()))
    assert torch.equal(detector.student.head.first.weight, detector.teacher.head.first.weight)


@pytest.mark.parametrize("options", [{}, {"mask": "raw", "delta": 0.5}, {"distilled": "hidden"}], ids=label_of)
def test_kept_answers_are_those_of_the_moment(options: dict[str, Any]) -> None:
    b, order = batch(), torch.tensor([5, 1, 0, 4])
    cached, online = (student_stage(tiny(teacher_answers=how, **options)) for how in ("cached", "online"))
    cached.loss(batch(seed=0))
    for part in (b, chosen(b, order)):
        left, right = cached.loss(part), online.loss(part)
        for name in left:
            torch.testing.assert_close(left[name], right[name], rtol=1e-6, atol=1e-6)
    assert sorted(cached.kept) == list(range(6)) and not online.kept


def test_kept_answers_have_the_same_bits_in_every_batch() -> None:
    b = batch()
    one, other = (student_stage(tiny()) for _ in range(2))
    one.lesson(b)
    other.lesson(chosen(b, torch.tensor([3, 0])))
    other.lesson(chosen(b, torch.tensor([5, 4, 3, 1, 2, 0])))
    for index, lesson in one.kept.items():
        for part in ("score", "label", "feature", "flat"):
            assert torch.equal(getattr(lesson, part), getattr(other.kept[index], part))
    other.updates()
    assert not other.kept  # the teacher may have changed before a stage begins


# ------------------------------------------------------------------------------------------------------- warnings


def test_a_collapse_is_told_once_and_not_at_the_start() -> None:
    detector, b = tiny(), batch()
    with torch.no_grad():
        detector.teacher.head.last.weight.zero_()  # every segment scores the same
    stage = detector.stages()[0]
    stage.train_mode()
    for _ in range(PATIENCE - 1):
        assert stage.loss(b)["spread"] < 1e-6
    with torch.no_grad():
        stage.loss(b)  # what is only measured does not count
    with pytest.warns(RuntimeWarning, match="DAKD teacher: after 150 steps .*preset robust"):
        stage.loss(b)
    for _ in range(PATIENCE):
        stage.loss(b)


def test_scores_that_come_to_differ_are_no_collapse() -> None:
    watch = CollapseWatch("x", "y")
    for step in range(3 * PATIENCE):
        watch.step(torch.tensor(min(0.1, 1e-6 * 1.04**step)))  # 0.0004 after 150 steps, 0.01 after 235
    assert not watch.warned
    with pytest.warns(RuntimeWarning, match="x: after .* y"):
        for _ in range(PATIENCE):
            watch.step(torch.tensor(0.009))


@pytest.mark.parametrize("answers", ["cached", "online"])
def test_flat_videos_are_taught_as_normal_and_told_once(answers: str) -> None:
    detector, b = tiny(teacher_answers=answers), batch()
    with torch.no_grad():
        detector.teacher.head.last.weight.zero_()
    stage = student_stage(detector)
    with pytest.warns(RuntimeWarning, match="taught as normal"):
        losses = stage.loss(b)
    again = stage.loss(b)
    assert losses["guarded"] == again["guarded"] == 3 and losses["anomalous"] == 0 and losses["nce"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbones": {}}, r"DAKD: backbones is \{\}: name at least one"),
        ({"backbones": None}, "DAKD: backbones is None: name at least one"),
        ({"student": "s3d"}, "DAKD: student 's3d' is none of backbones: i3d, clip"),
        ({"heads": 3}, "DAKD: attention_dim 16 must be a multiple of heads 3"),
        ({"head_dropout": 1.5}, "DAKD: head_dropout 1.5"),
        ({"terms": ["cross"]}, r"DAKD: terms \[cross\] leaves"),
        ({"terms": ["position"]}, "DAKD: terms is"),
        ({"tau": 0.0}, "tau 0 above 0"),
        ({"smooth": -1}, "smooth -1 must be"),
        ({"segments": 0}, "DAKD: segments, temporal_layers and all widths"),
        ({"margin": 0.0}, "DAKD: margin 0 must be above 0"),
        ({"prediction": "teacher_head", "alpha": 0.0}, "nothing to learn from"),
        ({"prediction": "teacher_head", "temporal": "none"}, "cannot take the teacher's head"),
        ({"temporal": "cnn"}, "DAKD: temporal is 'cnn'"),
        ({"colour": 1}, "DAKD has no option 'colour'"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        tiny(**options)


# ------------------------------------------------------------------------------------------------------ whole runs


def bags() -> BagSet:
    b = batch(7, 5)
    return BagSet({name: x.numpy() for name, x in b.features.items()}, b.label.numpy().astype(int))


@pytest.mark.slow
def test_a_run_repeats_to_the_bit_and_resumes_in_the_student(tmp_path: Path) -> None:
    class Stopped(BagSet):
        left = 14

        def batch(self, *args: Any) -> Any:
            self.left -= 1
            if not self.left:
                raise RuntimeError("power cut")
            return super().batch(*args)

    plan = TrainingPlan(batch_size=4)
    how = TrainingOptions(device="cpu", progress=False, checkpoint_seconds=0)
    options: dict[str, Any] = {"teacher_epochs": 2, "student_epochs": 2, "head_dropout": 0.5}
    whole, resumed = tiny(**options), tiny(**options)
    train(whole, bags(), bags(), plan, tmp_path / "whole", how)
    cut = bags()
    cut.__class__ = Stopped
    with pytest.raises(RuntimeError, match="power cut"):
        train(resumed, cut, bags(), plan, tmp_path / "resumed", how)
    again = tiny(**options)
    train(again, bags(), bags(), plan, tmp_path / "resumed", replace(how, resume=True))
    start = tiny(**options).state_dict()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert not all(torch.equal(value, start[name]) for name, value in whole.state_dict().items())


@pytest.mark.slow
def test_the_toy_is_learnt_and_short_inputs_collapse() -> None:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "dakd_toy.py"
    spec = importlib.util.spec_from_file_location("dakd_toy", path)
    assert spec is not None and spec.loader is not None
    toy = importlib.util.module_from_spec(spec)
    sys.modules["dakd_toy"] = toy  # dataclasses look it up
    spec.loader.exec_module(toy)
    training, test = toy.make_toy_bags(0, 120, 1000), toy.make_toy_bags(500, 80, 1000)
    teacher, warned = toy.learn(training, 0, 60)
    auc, spread = toy.judged(teacher, test, "teacher")
    assert auc > 0.85 and spread > 0.05 and not warned
    collapsed, warned = toy.learn(toy.short(training), 0, 60)
    assert toy.judged(collapsed, toy.short(test), "teacher")[1] < 0.01 and warned
    robust, warned = toy.learn(toy.short(training), 0, 100, "robust")
    assert toy.judged(robust, toy.short(test), "teacher")[1] > 0.05 and not warned
