"""Metrics against the plain way of computing them, in one run.

    OMP_NUM_THREADS=1 python benchmarks/metrics_speed.py [--rounds 5] [--frames 10000000]

Micro AUC against scikit-learn's roc_auc_score, with all scores different and with 1000 levels, a tenth of the frames
anomalous. RBDC and TBDC against the definition as a loop over frames and boxes, in which every pair is compared once
and the thresholds are swept over sorted scores, so that only the comparing is plain: 20 videos of 500 frames, about 1.2
true regions and 6 detections per frame. The micro AUC's bootstrap against resampling the frames of 100 videos, 200
resamples each. Where the PyPI package py-ssvad-metrics is installed (it needs pydantic < 2, opencv and matplotlib too),
RBDC and TBDC against it on one video of 200 frames with whole boxes that do not touch, for it draws them into pictures
and looks for regions there; our points, with its ending (see `as_package`): 0.02 apart. Interleaved rounds, medians of
processor time; the largest difference of the results is printed too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from oddframe.evaluation.auc import micro_auc
from oddframe.evaluation.bootstrap import bootstrap, bootstrap_micro_auc
from oddframe.evaluation.regions import FoundRegions, TrueRegions, box_detection

Videos = list[tuple[TrueRegions, FoundRegions]]
Pooled = list[tuple[np.ndarray, np.ndarray]]


def make_frames(frames: int, videos: int, levels: int | None = None) -> Pooled:
    rng = np.random.default_rng(0)
    labels = (rng.random(frames) < 0.1).astype(np.int8)
    scores = rng.random(frames) + 0.3 * labels
    if levels:
        scores = np.round(scores * levels) / levels
    return list(zip(np.array_split(labels, videos), np.array_split(scores, videos), strict=True))


def make_regions(videos: int = 20, frames: int = 500) -> Videos:
    """Six tracks of 100 frames in each video, seen more often than not, among detections anywhere."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(videos):
        corner = rng.uniform(0, 300, (6, 2))
        start = rng.integers(0, frames - 100, 6)
        frame = (start[:, None] + np.arange(100)).ravel()
        track = np.repeat(np.arange(6), 100)
        box = np.concatenate([corner, corner + rng.uniform(15, 60, (6, 2))], axis=1)[track]
        seen = rng.random(len(frame)) < 0.6
        near = box[seen] + rng.normal(0, 8, (int(seen.sum()), 1))
        lost = rng.integers(0, frames, 5 * frames)
        place = rng.uniform(0, 300, (len(lost), 2))
        anywhere = np.concatenate([place, place + rng.uniform(10, 60, (len(lost), 2))], axis=1)
        found = FoundRegions(
            np.concatenate([frame[seen], lost]),
            np.concatenate([near, anywhere]),
            np.concatenate([rng.normal(1, 1, len(near)), rng.normal(0, 1, len(lost))]),
        )
        made.append((TrueRegions(frames, frame, box, track), found))
    return made


def overlap(a: list[float], b: list[float]) -> float:
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def loop(videos: Videos) -> tuple[float, float]:
    """RBDC and TBDC, frame by frame and box by box."""
    false, regions, tracks = [], [], []
    frames = 0
    for true, found in videos:
        frames += true.frames
        true_of: dict[int, list[tuple[list[float], int]]] = {}
        for k, box, track in zip(true.frame.tolist(), true.box.tolist(), true.track.tolist(), strict=True):
            true_of.setdefault(k, []).append((box, track))
        found_of: dict[int, list[tuple[list[float], float]]] = {}
        for k, box, score in zip(found.frame.tolist(), found.box.tolist(), found.score.tolist(), strict=True):
            found_of.setdefault(k, []).append((box, score))
        by_track: dict[int, list[float]] = {}
        for k in range(true.frames):
            here = found_of.get(k, [])
            right = [False] * len(here)
            for box, track in true_of.get(k, []):
                best = -float("inf")
                for n, (other, score) in enumerate(here):
                    if overlap(box, other) >= 0.1:
                        right[n], best = True, max(best, score)
                regions.append(best)
                by_track.setdefault(track, []).append(best)
            false += [score for (_, score), r in zip(here, right, strict=True) if not r]
        tracks += [sorted(own, reverse=True)[-(-len(own) // 10) - 1] for own in by_track.values()]
    return area(false, regions, frames), area(false, tracks, frames)


def area(false: list[float], best: list[float], frames: int) -> float:
    events = sorted([(score, 1, 0) for score in false] + [(score, 0, 1) for score in best], reverse=True)
    x = y = total = 0.0
    n = 0
    while n < len(events) and events[n][0] > -float("inf"):
        threshold, x1, y1 = events[n][0], x, y
        while n < len(events) and events[n][0] == threshold:
            x1, y1, n = x1 + events[n][1] / frames, y1 + events[n][2] / len(best), n + 1
        if x1 > 1:
            at_one = y + (y1 - y) * (1 - x) / (x1 - x)
            return total + (1 - x) * (y + at_one) / 2
        total, x, y = total + (x1 - x) * (y + y1) / 2, x1, y1
    return total + (1 - x) * y


def make_cells(frames: int = 200) -> tuple[TrueRegions, FoundRegions]:
    """At most one box in each of 5 x 5 cells of 20 pixels; five tracks of 25 frames, one after the other."""
    rng = np.random.default_rng(0)
    frame, cell = np.divmod(np.arange(25 * frames), 25)
    corner = np.stack([20 * (cell % 5) + 2, 20 * (cell // 5) + 2], axis=1)
    track = frame // 40
    inside = (frame % 40 < 25) & (cell == 3 * track)
    seen = rng.random(len(frame)) < np.where(inside, 0.7, 0.06)
    box = np.concatenate([corner, corner + rng.integers(3, 15, corner.shape)], axis=1)
    true = TrueRegions(
        frames, frame[inside], np.concatenate([corner, corner + [14, 12]], axis=1)[inside], track[inside]
    )
    return true, FoundRegions(frame[seen], box[seen], rng.integers(1, 100, len(frame))[seen] / 100)


def write_for_package(folder: Path, true: TrueRegions, found: FoundRegions) -> tuple[str, str]:
    """The files that py-ssvad-metrics reads, by its published schema."""
    paths = []
    for name, regions, scores in (("true", true, np.ones(len(true.frame))), ("found", found, found.score)):
        rows = [
            {
                "frame_id": k + 1,
                "anomaly_track_id": int(next(iter(true.track[true.frame == k] + 1), -1)),
                "anomalous_regions": [
                    {"bounding_box": regions.box[n].tolist(), "score": float(scores[n])}
                    for n in np.flatnonzero(regions.frame == k)
                ],
            }
            for k in range(true.frames)
        ]
        described = {
            "is_gt": name == "true",
            "frames_count": true.frames,
            "is_anomalous_regions_available": True,
            "is_anomaly_track_id_available": name == "true",
            "frame_width": 100,
            "frame_height": 100,
            "frame_rate": 25.0,
            "video_length_sec": true.frames / 25,
            "frames": rows,
        }
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(json.dumps(described), encoding="utf-8")
    return str(paths[0]), str(paths[1])


def as_package(true: TrueRegions, found: FoundRegions) -> tuple[float, float]:
    """The areas with the package's ending: from the last point up to 1 the curve falls straight to 0 at 1."""
    result = box_detection([(true, found)])
    before = result.false_positives <= 1
    rate = np.concatenate([[0], result.false_positives[before], [1]])
    region, track = (
        float(np.trapezoid(np.concatenate([[0], share[before], [0]]), rate))
        for share in (result.region_share, result.track_share)
    )
    return region, track


def compare(name: str, rounds: int, ours: Callable[[], tuple], plain: Callable[[], tuple]) -> None:
    times: tuple[list[float], list[float]] = ([], [])
    results = [ours(), plain()]  # the first round warms up
    for _ in range(rounds):
        for own, job in zip(times, (ours, plain), strict=True):
            began = time.process_time()
            job()
            own.append(time.process_time() - began)
    fast, slow = map(statistics.median, times)
    apart = max(abs(a - b) for a, b in zip(*results, strict=True))
    print(f"| {name} | {fast:.3f} | {slow:.3f} | {slow / fast:.1f} | {apart:.0e} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=10_000_000)
    given = parser.parse_args()

    print("| | oddframe, s | plain, s | times as fast | difference |\n|---|---|---|---|---|")
    for name, levels in (("all different", None), ("1000 levels", 1000)):
        pooled = make_frames(given.frames, 100, levels)

        def scikit_learn(pooled: Pooled = pooled) -> tuple[float]:
            return (roc_auc_score(*map(np.concatenate, zip(*pooled, strict=True))),)

        compare(
            f"micro AUC, {given.frames:,} frames, {name}",
            given.rounds,
            lambda pooled=pooled: (micro_auc(pooled),),
            scikit_learn,
        )

    videos = make_regions()

    def boxes(videos: Videos) -> tuple[float, float]:
        result = box_detection(videos)
        return result.rbdc, result.tbdc

    compare("RBDC and TBDC, 10,000 frames, loop", given.rounds, lambda: boxes(videos), lambda: loop(videos))

    if find_spec("ssvad_metrics"):
        import ssvad_metrics

        with tempfile.TemporaryDirectory() as folder:
            scene = make_cells()
            files = write_for_package(Path(folder), *scene)

            def package() -> tuple[float, float]:
                result = ssvad_metrics.evaluate(*files)
                return result["region_roc_auc"], result["track_roc_auc"]

            compare("RBDC and TBDC, 200 frames, package", given.rounds, lambda: as_package(*scene), package)

    pooled = make_frames(100_000, 100)

    def interval(fast: bool) -> tuple[float, float]:
        found = bootstrap_micro_auc(pooled, 200) if fast else bootstrap(pooled, micro_auc, 200)
        return found.low, found.high

    compare("bootstrap, 200 resamples of 100,000 frames", given.rounds, lambda: interval(True), lambda: interval(False))


if __name__ == "__main__":
    main()
