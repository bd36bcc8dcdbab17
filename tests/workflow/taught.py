"""A tiny camera, its videos with something rare in them, and a store with what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import oddframe
from oddframe.bundle import TrainingData, TrainingVideo, save_bundle
from oddframe.recipes import load_recipe
from oddframe.store.reading import EventQuery, StoredEvent
from oddframe.store.store import Store
from oddframe.types import FrameScores
from oddframe.video.decode import probe
from oddframe.video.encode import VideoWriter
from oddframe.video.identity import content_key
from oddframe.video.search import find_videos
from oddframe.workflow.passes import Pass, new_detector, run_pass, set_levels
from oddframe.workflow.run import Run
from oddframe.workflow.scores import Scores
from oddframe.workflow.stretches import NormalVideo, Stretch

SIZE, FPS = (48, 64), 5.0
Span = tuple[float, float]
TINY = [
    "options.parts=[monitors,scene]", "options.height=48", "options.moments=0",
    "options.monitors={height: 48, exemplars: 200, rows: 4000}",
    "options.scene={rows: 6, columns: 8, looks: 50, sample: 400}",
]  # fmt: skip


def write_street(path: Path, seconds: float, rare: Sequence[Span], odd: Sequence[Span], seed: int) -> Path:
    """A small thing goes to and fro. In the spans `rare` a large one drives above it, and in `odd` a bar falls."""
    rng, ground = np.random.default_rng(seed), np.random.default_rng(0).integers(80, 120, (*SIZE, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, SIZE, FPS, threads=1) as writer:
        for n in range(round(seconds * FPS)):
            t = n / FPS
            frame = ground + rng.normal(0, 4, ground.shape)
            x = int(abs((2 * n + 7 * seed) % 100 - 50))
            frame[34:40, x : x + 6] = 200
            for start, stop in rare:
                if start <= t < stop:
                    left = round((t - start) / (stop - start) * 76) - 12
                    frame[8:20, max(left, 0) : max(left + 12, 0)] = (20, 160, 250)
            for start, stop in odd:
                if start <= t < stop:
                    top = round((t - start) / (stop - start) * 60) - 12
                    frame[max(top, 0) : max(top + 12, 0), 44:58] = (250, 40, 40)
            writer.write(np.clip(frame, 0, 255).astype(np.uint8))
    return path


def fitted(folder: Path) -> Run:
    """A camera that has seen the small thing alone, in one half of a video, and found its threshold on the other."""
    (source,) = find_videos(write_street(folder / "normal" / "01.mp4", 60, (), (), seed=1))
    info = probe(source)
    recipe = load_recipe("camera", TINY)
    video = NormalVideo(source, info, 60.0)
    task = Pass(recipe, info, (Stretch(video, 0.0, 30.0),), (Stretch(video, 30.0, 60.0),))
    passed = run_pass(task, lambda _: None)
    detector = new_detector(task)
    detector.load_state(passed.state)
    set_levels(detector, passed.measured, recipe.scoring.smoothing)
    scoring = recipe.scoring.model_copy(update={"weights": dict.fromkeys(detector.components, 1.0)})
    recipe = recipe.model_copy(update={"scoring": scoring})
    data = TrainingData((TrainingVideo("01", info.frames, key=content_key(source)),), frame_size=SIZE)
    run = Run(save_bundle(folder / "run", detector, recipe, {"seconds": {"final": passed.seconds}}, data))
    pieces = []
    for one in passed.measured:
        standing = detector.standing(one.time, detector.modes_of(one.looks), one.values)
        pieces.append((one.time, {name: standing[:, k] for k, name in enumerate(detector.components)}))
    run.calibrate(pieces)
    return run


def record(run: Run, videos: Path, out: Path, spans: Mapping[str, Sequence[Span]]) -> Store:
    """A store in which the run has found these spans, by the names of the videos."""
    calibration, found = run.calibration(), []
    for source in find_videos(videos):
        info = replace(probe(source), key=content_key(source))
        time = np.arange(info.frames or 0) / FPS
        score = np.full(len(time), calibration.low - 1)
        for start, stop in spans[source.name]:
            score[(time >= start) & (time <= stop)] = calibration.threshold + 1
        values = {name: score for name in run.detector.components}
        found.append(FrameScores(source.name, np.arange(len(time)), time, values, score, info, run.bundle.id))
    out.mkdir()
    store = oddframe.open_store(out)
    store.record_scores(run.bundle, Scores(tuple(found), calibration, run.rule.combination))
    return store


def mark(store: Store, spans: dict[str, Sequence[Span]], what: str) -> list[StoredEvent]:
    """Mark the events that meet these spans of these videos; the marked ones, in order of time."""
    marked = []
    for event in store.every(EventQuery(kind="anomaly", order="time")):
        if any(event.start_s <= stop and event.end_s >= start for start, stop in spans.get(str(event.video), ())):
            marked.append(event)
    if marked:
        store.mark([event.id for event in marked], what, who="Mara")
    return marked
