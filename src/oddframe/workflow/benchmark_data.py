"""The data sets of a benchmark, behind one interface: video with frame labels, or labelled videos with features.

What a plan wants made, a street or a toy, is made in the cache when it is first needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from oddframe.atomic import new_folder
from oddframe.benchmark.plan import DataPart, StreetPart, ToyPart
from oddframe.datasets.labelled import LabelledSet, LabelledVideo
from oddframe.datasets.readers import open_labelled
from oddframe.datasets.toy_bags import write_toy_bags
from oddframe.datasets.weak import WeakVideo, labels, open_weak
from oddframe.errors import InputError, VideoError
from oddframe.evaluation.weak_baselines import VideoSummary, summarise
from oddframe.features.collection import Collection
from oddframe.models.registry import create
from oddframe.places import default_cache_root
from oddframe.progress import ProgressCall
from oddframe.recipes import Recipe
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.bags import torch_network
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.features import score_bag
from oddframe.scoring.files import save_scores
from oddframe.scoring.origin import Origin
from oddframe.settings import Smoothing, TrainingOptions
from oddframe.street import TEST_KINDS, World, render_world
from oddframe.types import Combination, FrameScores, VideoInfo, Window
from oddframe.video.cache import cache_key
from oddframe.video.search import Videos, find_videos
from oddframe.video.sources import VideoSource
from oddframe.workflow.evaluate_bags import baselines_of, usable
from oddframe.workflow.fit import fit
from oddframe.workflow.fit_bags import fill_in
from oddframe.workflow.learned import check_weights
from oddframe.workflow.outputs import OutputOptions
from oddframe.workflow.run import Run

FILES = OutputOptions(pages=False)
SHARED = Window((0,), (1, 1))  # the same for all systems


@dataclass(frozen=True)
class FrameData:
    """Normal video to learn from, and a labelled test set of video.

    Attributes:
        train: the normal video.
        normal: one normal video of the camera of the test set, for few shots; None without one.
        test: the labelled test set.
        training: what there is to learn from.
    """

    train: Videos
    normal: str | None
    test: LabelledSet
    training: tuple[VideoSource, ...]

    def check(self, recipe: Recipe) -> None:
        """See to it, before anything is trained, that a system can be made and has the components of its score.

        Raises:
            RecipeError: it cannot or has not.
        """
        detector = create(recipe.model, recipe.preset, **recipe.options).one_class("a benchmark")
        check_weights(recipe, detector.signature.reported)

    def key(self, recipe: Recipe) -> str:
        """What a bundle depends on: the recipe, seed included, and the training videos as its window sees them."""
        detector = create(recipe.model, recipe.preset, **recipe.options).one_class("a benchmark")
        pasted = files_of(recipe.pseudo.source) if ":" in recipe.pseudo.source else ()
        videos = (video_key(one, detector.window) for one in self.training)
        return hashed([recipe.model_dump_json(), *videos, *pasted])

    @property
    def normal_key(self) -> str:
        """The content of the normal video of the camera of the test set."""
        assert self.normal is not None, "seen to when the plan was read"
        return hashed([video_key(one, SHARED) for one in find_videos(self.normal)])

    def seen_before(self) -> list[str]:
        """Sentences on test videos that something is learned from."""
        others = find_videos(self.normal) if self.normal else ()
        learned = {content_of(source) for source in (*self.training, *others)}
        again = [one.source.name for one in self.test.videos if content_of(one.source) in learned]
        if not again:
            return []
        return [f"{', '.join(again)}: learned from and tested as well, so that figures say nothing of other video"]

    @property
    def test_key(self) -> str:
        """The content of the test videos."""
        return hashed([video_key(video.source, SHARED) for video in self.test.videos])

    def fit(self, recipe: Recipe, out: Path, training: TrainingOptions) -> Run:
        """Train a system, or go on with it."""
        return fit(self.train, recipe=recipe, out=out, training=training)

    def score(self, run: Run, folder: Path, device: str, progress: ProgressCall | None) -> int:
        """Score the test set to `folder`/scores; how many frames were scored now.

        Raises:
            InputError: a test video cannot be scored.
        """
        done: dict[str, int] = {}

        def count(name: str, frames: int, total: int | None) -> None:
            done[name] = frames
            if progress is not None:
                progress(name, frames, total)

        sources = [video.source for video in self.test.videos]
        scores = run.score(sources, folder, outputs=FILES, options=RuntimeOptions(device=device), progress=count)
        if scores.skipped:
            raise InputError(f"{scores.skipped[0][1]}; a test set must be whole for its figures to mean anything")
        return sum(done.values())


class BagData:
    """Labelled videos with features to learn from and to test.

    Attributes:
        train: their labels, as `fit` takes them.
        features: as `fit` takes them.
        test: the test videos with the labels of their frames.
    """

    def __init__(self, train: str, test: str, features: Sequence[str], identity: str = "") -> None:
        """Open the features and the labels of the test set.

        Args:
            test: see `oddframe.datasets.weak.open_weak`.
            identity: stands for the content of all files; empty where it is not known.

        Raises:
            InputError: they cannot be used; or the moments of an anomaly, or the length of a video, are not known.
        """
        self.train, self.features, self._collection = train, tuple(features), Collection(features)
        found = open_weak(test)
        self._videos = found.test
        if not self._videos:
            raise InputError(f"{test}: has no test videos to evaluate on")
        self.test = LabelledSet(found.name, tuple(map(self._labelled, self._videos)), found.notes)
        files = [] if identity else [train, test, *files_of(train, test, *features)]
        self.test_key = hashed([identity, *files])

    def _labelled(self, video: WeakVideo) -> LabelledVideo:
        known = self._collection.load(video.name, list(self._collection.sources)[:1])
        frames = next(iter(known.values())).frames or video.frames
        if frames is None:
            raise InputError(f"{video.name}: nothing says how many frames it has; add a column frames to its labels")
        return LabelledVideo(VideoSource(video.name, Path(video.name), "array"), labels(video, frames))

    def check(self, recipe: Recipe) -> None:
        """As that of `FrameData`.

        Raises:
            InputError: there are no features of a backbone, or of another length.
            RecipeError: the system cannot be made, or lacks a component.
        """
        filled = fill_in(recipe, self._collection)
        detector = create(filled.model, filled.preset, **filled.options).weakly_supervised()
        check_weights(filled, detector.signature.reported)

    def key(self, recipe: Recipe) -> str:
        """What a bundle depends on: the recipe, seed included, and the files."""
        return hashed([recipe.model_dump_json(), self.test_key])

    def fit(self, recipe: Recipe, out: Path, training: TrainingOptions) -> Run:
        """Train a system, or go on with it."""
        return fit(self.train, recipe=recipe, out=out, training=training)

    def score(self, run: Run, folder: Path, device: str, progress: ProgressCall | None) -> int:
        """Score the test set to `folder`/scores, on the CPU; how many frames were scored now."""
        detector = run.detector.weakly_supervised()
        backbones, network = usable(run, detector, self._collection), torch_network(detector)
        longest, frames = run.bundle.recipe.scoring.segment_seconds, 0
        for done, video in enumerate(self._videos, 1):
            loaded = self._collection.load(video.name, backbones)
            time, components = score_bag(network, detector.segments, loaded, longest, video.frames)
            one = flat_scores(video.name, len(time), {name: 1.0 for name in components}, time)
            score = run.rule(components, time)
            made = FrameScores(video.name, one.frame, time, dict(components), score, one.info, run.bundle.id)
            save_scores(made, folder / "scores")
            frames += len(time)
            if progress is not None:
                progress("scoring", done, len(self._videos))
        Origin(run.bundle.recipe.model, run.bundle.id, run.rule).save(folder / "scores")
        return frames

    def baselines(self, run: Run, progress: ProgressCall | None) -> tuple[list[FrameScores], list[str]]:
        """Baselines of the test set, each a component, and sentences on them. Those that learn do so from the videos
        that `run` learned from."""
        backbones = usable(run, run.detector.weakly_supervised(), self._collection)
        channels = {name: self._collection.sources[name][0].channels for name in backbones}
        summaries: dict[str, VideoSummary] = {
            video.name: summarise(self._collection.load(video.name, backbones), channels) for video in self._videos
        }
        found, notes = baselines_of(run, self._collection, summaries, progress)
        scores = []
        for video in self.test.videos if found else ():
            name = video.source.name
            values = {baseline: one.score[name] for baseline, one in found.items()}
            scores.append(flat_scores(name, len(video.labels), values))
        return scores, notes


def files_of(*specs: str) -> Iterator[str]:
    """Name, size and time of every file that is read for labels or features, given as PATH, NAME:PATH or NAME=PATH."""
    for spec in specs:
        place = Path(spec.rpartition("=")[2].rpartition(":")[2])
        for file in [place] if place.is_file() else sorted(place.rglob("*")):
            yield f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}"


def flat_scores(video: str, frames: int, values: Mapping[str, float], time: np.ndarray | None = None) -> FrameScores:
    """Components that are the same at all frames of a video; the first one is the score.

    Args:
        values: component -> its value.
        time: (frames,) seconds; None counts frames.
    """
    components = {name: np.full(frames, value) for name, value in values.items()}
    info = VideoInfo(video, video, 0, 0, None, frames)
    at = np.arange(frames, dtype=np.float64) if time is None else time
    return FrameScores(video, np.arange(frames), at, components, next(iter(components.values())), info)


def plain_rule(component: str) -> ScoreRule:
    """A component as it is."""
    return ScoreRule(Combination({component: 1.0}), Smoothing(kind="none"))


def open_data(part: DataPart, progress: ProgressCall | None = None) -> FrameData | BagData:
    """Open a data set of a plan. What is to be made is made in the cache, or found there.

    Raises:
        InputError: it cannot be used or made.
    """
    if part.toy is not None:
        return _toy(part.toy)
    if part.street is not None:
        return _street(part.street, progress)
    assert part.train is not None and part.test is not None, "seen to when the plan was read"
    if part.features:
        return BagData(part.train, part.test, part.features)
    return FrameData(part.train, part.normal, open_labelled(part.test), tuple(find_videos(part.train)))


def _toy(toy: ToyPart) -> BagData:
    def make(folder: Path) -> None:
        write_toy_bags(folder, toy.seed, toy.bags, toy.test_bags)

    identity = f"toy {toy.model_dump_json()}"
    folder = made(identity, make)
    features = [f"segments:{file}" for file in sorted(folder.glob("*.npz"))]
    return BagData(str(folder / "train.csv"), str(folder / "test.csv"), features, identity)


def _street(street: StreetPart, progress: ProgressCall | None) -> FrameData:
    kinds = street.kinds or TEST_KINDS

    def rendered(seed: int, videos: int, test_videos: int) -> Path:
        def make(folder: Path) -> None:
            render_world(
                folder, World(seed), videos=videos, test_videos=test_videos, seconds=street.seconds, kinds=kinds,
                progress=lambda done, total: None if progress is None else progress("rendering", done, total),
            )  # fmt: skip

        return made(f"street {seed} {videos} {test_videos} {street.seconds} {','.join(kinds)}", make)

    own = rendered(street.seed, street.videos, street.test_videos)
    normal = find_videos(own / "training" / "videos")
    others = [
        replace(source, name=f"{seed}-{source.name}")
        for seed in street.learn_from
        for source in find_videos(rendered(seed, street.videos, 0) / "training" / "videos")
    ]
    sources = others or normal
    return FrameData(sources, normal[0].where, open_labelled(f"folder:{own / 'testing'}"), tuple(sources))


def made(what: str, make: Callable[[Path], None]) -> Path:
    """A folder of the cache, made if it is missing.

    Args:
        what: names all that its content depends on.
        make: writes the content to a folder.

    Raises:
        InputError: the cache cannot be written, or another process is making the same.
    """
    kind = what.partition(" ")[0]
    folder = default_cache_root() / "made" / f"{kind}-{hashlib.sha256(what.encode()).hexdigest()[:16]}"
    if not folder.is_dir():
        try:
            with new_folder(folder) as fresh:
                make(fresh)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be written ({error.strerror}); set ODDFRAME_CACHE to another folder"
            ) from error
    return folder


def video_key(source: VideoSource, window: Window) -> str:
    """Name and content of a video as a window sees it."""
    return f"{source.name} {content_of(source, window)}"


def content_of(source: VideoSource, window: Window = SHARED) -> str:
    """The content of a video as a window sees it; why it cannot be read, with its place, where it cannot."""
    try:
        return cache_key(source, window)
    except VideoError as error:
        return f"{source.where} {error}"  # skipped in training, and an error when a test set is scored


def hashed(parts: Sequence[str]) -> str:
    """10 hexadecimal digits for a list of texts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:10]
