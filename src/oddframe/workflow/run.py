"""A trained detector at work: videos in, scores and events out."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.atomic import replacing, write_text
from oddframe.bundle import Bundle, load_bundle
from oddframe.errors import CalibrationError, InputError, VideoError
from oddframe.models.bag_detector import BagDetector
from oddframe.models.detector import one_class
from oddframe.runtime.torch import Precision
from oddframe.scoring.bags import BagScorer
from oddframe.scoring.calibrate import Calibration, calibrate
from oddframe.scoring.combine import Components, Levels, ScoreRule, measure_levels
from oddframe.scoring.files import MapSpool, load_scores, save_scores, score_path
from oddframe.scoring.origin import Origin
from oddframe.scoring.scorer import Scorer, WindowScorer
from oddframe.scoring.smooth import Smoothing
from oddframe.types import FrameScores
from oddframe.video.sources import VideoSource, find_videos
from oddframe.workflow.card import write_card
from oddframe.workflow.scored import Scored, Skipped, write_outputs

HELDOUT = "heldout.npz"
Piece = tuple[NDArray[np.float64], Components]
"""Time stamps (N,) in seconds and components (N,) of consecutive frames of normal video."""
Progress = Callable[[str, int, int | None], None]
"""Called with a video's name, frames done, and frames in all where the file says so."""


class Run:
    """A trained detector, as `fit` leaves it and `load_run` finds it.

    Attributes:
        bundle: detector, recipe and history.
        skipped: training videos that could not be used, and why; empty for a loaded run.
    """

    def __init__(self, bundle: Bundle, skipped: Sequence[Skipped] = ()) -> None:
        self.bundle = bundle
        self.skipped = tuple(skipped)

    @property
    def path(self) -> Path:
        """The bundle's folder."""
        return self.bundle.path

    @property
    def rule(self) -> ScoreRule:
        """How this run makes one score per frame."""
        stored = self.bundle.calibration
        return self._rule(self.calibration().levels if stored.is_file() else {})

    def _rule(self, levels: Levels) -> ScoreRule:
        scoring, combination = self.bundle.recipe.scoring, self.bundle.detector.combination
        if scoring.weights is not None:
            combination = replace(combination, weights=scoring.weights)
        return ScoreRule(combination, Smoothing(**scoring.smoothing.model_dump()), levels)

    def calibration(
        self,
        *,
        alarms_per_hour: float | None = None,
        quantile: float | None = None,
        threshold: float | None = None,
    ) -> Calibration:
        """The thresholds that `fit` chose, or others from the same held-out normal video.

        Args:
            alarms_per_hour: false alarms per hour of normal video that are acceptable.
            quantile: instead, a quantile (0..1) of the held-out scores.
            threshold: instead, a value of your own, which promises nothing.

        Raises:
            CalibrationError: the run was never calibrated, or its held-out video cannot support what is asked for.
        """
        if not self.bundle.calibration.is_file():
            raise CalibrationError(
                f"{self.path}: has no calibration (imported checkpoints have none); "
                f"make one with `oddframe calibrate {self.path} NORMAL_VIDEOS`"
            )
        stored = Calibration.from_json(self.bundle.calibration.read_text(encoding="utf-8"))
        if threshold is not None:
            low = min(threshold, (threshold + stored.scores["0.5"]) / 2)
            note = "the threshold was given by hand; how many false alarms it brings is not known"
            return replace(stored, threshold=threshold, low=low, rate=None, quantile=None, note=note)
        if alarms_per_hour is None and quantile is None:
            return stored
        return self._calibrate(self._heldout(), alarms_per_hour, quantile)

    def calibrate(
        self,
        pieces: Sequence[Piece],
        *,
        alarms_per_hour: float | None = None,
        quantile: float | None = None,
    ) -> Calibration:
        """Find on normal video what is normal for each component, and thresholds; keep all of it in the bundle.

        Raises:
            CalibrationError: too little video for what is asked for.
        """
        if not pieces:
            raise CalibrationError("there is no held-out normal video to calibrate on: hold out more normal video")
        arrays: dict[str, Any] = {}
        for number, (time, components) in enumerate(pieces):
            arrays |= {f"{number}/time": time, **{f"{number}/{name}": v for name, v in components.items()}}
        with replacing(self.path / HELDOUT) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)
        # First a threshold that any held-out video supports: if what was asked for cannot be had, training is not lost.
        for wish in ((None, None), (alarms_per_hour, quantile)):
            chosen = self._calibrate(pieces, *wish)
            write_text(self.bundle.calibration, chosen.to_json() + "\n")
            write_card(self.bundle, chosen)
        return chosen

    def calibrate_on(
        self,
        videos: str | Path,
        *,
        alarms_per_hour: float | None = None,
        quantile: float | None = None,
        device: str = "auto",
        progress: Progress | None = None,
    ) -> tuple[Calibration, tuple[Skipped, ...]]:
        """Find thresholds on normal video that the run was not trained on, and keep them in the bundle.

        Returns:
            The calibration, and the videos that could not be scored.

        Raises:
            InputError: not one of the videos can be scored.
            CalibrationError: too little video for what is asked for.
        """
        # What is normal is only found out here; until then components stand for themselves.
        raw = replace(self._rule({}), combination=replace(self.rule.combination, scale="none"))
        scores, skipped, _ = self.score_all(find_videos(videos), None, False, device, "fp32", None, progress, raw)
        pieces = [(one.time, one.components) for one in scores]
        return self.calibrate(pieces, alarms_per_hour=alarms_per_hour, quantile=quantile), skipped

    def _calibrate(self, pieces: Sequence[Piece], rate: float | None, quantile: float | None) -> Calibration:
        scoring = self.bundle.recipe.scoring
        levels = measure_levels([components for _, components in pieces], self.bundle.detector.combination)
        rule = self._rule(levels)
        curves = [(time, rule(components)) for time, components in pieces]
        chosen = calibrate(
            curves, alarms_per_hour=rate, quantile=quantile, merge_s=scoring.merge_s, min_s=scoring.min_s
        )
        return replace(chosen, levels=levels)

    def _heldout(self) -> list[Piece]:
        pieces: dict[str, dict[str, NDArray[np.float64]]] = {}
        with np.load(self.path / HELDOUT) as stored:
            for key in stored.files:
                number, _, name = key.partition("/")
                pieces.setdefault(number, {})[name] = stored[key]
        return [(piece.pop("time"), piece) for piece in pieces.values()]

    def score(
        self,
        videos: str | Path | Sequence[VideoSource],
        out: str | Path | None = None,
        *,
        force: bool = False,
        overlay: bool = True,
        calibration: Calibration | None = None,
        labels: Mapping[str, NDArray[np.int8]] | None = None,
        device: str = "auto",
        precision: Precision = "fp32",
        batch: int | None = None,
        progress: Progress | None = None,
    ) -> Scored:
        """Score a video, a folder of videos or frame folders, a CSV of paths, or sources already found.

        Args:
            videos: what to score.
            out: folder for score files, events, overlays and report (see `write_outputs`); None keeps everything in
                memory and writes nothing.
            force: score again what `out` already holds; else videos that this bundle has scored are taken from there.
            overlay: also write overlay videos.
            calibration: thresholds; None takes the bundle's own.
            labels: video name -> (N,) 0/1 per frame, shown in the report where the truth is known.
            device, precision: see `oddframe.runtime.torch.TorchRuntime`.
            batch: frames per forward pass; changes the speed, not the scores.

        Raises:
            InputError: nothing to score, or not one of the videos can be scored.
            CalibrationError: the bundle has no calibration and none was given.
        """
        calibration = calibration or self.calibration()
        sources = find_videos(videos) if isinstance(videos, str | Path) else videos
        folder = None if out is None else Path(out) / "scores"
        scores, skipped, used = self.score_all(sources, folder, force, device, precision, batch, progress)
        scored = Scored(scores, calibration, self.rule.combination, skipped)
        if out is not None:
            write_outputs(Path(out), self.bundle, scored, used, overlay, force, labels or {})
        return scored

    def score_all(
        self,
        sources: Sequence[VideoSource],
        folder: Path | None,
        force: bool,
        device: str,
        precision: Precision,
        batch: int | None,
        progress: Progress | None,
        rule: ScoreRule | None = None,
    ) -> tuple[tuple[FrameScores, ...], tuple[Skipped, ...], tuple[VideoSource, ...]]:
        """Scores, what was skipped and why, and the sources of the scores; see `score` for the arguments.

        Args:
            folder: for score files; None keeps the scores in memory.
            rule: None takes the run's own.

        Raises:
            InputError: not one of the videos can be scored.
        """
        rule, scorer = rule or self.rule, self._scorer(device, precision, batch)
        force = force or scorer.carries_over  # scores then depend on the videos before
        scores: list[FrameScores] = []
        used: list[VideoSource] = []
        skipped: list[Skipped] = []
        if folder is not None:
            Origin(self.bundle.recipe.model, self._identity(rule), rule).save(folder)
        for source in sources:
            try:
                scores.append(self._score_source(source, scorer, rule, folder, force, progress))
                used.append(source)
            except VideoError as error:
                skipped.append((source, str(error)))
        if not scores:
            first = skipped[0][1]
            raise InputError(
                first if len(skipped) == 1 else f"not one of {len(skipped)} videos can be scored; first: {first}"
            )
        return tuple(scores), tuple(skipped), tuple(used)

    def _scorer(self, device: str, precision: Precision, batch: int | None) -> Scorer:
        detector = self.bundle.detector
        if isinstance(detector, BagDetector):
            return BagScorer(self.bundle, detector, device, precision, batch)
        return WindowScorer(one_class(detector, "scoring frames"), device, precision, batch)

    def _score_source(
        self,
        source: VideoSource,
        scorer: Scorer,
        rule: ScoreRule,
        folder: Path | None,
        force: bool,
        progress: Progress | None,
    ) -> FrameScores:
        """Scores of one video, from `folder` if this bundle has scored it before."""
        identity = self._identity(rule)
        if folder is not None and not force and score_path(folder, source.name).is_file():
            done = load_scores(score_path(folder, source.name))
            if done.bundle == identity and Path(done.info.path).resolve() == source.path.resolve():
                return done

        def count(frames: int, total: int | None) -> None:
            if progress is not None:
                progress(source.name, frames, total)

        if folder is None:
            maps: list[NDArray[np.float16]] = []
            scores = scorer.score(source, rule, identity, maps, count)  # type: ignore[arg-type]  # appends like a spool
            return replace(scores, map=np.concatenate(maps)) if maps else scores
        if scorer.map_grid is None:
            save_scores(scorer.score(source, rule, identity, None, count), folder)
        else:
            with MapSpool(folder, scorer.map_grid) as spool:
                save_scores(scorer.score(source, rule, identity, spool, count), folder, spool)
        return load_scores(score_path(folder, source.name))

    def _identity(self, rule: ScoreRule) -> str:
        """What scores depend on: the bundle, and where they do, the levels it was calibrated to."""
        if rule.combination.scale != "normal":
            return self.bundle.id
        return f"{self.bundle.id}-{zlib.crc32(json.dumps(dict(rule.levels), sort_keys=True).encode()):08x}"


def find_all(paths: Sequence[Path]) -> list[VideoSource]:
    """The videos of several paths together, each once.

    Raises:
        InputError: a path without video, or two videos of the same name.
    """
    found: dict[str, VideoSource] = {}
    for source in (source for path in paths for source in find_videos(path)):
        other = found.setdefault(source.name, source)
        if other.path.resolve() != source.path.resolve():
            raise InputError(
                f"{other.path} and {source.path} would both be called {source.name}; give the folder of both"
            )
    return list(found.values())


def load_run(path: str | Path) -> Run:
    """A run that `fit` left in a folder.

    Raises:
        BundleError: not a bundle, or a damaged one.
    """
    return Run(load_bundle(path))
