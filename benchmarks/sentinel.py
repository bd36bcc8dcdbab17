"""The sentinel: are the camera's own faults found, and is normal video left alone?

    python benchmarks/sentinel.py [--data ../shared/data] [--faults 20] [--minutes 25] [--develop [SEED]]

For each kind of fault as many as `--faults` are made on streets and on real clips of fixed cameras: 10 to 15 seconds of
normal video, then the fault for 24 seconds, then normal video again, all of it encoded as H.264 at
crf 28 afterwards. The reference is learned from other video of the same camera. A fault is found where a fault of this
kind is told while it lasts; the delay is media time. Everything that is told outside is false.

Normal video: other crowds on the same streets, with and without changes of light, the real clips, and the test videos
of Ped2, whose anomalies are none of its camera. A clip that is shorter than needed is played forwards and backwards, so
its loops are not independent of each other.

Streets 206 to 211 and the second halves of the real clips are for showing. `--develop`, on which rules and limits are
chosen, takes six streets from SEED on (101), and learns from the first quarter of a clip and shows the second.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from time import perf_counter

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.scoring.sentinel import Sentinel
from oddframe.scoring.sentinel_reference import ReferenceLearner, SentinelReference
from oddframe.street.render import World
from oddframe.video.decode import VideoReader
from oddframe.video.search import search_videos
from oddframe.video.sources import VideoSource

Picture = NDArray[np.uint8]
CLIPS = (
    "car_detection.mp4", "bottle_detection.mp4", "bgs_road_msmpeg4v2.avi", "bgs_video02_mpeg4.avi",
    "highway_mpeg1.mpg", "escalator_160x130.avi", "shop_192x144.avi",
)  # fmt: skip
FPS = 2.0  # at which real clips are looked at
STREET_FPS = 2.0  # rendering is what takes the time, and the sentinel looks once a second
SIZE = (180, 320)  # of a street
TALLEST = 288  # pixels of height of a real clip, to save time
LOOKED_AT = 240  # pixels of height, as the detector `camera` looks at
LASTS = 24.0
LEARNED = 120.0
NOISE = np.random.default_rng(0).normal(0, 3, (500, 900, 3)).astype(np.float32)


@dataclass(frozen=True)
class Fault:
    """What is done to the pictures, drawn for one clip: (picture, frames since it began) -> picture."""

    kind: str
    words: str
    apply: Callable[[Picture, int], Picture]


def shifted(rng: np.random.Generator, size: tuple[int, int]) -> Fault:
    reach, angle = rng.uniform(5, 40), rng.uniform(0, 2 * np.pi)
    matrix = np.float32([[1, 0, reach * np.cos(angle)], [0, 1, reach * np.sin(angle)]])
    return Fault("moved", f"shift {reach:.0f} px", lambda p, _: warped(p, matrix))


def turned(rng: np.random.Generator, size: tuple[int, int]) -> Fault:
    angle = rng.uniform(2, 8) * rng.choice([-1, 1])
    matrix = cv2.getRotationMatrix2D((size[1] / 2, size[0] / 2), angle, 1.0)
    return Fault("moved", f"turn {angle:.1f} degrees", lambda p, _: warped(p, matrix))


def warped(picture: Picture, matrix: NDArray[np.float32]) -> Picture:
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def cloth(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """Something out of focus before the lens: one colour with soft spots."""
    colour = rng.uniform(20, 200, 3)
    spots = cv2.GaussianBlur(rng.normal(0, 1, (*size, 1)).astype(np.float32), (0, 0), size[1] / 8)
    spots = spots / (np.abs(spots).max() + 1e-6) * rng.uniform(5, 30)
    return np.clip(colour + spots[..., None], 0, 255).astype(np.uint8)


def covered_wholly(rng: np.random.Generator, size: tuple[int, int]) -> Fault:
    over = cloth(rng, size)
    return Fault("covered", "wholly", lambda p, _: noisy(over, rng))


def covered_partly(rng: np.random.Generator, size: tuple[int, int]) -> Fault:
    share, over, side = rng.uniform(0.3, 0.7), cloth(rng, size), int(rng.integers(4))
    mask = np.zeros(size, np.float32)
    rows, columns = round(share * size[0]), round(share * size[1])
    part = [np.s_[:rows], np.s_[-rows:], np.s_[:, :columns], np.s_[:, -columns:]][side]
    mask[part] = 1
    mask = cv2.GaussianBlur(mask, (0, 0), size[1] / 60)[..., None]
    return Fault(
        "covered", f"{share:.0%}", lambda p, _: (p * (1 - mask) + noisy(over, rng) * mask + 0.5).astype(np.uint8)
    )


def noisy(picture: Picture, rng: np.random.Generator) -> Picture:
    """With the noise of a sensor, cut from one field at another place every time."""
    height, width = picture.shape[:2]
    top, left = rng.integers(NOISE.shape[0] - height), rng.integers(NOISE.shape[1] - width)
    return cv2.add(picture, NOISE[top : top + height, left : left + width], dtype=cv2.CV_8U)


def blurred(rng: np.random.Generator, size: tuple[int, int]) -> Fault:
    sigma = rng.uniform(0.006, 0.025) * size[1]
    return Fault("blurred", f"sigma {sigma:.1f} px", lambda p, _: cv2.GaussianBlur(p, (0, 0), sigma))


def dark(rng: np.random.Generator, size: tuple[int, int]) -> Fault:
    gain = rng.uniform(0.02, 0.15)
    return Fault("dark", f"gain {gain:.2f}", lambda p, _: noisy((p * gain).astype(np.uint8), rng))


def bright(rng: np.random.Generator, size: tuple[int, int]) -> Fault:
    gain, more = rng.uniform(2.5, 6), rng.uniform(60, 140)
    return Fault("bright", f"gain {gain:.1f}", lambda p, _: np.clip(p * gain + more, 0, 255).astype(np.uint8))


def frozen(rng: np.random.Generator, size: tuple[int, int]) -> Fault:
    kept: list[Picture] = []

    def apply(picture: Picture, number: int) -> Picture:
        if number == 0:
            kept[:] = [picture]
        return kept[0]

    return Fault("frozen", "the last picture", apply)


FAULTS = {
    "shifted": shifted, "turned": turned, "covered wholly": covered_wholly, "covered partly": covered_partly,
    "blurred": blurred, "dark": dark, "bright": bright, "frozen": frozen,
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """A camera: pictures to learn from, and a way to others that were not learned from."""

    name: str
    real: bool
    fps: float
    learned: Callable[[], Iterator[Picture]]
    other: Callable[[int, float], Iterator[Picture]]


def street_scene(seed: int) -> Scene:
    world, kept = World(seed, SIZE, STREET_FPS), {}

    def pictures(number: int, seconds: float) -> Iterator[Picture]:
        """Video `number`, rendered once; the faults begin at another of its frames each time."""
        length = max(seconds, LEARNED)
        if number not in kept:
            kept.clear()
            kept[number] = [frame.image for frame in world.video(number, length)]
        return iter(kept[number][: round(seconds * STREET_FPS)])

    def other(number: int, seconds: float) -> Iterator[Picture]:
        return pictures(1 if number < 100 else number, seconds)

    return Scene(f"street {seed}", False, STREET_FPS, lambda: pictures(0, LEARNED), other)


def real_scene(name: str, path: Path, cut: float = 0.5, part: float = 1.0) -> Scene:
    """The first part of a clip, of which the beginning is learned from; its frames are kept at about two a second."""
    kept: list[Picture] = []
    for source in search_videos(path).sources:
        kept += taken(source)
    kept = kept[: round(part * len(kept))]
    half = int(len(kept) * cut)

    def other(number: int, seconds: float) -> Iterator[Picture]:
        """The second half, forwards and backwards for as long as needed, from another place every time."""
        rest = kept[half:]
        there_and_back = [*rest, *rest[-2:0:-1]]
        count = len(rest) if seconds <= 0 else round(seconds * FPS)
        return (there_and_back[(k + 7 * number) % len(there_and_back)] for k in range(count))

    return Scene(name, True, FPS, lambda: iter(kept[:half]), other)


def taken(source: VideoSource) -> list[Picture]:
    found, due = [], 0.0
    with VideoReader(source, None, "bgr") as reader:
        for frame in reader:
            if frame.time >= due - 1e-6:
                due += 1 / FPS
                height, width = frame.image.shape[:2]
                size = round(width * min(1, TALLEST / height)), round(height * min(1, TALLEST / height))
                found.append(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA))
    return found


def encode(path: Path, pictures: Iterator[Picture], fps: float) -> int:
    """H.264 at crf 28; the number of frames."""
    count = 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.options = {"crf": "28", "preset": "veryfast"}
        stream.codec_context.thread_count, stream.pix_fmt = 1, "yuv420p"
        for picture in pictures:
            picture = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
            if not count:
                stream.width, stream.height = picture.shape[1], picture.shape[0]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "bgr24")))
            count += 1
        container.mux(stream.encode(None))
    return count


def reader_of(path: Path) -> VideoReader:
    (source,) = search_videos(path).sources
    with VideoReader(source) as probe:
        width = round(LOOKED_AT * probe.info.width / probe.info.height)
    return VideoReader(source, (LOOKED_AT, width), "rgb")


def learn(path: Path) -> SentinelReference:
    learner = ReferenceLearner("rgb")
    learner.begin("normal")
    with reader_of(path) as reader:
        for frame in reader:
            learner.see(frame.time, frame.image)
    found = learner.learned()
    assert found is not None
    return found


def watch(path: Path, reference: SentinelReference) -> list[tuple[str, float, float, float, str]]:
    """Kind, media time at which it was told, begin and end in seconds, and words of every fault."""
    found, told = [], {}
    with reader_of(path) as reader:
        sentinel = Sentinel(reference, reader.info)
        for frame in reader:
            for change in sentinel.push(frame):
                if change.kind == "opened":
                    told[change.fault.id] = frame.time
                elif change.kind == "closed":
                    found.append(change.fault)
        found += [change.fault for change in sentinel.flush() if change.kind == "closed"]
    return [(fault.kind, told[fault.id], fault.start_s, fault.end_s, fault.words) for fault in found]


def with_fault(pictures: Iterator[Picture], fault: Fault, start: float, fps: float) -> Iterator[Picture]:
    for number, picture in enumerate(pictures):
        since = number - round(start * fps)
        yield fault.apply(picture, since) if 0 <= since < LASTS * fps else picture


def with_light(pictures: Iterator[Picture], rng: np.random.Generator, fps: float) -> Iterator[Picture]:
    """Brightness jumps to between half and 1.6 times every 20 to 60 seconds; half of the time there is no colour."""
    gain, grey, until = 1.0, False, 0.0
    for number, picture in enumerate(pictures):
        if number / fps >= until:
            gain, grey = float(rng.uniform(0.5, 1.6)), bool(rng.integers(2))
            until = number / fps + float(rng.uniform(20, 60))
        bright = np.clip(picture * np.float32(gain), 0, 255).astype(np.uint8)
        yield cv2.cvtColor(cv2.cvtColor(bright, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR) if grey else bright


def scenes_of(data: Path | None, seeds: Sequence[int], part: float) -> list[Scene]:
    found = [street_scene(seed) for seed in seeds]
    if data is not None and data.is_dir():
        for name in CLIPS:
            if (data / "videos" / name).is_file():
                found.append(real_scene(name, data / "videos" / name, part=part))
        found.append(real_scene("ped2", data / "ucsd_ped2" / "training" / "videos", 0.75, 0.75 if part < 1 else 1.0))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--faults", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=25.0, help="of normal street")
    parser.add_argument("--kinds", nargs="*", default=list(FAULTS))
    parser.add_argument("--develop", type=int, nargs="?", const=101, metavar="SEED")
    parser.add_argument("--only", default="", help="Scenes whose names contain this.")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    shown = options.develop is None
    first = 206 if shown else options.develop
    scenes = scenes_of(options.data, range(first, first + 6), 1.0 if shown else 0.5)
    scenes = [scene for scene in scenes if options.only in scene.name]
    rows: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        clip, references = Path(folder) / "clip.mp4", {}
        for scene in scenes:
            encode(clip, scene.learned(), scene.fps)
            references[scene.name] = learn(clip)
            print(
                f"{scene.name:24} {len(references[scene.name].views)} views, {references[scene.name].limits}",
                flush=True,
            )
        false: list[str] = []
        for name in options.kinds:
            found, other, delays, missed = 0, 0, [], []
            for number in range(options.faults):
                scene = scenes[(number * 7) % len(scenes)] if len(scenes) % 7 else scenes[number % len(scenes)]
                rng = np.random.default_rng((0 if shown else options.develop, list(FAULTS).index(name), number))
                start = float(rng.uniform(10, 15))
                size = next(scene.other(number, 1)).shape[:2]
                fault = FAULTS[name](rng, (size[0], size[1]))
                encode(clip, with_fault(scene.other(number, start + LASTS + 9), fault, start, scene.fps), scene.fps)
                told = watch(clip, references[scene.name])
                hits = [row for row in told if row[0] == fault.kind and start - 1 <= row[1] <= start + LASTS + 12]
                others = [row for row in told if row[0] != fault.kind and start - 1 <= row[1] <= start + LASTS + 12]
                outside = [row for row in told if not start - 1 <= row[1] <= start + LASTS + 12]
                found, other = found + bool(hits), other + bool(others)
                delays += [hits[0][1] - start] if hits else []
                if not hits:
                    missed.append(f"{scene.name}, {fault.words}; told: {[row[0] for row in others] or 'nothing'}")
                false += [f"{scene.name}, beside {name} ({fault.words}): {row}" for row in outside]
                if options.verbose:
                    print(
                        name,
                        scene.name,
                        fault.words,
                        [(r[0], round(r[1] - start, 1), round(r[3] - start, 1), r[4]) for r in told],
                        flush=True,
                    )
            rows[name] = {
                "found": found, "of": options.faults, "other": other, "missed": missed,
                "delay": [round(float(np.median(delays)), 1), round(max(delays), 1)] if delays else None,
            }  # fmt: skip
            print(name, rows[name], flush=True)
        more = options.data / "ucsd_ped2" / "testing" / "videos" if shown else None
        normal = normal_video(scenes, references, options.minutes, clip, more) if options.minutes else {}
        false += normal.pop("false", [])
        print("false:", *false, sep="\n    ")
        print(normal)
    if options.json is not None:
        options.json.write_text(json.dumps({"faults": rows, "false": false, **normal}, indent=2) + "\n")


def normal_video(
    scenes: Sequence[Scene], references: dict[str, SentinelReference], minutes: float, clip: Path, more: Path | None
) -> dict[str, object]:
    """What is told in normal video, and what the sentinel costs beside decoding."""
    false, seconds = [], {"streets": 0.0, "streets, light changes": 0.0, "real": 0.0, "ped2, test videos": 0.0}
    streets = [scene for scene in scenes if not scene.real]
    for number, scene in enumerate(streets):
        for changes in (False, True):
            pictures = scene.other(100, 60 * minutes / 2 / len(streets))
            if changes:
                pictures = with_light(pictures, np.random.default_rng((77, number)), scene.fps)
            count = encode(clip, pictures, scene.fps)
            seconds["streets, light changes" if changes else "streets"] += count / scene.fps
            false += [
                f"{scene.name}, normal{', light changes' * changes}: {row}"
                for row in watch(clip, references[scene.name])
            ]
    for scene in scenes:
        if scene.real:
            count = encode(clip, scene.other(0, 0), scene.fps)
            seconds["real"] += count / scene.fps
            false += [f"{scene.name}, normal: {row}" for row in watch(clip, references[scene.name])]
    for source in search_videos(more).sources if more is not None and "ped2" in references else ():
        seconds["ped2, test videos"] += encode(clip, iter(taken(source)), FPS) / FPS
        false += [f"ped2, test video {source.name}: {row}" for row in watch(clip, references["ped2"])]
    costs = [cost(clip_of, references[scenes[0].name]) for clip_of in [street_clip(scenes[0], clip)]]
    return {"false": false, "normal seconds": seconds, "cost beside decoding": costs[0]}


def street_clip(scene: Scene, clip: Path) -> Path:
    """A clip of 640 x 360 pixels and 12.5 frames/s, as cameras give it."""
    seed = int(scene.name.split()[1])
    encode(clip, (frame.image for frame in World(seed, (360, 640), 12.5).video(500, 20)), 12.5)
    return clip


def cost(clip: Path, reference: SentinelReference) -> float:
    """Seconds of the sentinel by seconds of decoding, on one street."""
    with reader_of(clip) as reader:
        began = perf_counter()
        frames = list(reader)
        decoding = perf_counter() - began
        sentinel = Sentinel(reference, reader.info)
        began = perf_counter()
        for frame in frames:
            sentinel.push(frame)
        return (perf_counter() - began) / decoding


if __name__ == "__main__":
    main()
