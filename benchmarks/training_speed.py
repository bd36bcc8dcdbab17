"""SDMAE's training against the straightforward loop, teacher and student stage, from the same H.264 files in one run.

    python benchmarks/training_speed.py [--batch 8] [--rounds 3] [--bf16]

The straightforward loop is that of most published code: for every sample the video is opened, sought to the key frame
before and decoded to the frames it needs, which are resized, filtered and stacked one sample after the other, in the
process that then computes; explicit attention, 1x1 convolutions on the grid, Adam as it comes, fp32. It pastes with our
`Paster` and has our formulas of target, weights and loss. Ours is `oddframe.training.loop.train` on the frame cache;
how long that took to build is told apart: it is paid once for all epochs.

The published recipe has batches of 100; both loops take `--batch` here. Interleaved rounds, medians.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from plain_sdmae import PlainSDMAE
from torch import Tensor
from torch.nn import functional as F

from oddframe.datasets.clips import ClipSet
from oddframe.datasets.pseudo import Paster
from oddframe.models.sdmae import SDMAE, motion_weights, patchify, weighted_error
from oddframe.recipes import Recipe, load_recipe
from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.street import World, render_world
from oddframe.training.loop import train
from oddframe.types import Window
from oddframe.video.cache import build_cache
from oddframe.video.search import find_videos
from oddframe.workflow.fit import make_paster

FPS = 12.5
STEPS = {"sdmae-avenue": 3, "sdmae-small": 20}
STAGES = ("teacher", "student")


def read_frames(path: Path, numbers: list[int], size: tuple[int, int]) -> dict[int, NDArray[np.uint8]]:
    found = {}
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        container.seek(int(min(numbers) / FPS / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            number = round(frame.time * FPS)
            if number in numbers:
                found[number] = cv2.resize(frame.to_ndarray(format="bgr24"), size[::-1], interpolation=cv2.INTER_AREA)
            if number >= max(numbers):
                return found
    raise SystemExit(f"{path}: has no frame {max(numbers)}")


def plain_sample(
    path: Path, video: int, t: int, model: PlainSDMAE, window: Window, paster: Paster, epoch: int, key: int
) -> tuple[Tensor, ...]:
    """Input (9, H, W), target (H, W, 4), gradient (H, W, 3) and mask (H, W) of one sample."""
    normal, abnormal = model.config.map_values
    numbers = [t + offset for offset in window.offsets]
    images = read_frames(path, [*numbers, t - 1], window.size)
    frames, mask = np.stack([images[n] for n in numbers]), np.zeros(window.size, np.uint8)
    changed = paster.apply(video, frames, np.array(numbers), t, epoch, key)
    if changed is not None:
        frames, mask = changed
    gradient = cv2.absdiff(cv2.medianBlur(images[t], 3), cv2.medianBlur(images[t - 1], 3))
    pasted = mask.astype(np.float32) / 255
    target = np.dstack([images[t] / np.float32(127.5) - 1, pasted * (abnormal - normal) + normal])
    stacked = frames.transpose(0, 3, 1, 2).reshape(9, *window.size) / np.float32(127.5) - 1
    return torch.from_numpy(stacked), torch.from_numpy(target), torch.from_numpy(gradient), torch.from_numpy(pasted)


def plain_seconds(
    model: PlainSDMAE,
    window: Window,
    stage: str,
    paths: list[Path],
    frames: int,
    paster: Paster,
    batch: int,
    steps: int,
    seed: int,
) -> float:
    """Seconds of `steps` steps of the straightforward loop."""
    config, rng = model.config, np.random.default_rng(seed)
    model.train(stage == "teacher")
    for part in (model.decoder_student_block, model.decoder_student_norm, model.decoder_student_pred):
        part.train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(("student" in name) == (stage == "student"))
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    begin = time.perf_counter()
    optimiser = torch.optim.Adam(learning, lr=config.learning_rate, betas=config.betas)
    total = 0.0
    for _ in range(steps):
        drawn = []
        for _ in range(batch):
            video, t, key = int(rng.integers(len(paths))), int(rng.integers(3, frames - 3)), int(rng.integers(2**62))
            drawn.append(plain_sample(paths[video], video, t, model, window, paster, seed, key))
        x, target, gradient, pasted = (torch.stack(parts) for parts in zip(*drawn, strict=True))
        latent, restore = model.encode(x, torch.rand(batch, config.grid[0] * config.grid[1]))
        teacher, branch = model.decode(latent, restore)
        weights = motion_weights(gradient.float(), pasted, config.patch, config.anomaly_gain)
        if stage == "teacher":
            loss = weighted_error(patchify(target, config.patch), teacher, weights, config.normaliser)
            label = pasted.flatten(1).amax(1).gt(0.5).float()
            logit = model.class_head(latent[:, 0])[:, 0]
            loss = loss + config.class_weight * F.binary_cross_entropy_with_logits(logit, label)
        else:
            loss = weighted_error(teacher, model.imitate(branch), weights, config.normaliser)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item()
    return time.perf_counter() - begin


def our_seconds(model: SDMAE, stage: str, data: ClipSet, plan: TrainingPlan, out: Path) -> dict[str, float]:
    """Seconds of the loop of oddframe by part, waiting for the first batch and writing the last checkpoint included."""
    epochs = {f"{name}_epochs": int(name == stage) for name in STAGES}
    model.config = replace(model.config, **epochs)
    history = train(model, data, None, plan, out, TrainingOptions(device="cpu", progress=False))
    return history.seconds[stage]


def compare(recipe: Recipe, name: str, videos: Path, here: Path, arguments: argparse.Namespace) -> None:
    torch.manual_seed(0)
    ours = SDMAE.from_preset(recipe.preset, **recipe.options)
    plain = PlainSDMAE.like(ours)
    sources = find_videos(videos)
    begin = time.perf_counter()
    cached, _ = build_cache(sources, ours.window, here / "cache")
    decoding = time.perf_counter() - begin
    frames = len(cached[0].frames)
    paster = make_paster(recipe.pseudo, ours.window.size, 0, learns=True)
    assert paster is not None
    data, steps, paths = ClipSet(cached, ours.window, None, paster), STEPS[name], [source.path for source in sources]
    plan = replace(recipe.training, batch_size=arguments.batch, budget=f"{steps}steps")
    kinds = {"straightforward": "fp32", "oddframe": "fp32", **({"oddframe bf16": "bf16"} if arguments.bf16 else {})}
    print(f"{name}  {ours.config.size[0]}x{ours.config.size[1]} patch {ours.config.patch}, batch {arguments.batch}, "
          f"{steps} steps a round; cache of {frames * len(paths)} frames built once in {decoding:.1f} s")  # fmt: skip
    for stage in STAGES:
        parts: dict[str, dict[str, float]] = {}
        taken: dict[str, list[float]] = {kind: [] for kind in kinds}
        for number in range(arguments.rounds + 1):  # the first warms up
            for kind, precision in kinds.items():
                if kind == "straightforward":
                    spent = plain_seconds(
                        plain, ours.window, stage, paths, frames, paster, arguments.batch, steps, number
                    )
                else:
                    chosen = replace(plan, precision=precision, seed=number)
                    parts[kind] = our_seconds(ours, stage, data, chosen, here / "run")
                    spent = sum(parts[kind].values())
                if number:
                    taken[kind].append(spent)
        for kind, spent in taken.items():
            speed = arguments.batch * steps / statistics.median(spent)
            pairs = [s / o for s, o in zip(taken["straightforward"], spent, strict=True)]
            shares = ", ".join(f"{part} {own / spent[-1]:.0%}" for part, own in parts.get(kind, {}).items())
            print(
                f"  {stage}  {kind:16s} {speed:7.2f} frames/s   x {statistics.median(pairs):5.2f}   {shares}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipes", nargs="*", default=list(STEPS))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bf16", action="store_true", help="ours in mixed precision too, which changes what is learnt")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        render_world(here / "street", World(size=(360, 640), fps=FPS), videos=4, test_videos=0, seconds=20)
        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; 4 H.264 files of 640x360")
        for name in arguments.recipes:
            compare(load_recipe(name), name, here / "street" / "training" / "videos", here, arguments)


if __name__ == "__main__":
    main()
