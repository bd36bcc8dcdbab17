"""From videos to a store of features; what is done is not done again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from oddframe.errors import InputError, VideoError
from oddframe.features.extract import BATCH, Seconds
from oddframe.features.extractor import Extractor
from oddframe.features.snippets import SnippetSampling
from oddframe.features.store import FeatureStore, Opening, create_store, open_store
from oddframe.features.workers import Made, extract_beside, extract_here
from oddframe.locks import holding
from oddframe.progress import progress_bars
from oddframe.runners.local import LocalRunner
from oddframe.runners.runner import Runner
from oddframe.video.search import Videos, find_videos
from oddframe.video.sources import VideoSource, largest_first
from oddframe.workflow.notes import unkeyed_note
from oddframe.workflow.scores import Skipped
from oddframe.workflow.space import require_room_for_features

GPU_BATCH = 64
MOST_WORKERS = 4
"""Processes without being asked: each holds a copy of the network."""


@dataclass(frozen=True)
class Extraction:
    """What came of an extraction.

    Attributes:
        store: where the features are.
        extracted: names of the videos whose features were made now.
        kept: names of those that the store already had.
        skipped: videos that could not be used, and why.
        damage: name -> what was wrong in videos that were extracted as far as they can be decoded.
        notes: what the user should know, each a sentence.
        frames: that were decoded.
        wall: seconds, from the first video to the last.
        seconds: where the time of the processes went, added up.
        device, workers, batch: what it ran on.
    """

    store: FeatureStore
    extracted: tuple[str, ...]
    kept: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    damage: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]
    frames: int
    wall: float
    seconds: Seconds
    device: str
    workers: int
    batch: int

    @property
    def shares(self) -> dict[str, float]:
        """Parts of the time, 0..1: in the network, waiting for decoded snippets, and the rest; empty for no work."""
        total = self.seconds.total
        if not total:
            return {}
        network, waiting = self.seconds.network / total, self.seconds.waiting / total
        return {"network": network, "waiting": waiting, "rest": max(0.0, 1 - network - waiting)}


@dataclass(frozen=True)
class ExtractOptions:
    """What is seen of each snippet, and what computes it.

    Attributes:
        crops, frames_per_snippet: see `SnippetSampling.of`.
        device: "auto" (CUDA where there is one and the extractor can use it), or any torch device name.
        workers: processes, which share the cores, or another runner (see `oddframe.runners`); None takes up to four
            processes on the CPU, and one on another device.
        batch: snippets per forward pass, of one process; one with ten crops counts as ten.

    Raises:
        InputError: a value out of its range.
    """

    crops: int = 1
    frames_per_snippet: int | None = None
    device: str = "auto"
    workers: int | Runner | None = None
    batch: int | None = None

    def __post_init__(self) -> None:
        SnippetSampling(1 if self.frames_per_snippet is None else self.frames_per_snippet, self.crops)
        for name in ("workers", "batch"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise InputError(f"{name} is {value}; it must be at least 1")


def extract_features(
    opening: Opening,
    videos: Videos,
    out: str | Path,
    options: ExtractOptions = ExtractOptions(),
) -> Extraction:
    """Extract the features of videos into a store; those that it already has, of unchanged videos, are kept.

    Args:
        opening: the extractor.
        videos: a path, a pattern, or a list of paths, as `Run.score` takes them.
        out: the store; made if missing, else it has to be of the same extractor and sampling.
        options: crops, frames of a snippet, device, processes and batch.

    Raises:
        InputError: the extractor cannot be opened or used, `out` is something else, or not one video can be used.
        SpaceError: the disk is full.
    """
    shared = not isinstance(options.workers, int | None) and options.workers.shared
    with nullcontext() if shared else holding(out):
        return _extract(opening, find_videos(videos), out, options)


def _extract(opening: Opening, sources: Sequence[VideoSource], out: str | Path, options: ExtractOptions) -> Extraction:
    """`extract_features`, with a folder that nobody else writes into, or only runners of other shares."""
    extractor = opening.open()
    sampling = SnippetSampling.of(extractor, options.frames_per_snippet, options.crops)
    device = _place(extractor, options.device)
    store = create_store(out, opening, extractor, sampling)
    if not isinstance(options.workers, int | None):
        sources = options.workers.own(largest_first(sources))
    unkeyed = store.unkeyed(sources)
    missing, kept, skipped = _sort_out(store, sources)
    require_room_for_features(Path(out), missing, store.dim)
    runner = _runner(options.workers, device, len(missing))
    batch = options.batch or (BATCH if device == "cpu" else GPU_BATCH)
    began = time.perf_counter()
    made: dict[str, Made] = {}
    seconds = Seconds()
    with progress_bars() as tell:
        if runner.workers == 1:
            answers = extract_here(store, extractor, batch, missing, tell)
        else:
            del extractor  # each process opens its own
            answers = extract_beside(store, device, batch, largest_first(missing), runner, tell)
        tell("videos", len(kept), len(sources))
        for source, answer in answers:
            if isinstance(answer, str):
                skipped.append((source, answer))
            else:
                made[source.name] = answer
                seconds.add(answer.seconds)
            tell("videos", len(kept) + len(made) + len(skipped), len(sources))
    if not made and not kept and not runner.shared:
        first = skipped[0][1]
        raise InputError(
            first if len(skipped) == 1 else f"not one of {len(skipped)} videos can be used; first: {first}"
        )
    order = {source.name: number for number, source in enumerate(sources)}
    return Extraction(
        store=open_store(out),
        extracted=tuple(sorted(made, key=order.__getitem__)),
        kept=tuple(kept),
        skipped=tuple(sorted(skipped, key=lambda one: order[one[0].name])),
        damage={name: answer.damage for name, answer in made.items() if answer.damage},
        notes=(
            *((unkeyed_note(unkeyed, "features", "extracted"),) if unkeyed else ()),
            *(f"{name}: {note}" for name, answer in made.items() for note in answer.notes),
        ),
        frames=sum(answer.frames for answer in made.values()),
        wall=time.perf_counter() - began,
        seconds=seconds,
        device=device,
        workers=runner.workers,
        batch=batch,
    )


def _runner(workers: int | Runner | None, device: str, videos: int) -> Runner:
    """Who extracts this many videos."""
    if not isinstance(workers, int | None):
        return workers
    if workers is None:
        workers = min(MOST_WORKERS, torch.get_num_threads()) if device == "cpu" else 1
    workers = max(1, min(workers, videos))
    return LocalRunner(workers, max(1, torch.get_num_threads() // workers))


def _sort_out(
    store: FeatureStore, sources: Sequence[VideoSource]
) -> tuple[list[VideoSource], list[str], list[Skipped]]:
    """Videos to extract, names of those that the store has, and those that cannot even be looked at."""
    missing: list[VideoSource] = []
    kept: list[str] = []
    skipped: list[Skipped] = []
    for source in sources:
        try:
            if store.holds(source):
                kept.append(source.name)
            else:
                missing.append(source)
        except VideoError as error:
            skipped.append((source, str(error)))
    return missing, kept, skipped


def _place(extractor: Extractor, device: str) -> str:
    """Move an extractor; returns where it is now."""
    if device == "auto":
        device = "cpu"
        if torch.cuda.is_available():
            try:
                extractor.to("cuda")
                return "cuda"
            except InputError:
                pass  # it computes on the CPU only
    extractor.to(device)
    return device
