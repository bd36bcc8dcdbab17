"""The contracts of a weakly supervised detector, which learns by gradients from labelled bags of features."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from oddframe.datasets.bags import BagSet
from oddframe.models.bag_detector import BagBatch, BagDetector
from oddframe.models.catalogue import ModelEntry
from oddframe.models.registry import build
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.testing.check import (
    COST,
    HALF,
    Case,
    Check,
    Interrupted,
    cases,
    entry_is_whole,
    equipped,
    require,
    require_close,
    require_near,
    require_refused,
    require_words,
)
from oddframe.training.loop import train
from oddframe.training.sampling import as_batch

BACKBONES = {"seen": 6, "heard": 4}
SEGMENTS = 8


def bag_checks(about: ModelEntry) -> list[Check]:
    """The contracts of an entry of kind "bags". The detector takes the options `backbones` and `segments`."""
    first, found = cases(about)[0], []
    found.append(Check(first, "its entry is whole", entry_is_whole))
    found.append(Check(first, "its cost is stated, and is what a counter counts", cost_is_stated))
    for case in cases(about):
        found += [
            Check(case, "what it says of itself is true", words_are_true),
            Check(case, "scores are deterministic, whatever the batch", scores_ignore_the_batch),
            Check(case, "odd features give finite scores, losses and gradients", odd_features_are_finite),
            Check(case, "bf16 stays near fp32", half_is_near),
            Check(case, "weights survive a file and load as a reference", weights_survive),
            Check(case, "losses fall, and only what should learn does", losses_fall),
            Check(case, "a resumed run ends with the same bits", resumes_exactly),
        ]
        if equipped("onnx", "onnxscript", "onnxruntime"):
            found.append(Check(case, "its exported graph says what it says", graph_agrees, slow=True))
    return found


def make(case: Case) -> BagDetector:
    """The system at the tiny size, with weights that are always the same."""
    torch.manual_seed(0)
    options = {"backbones": BACKBONES, "segments": SEGMENTS, **case.about.tiny, **case.options}
    made = build(case.about, case.preset, **options)
    assert isinstance(made, BagDetector), f"{type(made).__name__} is no BagDetector, but its entry says kind bags"
    return made


def bags(count: int = 24, scale: float = 1.0, kind: type[np.floating] = np.float32, first: int = 0) -> BagSet:
    """Random bags; half of them are anomalous and have three segments that differ."""
    random = np.random.default_rng(count)
    features = {name: random.normal(size=(count, SEGMENTS, dim)) for name, dim in BACKBONES.items()}
    for bag in range(0, count, 2):
        for own in features.values():
            own[bag, 2:5, 0] += 4
    scaled = {name: (scale * own).astype(kind) for name, own in features.items()}
    return BagSet(scaled, np.arange(count) % 2 == 0, first)


def whole_batch(data: BagSet) -> BagBatch:
    """All bags of a set as one batch."""
    chosen = np.arange(len(data))
    batch = as_batch(data.batch(chosen, chosen, 0))
    assert isinstance(batch, BagBatch)
    return batch


def scores(detector: BagDetector, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What it says of these bags, in eval mode."""
    with torch.inference_mode():
        return detector.eval().score(features)


def cost_is_stated(case: Case) -> None:
    """The entry states what a counter counts of the first preset as published."""
    with torch.device("meta"):
        detector = build(case.about, case.preset)
    counted, stated = detector.flops_per_frame() / 1e9, case.about.gflop
    require(stated > 0, f"no cost is stated; a counter counts gflop={counted:.6g}")
    require(abs(stated - counted) <= COST * counted, f"gflop is {stated:g}; a counter counts {counted:.6g}")


def words_are_true(case: Case) -> None:
    """Components, shapes, backbones and words are those that the detector states."""
    detector, features = make(case), whole_batch(bags()).features
    got = scores(detector, features)
    require(list(got) == list(detector.components), f"components are {list(got)}, not {list(detector.components)}")
    require_words(detector.components)
    for name, value in got.items():
        require(value.shape == (24, SEGMENTS), f"{name} has shape {tuple(value.shape)}, not {(24, SEGMENTS)}")
        require(((value >= 0) & (value <= 1)).all(), f"{name} leaves the range from 0 to 1")
    required = scores(detector, {name: features[name] for name in detector.required})
    asked = set(detector.combination.weights)
    require(asked <= got.keys(), f"combination asks for {sorted(asked - got.keys())}, which there is not")
    require(asked <= required.keys(), "what makes the score needs more than the required backbones")
    require(detector.backbones == BACKBONES, f"backbones is {detector.backbones}, not the {BACKBONES} it was given")
    require(set(detector.required) <= set(BACKBONES), "it requires a backbone that there is not")
    require(detector.segments == SEGMENTS, f"segments is {detector.segments}, not the {SEGMENTS} it was given")


def scores_ignore_the_batch(case: Case) -> None:
    """The same bags give the same bits again, and the same scores one by one."""
    detector, features = make(case), whole_batch(bags()).features
    first, again = scores(detector, features), scores(detector, features)
    alone = [scores(detector, {k: v[n : n + 1] for k, v in features.items()}) for n in range(24)]
    for name, values in first.items():
        require(torch.equal(values, again[name]), f"{name} differs when bags are scored twice")
        require_close(torch.cat([one[name] for one in alone]), values, f"{name} of bags one by one")


def odd_features_are_finite(case: Case) -> None:
    """Features that are zero, tiny or huge give finite scores, losses and gradients."""
    for scale in (0.0, 1e-3, 1e3):
        detector, data = make(case), bags(scale=scale)
        for name, value in scores(detector, whole_batch(data).features).items():
            require(value.isfinite().all(), f"{name} is not finite for features times {scale:g}")
        for stage in detector.stages():
            stage.train_mode()
            for update in stage.updates():
                losses = update.loss(whole_batch(data))
                losses["loss"].backward()
                for name, loss in losses.items():
                    require(loss.isfinite().all(), f"{name} of stage {stage.name} is not finite at scale {scale:g}")
            for name, p in detector.named_parameters():
                require(p.grad is None or p.grad.isfinite().all(), f"gradient of {name} is not finite at {scale:g}")


def half_is_near(case: Case) -> None:
    """bf16 lies near fp32, measured by the size of each component."""
    detector, features = make(case), whole_batch(bags()).features
    with torch.autocast("cpu", torch.bfloat16):
        half = scores(detector, features)
    for name, values in scores(detector, features).items():
        require_near(half[name].float(), values, HALF, f"{name} in bf16")


def weights_survive(case: Case) -> None:
    """Scores have the same bits after the weights went through a file; an empty state dict is refused."""
    detector, features = make(case), whole_batch(bags()).features
    before = scores(detector, features)
    stored = save({name: value.contiguous() for name, value in detector.state_dict().items()})
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.add_(1)
    detector.load_reference_state_dict(load(stored))
    for name, values in scores(detector, features).items():
        require(torch.equal(values, before[name]), f"{name} differs after the weights were stored")
    require_refused(lambda: detector.load_reference_state_dict({}), "a state dict without any weights is taken")


def losses_fall(case: Case) -> None:
    """Steps on one batch lower the loss of every stage; what its optimiser does not hold stays."""
    detector, data = make(case), whole_batch(bags())
    for stage in detector.stages():
        stage.train_mode()
        updates, losses = stage.updates(), []
        require(len(updates) == 1, f"stage {stage.name} makes {len(updates)} updates in a step; bags allow for one")
        own = {id(p) for group in updates[0].optimiser.param_groups for p in group["params"]}
        fixed = [(n, p, p.detach().clone()) for n, p in detector.named_parameters() if id(p) not in own]
        for _ in range(15):
            for p in detector.parameters():
                p.requires_grad_(id(p) in own)
                p.grad = None
            loss = updates[0].loss(data)["loss"]
            loss.backward()
            updates[0].optimiser.step()
            losses.append(loss.item())
        require(losses[-1] < losses[0], f"the loss of stage {stage.name} goes from {losses[0]:g} to {losses[-1]:g}")
        for name, p, old in fixed:
            require(torch.equal(p, old), f"{name} changes in stage {stage.name}, whose optimiser does not hold it")


def resumes_exactly(case: Case) -> None:
    """A run that is interrupted early or late, and resumed, ends with the bits of one that was not."""
    plan = TrainingPlan(batch_size=8, budget="14steps")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        whole = make(case)
        _train(whole, bags(), plan, out / "whole")
        for at in (4, 11):
            stopped, resumed = make(case), make(case)
            try:
                _train(stopped, Interrupted(bags(), at), plan, out / str(at))
            except KeyboardInterrupt:
                pass
            else:
                raise AssertionError("training did not stop when it was interrupted")
            _train(resumed, bags(), plan, out / str(at), resume=True)
            for name, value in whole.state_dict().items():
                require(torch.equal(value, resumed.state_dict()[name]), f"{name} differs after the run was resumed")


def two_devices_learn_alike(case: Case) -> None:
    """Two processes learn what one learns with the whole batch. It holds where no loss looks at a device's share."""
    start, one, two = (make(case).double() for _ in range(3))
    plan, data = TrainingPlan(batch_size=8, budget="6steps"), bags(kind=np.float64)
    with tempfile.TemporaryDirectory() as folder:
        for detector, devices in ((one, 1), (two, 2)):
            out = Path(folder) / str(devices)
            train(detector, data, None, plan, out, TrainingOptions(devices=devices, device="cpu", progress=False))
    moved = (value - start.state_dict()[name] for name, value in one.state_dict().items())
    require(any(change.abs().max() > 0 for change in moved), "training changes nothing")
    for name, value in one.state_dict().items():
        other = two.state_dict()[name]
        require(torch.allclose(value, other, 1e-6, 1e-9), f"{name}: off by {(value - other).abs().max():.3g}")


def graph_agrees(case: Case) -> None:
    """Its graph gives in ONNX Runtime what it gives in torch of the required backbones."""
    from oddframe.runtime.onnx_graph import write_bag_graph
    from oddframe.runtime.session_runtime import bag_network
    from oddframe.runtime.sessions import open_session

    detector, features = make(case).eval(), whole_batch(bags()).features
    required = {name: features[name] for name in detector.required}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        write_bag_graph(detector, path)
        network = bag_network(open_session("onnx", path, "fp32"), detector.signature)
        got = network({name: value.numpy() for name, value in required.items()})
    wanted = scores(detector, required)
    require(set(detector.combination.weights) <= got.keys() <= wanted.keys(), f"the graph gives {list(got)}")
    for name, values in got.items():
        require_close(values, wanted[name], f"{name} of the graph")


def _train(
    detector: BagDetector, data: BagSet | Interrupted, plan: TrainingPlan, out: Path, resume: bool = False
) -> None:
    heldout = bags(16, first=24)
    train(detector, data, heldout, plan, out, TrainingOptions(device="cpu", resume=resume, progress=False))
