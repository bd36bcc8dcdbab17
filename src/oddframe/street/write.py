"""Writing of the street to disk: normal training videos, and test videos with complete ground truth.

OUT/world.json                      how it was made
OUT/training/videos/NAME.mp4        normal
OUT/testing/videos/NAME.mp4         with planted anomalies
OUT/testing/labels/NAME.npy         (N,) int8, 1 where an anomalous object is visible
OUT/testing/masks/NAME.npz          `masks`: (N, H, W) uint8, 1 on the visible pixels of anomalous objects
OUT/testing/tracks/NAME.csv         frame, object, kind, anomalous, left, top, right, bottom: every visible object
OUT/testing/events.csv              video, kind, start_frame, end_frame (inclusive): one row a planted anomaly
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from oddframe import __version__
from oddframe.atomic import replacing
from oddframe.errors import InputError
from oddframe.street.render import RenderedFrame, World
from oddframe.street.things import PSEUDO_KINDS, TEST_KINDS
from oddframe.suggest import among
from oddframe.video.encode import VideoWriter

RenderProgress = Callable[[int, int], None]
TEST_OFFSET = 1_000_000  # numbers of test videos start here, so that their crowds differ from those of training

# Approximate seconds for which an anomaly is in view, to leave normal time in a test video.
SECONDS = {
    "cyclist": 4.0,
    "runner": 5.0,
    "cart": 6.0,
    "car": 4.5,
    "against_stream": 10.0,
    "off_path": 6.0,
    "loitering": 9.0,
    "thrown_object": 9.0,
    "abandoned_object": 6.0,
}


def render_world(
    out: Path,
    world: World | None = None,
    *,
    videos: int = 8,
    seconds: float = 20,
    test_videos: int | None = None,
    kinds: Sequence[str] = TEST_KINDS,
    progress: RenderProgress | None = None,
) -> Path:
    """Render training and test videos of one camera into a folder. Every video has its own crowd.

    Args:
        out: folder to write to. It is created if it does not exist.
        world: the street with its frame size and frame rate; None takes `World()`.
        videos: number of normal training videos.
        seconds: length of each video.
        test_videos: number of test videos; None takes the number of training videos.
        kinds: kinds of anomalies to plant, from `TEST_KINDS`.
        progress: called with (frames done, all frames).

    Returns:
        `out`.

    Raises:
        InputError: the number of videos or their length makes no video, or a kind is unknown.
    """
    world = world or World()
    tests = videos if test_videos is None else test_videos
    if videos < 0 or tests < 0 or videos + tests == 0:
        raise InputError(f"cannot render {videos} training and {tests} test videos: ask for at least one video")
    if not seconds * world.fps >= 1:
        raise InputError(f"cannot render {seconds} seconds at {world.fps} frames a second: that is less than one frame")
    unknown = [kind for kind in kinds if kind not in TEST_KINDS]
    if unknown or not kinds:
        raise InputError(
            f"cannot plant {', '.join(unknown) or 'nothing'}{among(unknown[0] if unknown else '', TEST_KINDS)}"
        )
    plans = [
        *((f"{k + 1:02d}", k, ()) for k in range(videos)),
        *(
            (f"{k + 1:02d}", TEST_OFFSET + k, planted)
            for k, planted in enumerate(plant_kinds(tests, seconds, world.seed, kinds))
        ),
    ]
    total, done = len(plans) * max(round(seconds * world.fps), 1), 0

    def counted(frames: Iterable[RenderedFrame]) -> Iterator[RenderedFrame]:
        nonlocal done
        for frame in frames:
            yield frame
            done += 1
            if progress is not None:
                progress(done, total)

    events: list[tuple[str, str, int, int]] = []
    for name, index, kinds in plans:
        frames = counted(world.video(index, seconds, kinds))
        if index < TEST_OFFSET:
            _write_video(out / "training" / "videos" / f"{name}.mp4", frames, world)
        else:
            events += _write_test(out / "testing", name, frames, world)
    if tests:
        with replacing(out / "testing" / "events.csv") as path:
            _write_csv(path, ("video", "kind", "start_frame", "end_frame"), events)
    about = {
        "seed": world.seed,
        "size": list(world.size),
        "fps": world.fps,
        "seconds": seconds,
        "training_videos": videos,
        "test_videos": tests,
        "theme": world.scene.theme,
        "test_kinds": list(TEST_KINDS),
        "pseudo_kinds": list(PSEUDO_KINDS),
        "versions": {"oddframe": __version__, "numpy": np.__version__},
    }
    with replacing(out / "world.json") as path:
        path.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return out


def plant_kinds(videos: int, seconds: float, seed: int, kinds: Sequence[str] = TEST_KINDS) -> list[tuple[str, ...]]:
    """The anomalies of each test video: one to three for about half its time, `kinds` in turn; every sixth has none."""
    rng = np.random.default_rng((seed, 0x9A7))
    waiting: list[str] = []
    plans: list[tuple[str, ...]] = []
    for k in range(videos):
        if k % 6 == 5:
            plans.append(())
            continue
        chosen: list[str] = []
        while len(chosen) < 3:
            if not waiting:
                waiting = [str(kind) for kind in rng.permutation(kinds)]
            if chosen and sum(SECONDS[kind] for kind in (*chosen, waiting[0])) > 0.55 * seconds:
                break
            chosen.append(waiting.pop(0))
        plans.append(tuple(chosen))
    return plans


def _write_video(path: Path, frames: Iterable[RenderedFrame], world: World) -> list[RenderedFrame]:
    """Encode the frames, and return their ground truth without their images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    truth = []
    with VideoWriter(path, world.size, world.fps, threads=1) as writer:
        for frame in frames:
            writer.write(frame.image)
            truth.append(RenderedFrame(frame.index, frame.image[:0], frame.mask, frame.label, frame.objects))
    return truth


def _write_test(
    folder: Path, name: str, frames: Iterable[RenderedFrame], world: World
) -> list[tuple[str, str, int, int]]:
    """Write one test video with labels, masks and tracks, and return its events."""
    truth = _write_video(folder / "videos" / f"{name}.mp4", frames, world)
    with replacing(folder / "labels" / f"{name}.npy") as path, path.open("wb") as file:
        np.save(file, np.array([frame.label for frame in truth], np.int8))
    with replacing(folder / "masks" / f"{name}.npz") as path, path.open("wb") as file:
        np.savez_compressed(file, masks=np.stack([frame.mask for frame in truth]))
    rows = [(f.index, o.number, o.kind, int(o.anomalous), *o.box) for f in truth for o in f.objects]
    with replacing(folder / "tracks" / f"{name}.csv") as path:
        _write_csv(path, ("frame", "object", "kind", "anomalous", "left", "top", "right", "bottom"), rows)
    return [(name, *event) for event in find_planted(truth)]


def find_planted(truth: Iterable[RenderedFrame]) -> list[tuple[str, int, int]]:
    """The kind of each anomalous object, with the first and the last frame in which it is visible."""
    spans: dict[int, tuple[str, int, int]] = {}
    for frame in truth:
        for seen in frame.objects:
            if seen.anomalous:
                _, first, _ = spans.get(seen.number, ("", frame.index, 0))
                spans[seen.number] = (seen.kind, first, frame.index)
    return sorted(spans.values(), key=lambda span: span[1])


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
