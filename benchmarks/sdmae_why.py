"""What SDMAE learns of a camera, in minutes, by what it is shown as anomalous: seen on held-out normal video alone.

    python benchmarks/sdmae_why.py ../shared/data/ucsd_ped2/training/videos --steps 500 world training world+training

A network of patch 8 is trained for each source of pseudo-anomalies and asked on held-out video: AUC of each component
between windows as they are and the same windows

    kinds      with a street object of a kind that it was not trained with
    faster     with an object of the held-out video, at 1.7 to 4 times its speed
    as usual   with the same objects at their own speed: what is found here is that something was pasted, not what
    double     played at double speed: nothing is pasted, everything is too fast

`--set` changes the recipe, as it does for `oddframe fit`; `--parts` tells instead what the parts of the loss weigh; a
source that is the folder of a run asks that run instead of training, and tells where its error lies.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from oddframe.datasets import own_objects
from oddframe.datasets.clips import Clips, ClipSet, split_holdout
from oddframe.datasets.own_objects import sequences_from_training
from oddframe.datasets.pseudo import Paster
from oddframe.datasets.sequences import sequences_from_world
from oddframe.evaluation.auc import roc_auc
from oddframe.models.sdmae import SDMAE
from oddframe.places import default_cache_root
from oddframe.recipes import load_recipe
from oddframe.settings import TrainingOptions
from oddframe.training.loop import train
from oddframe.training.sampling import as_batch
from oddframe.video.cache import build_cache
from oddframe.video.search import find_videos
from oddframe.workflow.fit import parts_of
from oddframe.workflow.run import load_run

UNSEEN = ("motorbike", "umbrella", "dog")
WINDOWS = 120


def own(cached: list, ranges: list[range], speed: tuple[float, float]) -> list:
    own_objects.SPEED = speed
    return sequences_from_training(parts_of(cached, ranges, 0), 0, 60)


@torch.inference_mode()
def scores(model: SDMAE, clips: Clips) -> dict[str, NDArray[np.float64]]:
    """Components of windows; the map's maximum after the spatial part of its mean filter."""
    model.eval()
    rows: dict[str, list[torch.Tensor]] = {}
    batch = as_batch(clips)
    for first in range(0, len(clips.key), 8):
        part = replace(batch, **{n: v[first : first + 8] for n, v in vars(batch).items() if v is not None})
        got = model.score(replace(part, pasted=None))
        assert got.map is not None
        made = {**got.components, "map_max": F.avg_pool2d(got.map[:, None], 9, 1, 4).flatten(1).amax(1)}
        for name, value in made.items():
            rows.setdefault(name, []).append(value)
    return {name: torch.cat(values).double().numpy() for name, values in rows.items()}


def ask(model: SDMAE, unchanged: Clips, tests: dict[str, Clips]) -> None:
    """Print the AUC of every component in every test."""
    normal = scores(model, unchanged)
    for name, clips in tests.items():
        visible = clips.pasted.reshape(len(clips.key), -1).max(1) > 127
        chosen = np.ones_like(visible) if name == "double" else visible
        other = scores(model, clips)
        labels = np.r_[np.zeros(len(chosen), np.int8), np.ones(int(chosen.sum()), np.int8)]
        aucs = {n: roc_auc(labels, np.r_[normal[n], other[n][chosen]]) for n in normal}
        print(f"  {name:9s}" + "".join(f"  {n} {auc:.3f}" for n, auc in aucs.items()), flush=True)


def parts_of_the_loss(model: SDMAE, data: ClipSet) -> None:
    """Gradients of both losses in the encoder, and where the weights of Eq. 2 lie."""
    samples = np.linspace(0, len(data) - 1, 32).astype(np.int64)
    batch = as_batch(data.batch(samples, samples, 0))
    stage = model.stages()[0]
    stage.train_mode()
    for name in ("reconstruction", "class"):
        model.zero_grad()
        loss = stage.loss(batch)[name] * (model.config.class_weight if name == "class" else 1)
        loss.backward()
        norm = torch.stack([p.grad.norm() for p in model.blocks.parameters() if p.grad is not None]).norm()
        print(f"  {name:15s} loss {loss.item():9.5f}   norm of its gradient in the encoder {norm.item():9.5f}")
    weights = model.token_weights(batch)
    pasted = F.max_pool2d(batch.pasted[:, None].float(), model.config.patch).flatten(1) > 127
    shown = pasted.any(1)
    share = (weights * pasted).sum(1)[shown].mean()
    tokens = pasted[shown].float().mean()
    print(f"  weight on pasted tokens, of frames with an object: {share:.0%} on {tokens:.1%} of the tokens")


@torch.inference_mode()
def where_the_error_is(model: SDMAE, clips: Clips) -> None:
    """Mean squared error of the picture's channels on normal video, beside that of the mean frame."""
    batch = as_batch(clips)
    order = model.order(batch)
    teacher, student, _ = model(batch.frames, order)
    wanted = model.target(batch).unflatten(2, (-1, 4))
    got, copied = (
        head(tokens).unflatten(2, (-1, 4))
        for head, tokens in ((model.decoder_pred, teacher), (model.decoder_student_pred, student))
    )
    plain = wanted.mean(0, keepdim=True)
    moves = (model.token_weights(batch) * wanted.shape[1]) > 2
    hidden = model.mask(order) > 0
    for name, chosen in {"moving": moves, "still": ~moves, "hidden": hidden, "visible": ~hidden}.items():
        error, mean, gap = (
            float((a - b)[..., :3].square().mean((2, 3))[chosen].mean())
            for a, b in ((wanted, got), (wanted, plain.expand_as(wanted)), (got, copied))
        )
        marked = float(got[..., 3].square().mean(2)[chosen].mean())
        print(f"  {name:8s} {chosen.float().mean():4.0%} of the tokens: error {error:.4f}, mean frame {mean:.4f},"
              f" gap of the student {gap:.4f}, square of the map {marked:.4f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("videos", type=Path)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--recipe", default="sdmae-ped2")
    parser.add_argument("--set", nargs="*", default=[], dest="changes")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--parts", action="store_true")
    arguments = parser.parse_args()
    recipe = load_recipe(arguments.recipe, arguments.changes)
    plan = replace(recipe.training, budget=f"{arguments.steps}steps")
    torch.manual_seed(0)
    window = SDMAE.from_preset(recipe.preset, **recipe.options).window
    cached, _ = build_cache(find_videos(arguments.videos), window, default_cache_root())
    learnt, heldout = split_holdout([len(v.frames) for v in cached], plan.holdout, 12, plan.seed)
    world = sequences_from_world(0, window.size, 180)
    fast = own_objects.SPEED
    foreign = {
        "world": [one for one in world if one.source not in UNSEEN],
        "training": own(cached, learnt, fast),
    }
    shown = {
        "kinds": [one for one in world if one.source in UNSEEN],
        "faster": own(cached, heldout, fast),
        "as usual": own(cached, heldout, (1.0, 1.0)),
    }
    always = replace(recipe.pseudo, probability=1.0)
    asked = ClipSet(cached, window, heldout)
    samples = np.linspace(0, len(asked) - 1, WINDOWS).astype(np.int64)
    double = replace(window, offsets=tuple(2 * n for n in window.offsets))
    tests = {name: ClipSet(cached, window, heldout, Paster(objects, window.size, always, 1)).batch(samples, samples, 0)
             for name, objects in shown.items()}  # fmt: skip
    tests["double"] = ClipSet(cached, double, heldout).batch(samples, samples, 0)
    for source in arguments.sources:
        if Path(source).is_dir():
            asked_run = load_run(source).detector
            assert isinstance(asked_run, SDMAE)
            print(source)
            ask(asked_run, asked.batch(samples, samples, 0), tests)
            where_the_error_is(asked_run.eval(), asked.batch(samples[::4], samples[::4], 0))
            continue
        objects = [one for part in source.split("+") for one in foreign[part]]
        data = ClipSet(cached, window, learnt, Paster(objects, window.size, recipe.pseudo, 0))
        torch.manual_seed(0)
        model = SDMAE.from_preset(recipe.preset, **recipe.options)
        print(source, *arguments.changes)
        if arguments.parts:
            parts_of_the_loss(model, data)
            continue
        began = time.process_time()
        with tempfile.TemporaryDirectory() as out:
            train(model, data, None, plan, Path(out), TrainingOptions(device="cpu", progress=False))
        print(f"  {arguments.steps} steps, {time.process_time() - began:.0f} s of processor time")
        ask(model, asked.batch(samples, samples, 0), tests)


if __name__ == "__main__":
    main()
