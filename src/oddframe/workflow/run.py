"""A trained detector at work: videos in, scores and events out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.atomic import replacing, write_text
from oddframe.bundle import Bundle
from oddframe.errors import BundleError, CalibrationError, InputError
from oddframe.runtime.exported import Exported, load_trained
from oddframe.runtime.runtime import AUTO, RuntimeOptions
from oddframe.scoring.calibrate import Calibration, calibrate
from oddframe.scoring.choose_runtime import choose_runtime
from oddframe.scoring.combine import Components, Levels, ScoreRule, measure_levels
from oddframe.scoring.jobs import Job, ScoreProgress, score_here, score_in_processes
from oddframe.scoring.origin import Origin
from oddframe.types import FrameScores, Signature
from oddframe.video.sources import VideoSource, find_videos
from oddframe.workflow.scored import Scores, Skipped, write_outputs

HELDOUT = "heldout.npz"
HeldOutScores = tuple[NDArray[np.float64], Components]
"""Time stamps (N,) in seconds and components (N,) of consecutive frames of normal video."""


class Run:
    """A trained detector, as `fit` leaves it and `load_run` finds it.

    Attributes:
        trained: the bundle, or what was exported of it.
        skipped: training videos that could not be used, and why; empty for a loaded run.
    """

    def __init__(self, trained: Bundle | Exported, skipped: Sequence[Skipped] = ()) -> None:
        self.trained = trained
        self.skipped = tuple(skipped)

    @property
    def bundle(self) -> Bundle:
        """Detector, recipe and history.

        Raises:
            BundleError: this is an exported detector.
        """
        if isinstance(self.trained, Exported):
            raise BundleError(f"{self.path}: is an exported detector; this needs the bundle that it was made from")
        return self.trained

    @property
    def signature(self) -> Signature:
        """What scoring has to know of the detector.

        Raises:
            RecipeError: it is a weakly supervised one.
        """
        if isinstance(self.trained, Exported):
            return self.trained.signature
        from oddframe.models.detector import one_class

        return one_class(self.trained.detector, "this").signature

    @property
    def path(self) -> Path:
        """The folder of the bundle, or of what was exported."""
        return self.trained.path

    @property
    def rule(self) -> ScoreRule:
        """How this run makes one score per frame."""
        stored = self.trained.calibration
        return self._rule(self.calibration().levels if stored.is_file() else {})

    def _rule(self, levels: Levels) -> ScoreRule:
        scoring, combination = self.trained.recipe.scoring, self.trained.outline.combination
        if scoring.weights is not None:
            combination = replace(combination, weights=scoring.weights)
        return ScoreRule(combination, scoring.smoothing, levels)

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
        if not self.trained.calibration.is_file():
            raise CalibrationError(
                f"{self.path}: has no calibration (imported checkpoints have none); "
                f"make one with `oddframe calibrate {self.path} NORMAL_VIDEOS`"
            )
        stored = Calibration.from_json(self.trained.calibration.read_text(encoding="utf-8"))
        if threshold is not None:
            low = min(threshold, (threshold + stored.scores["0.5"]) / 2)
            note = "the threshold was given by hand; how many false alarms it brings is not known"
            return replace(stored, threshold=threshold, low=low, rate=None, quantile=None, note=note)
        if alarms_per_hour is None and quantile is None:
            return stored
        return self._calibrate(self._heldout(), alarms_per_hour, quantile)

    def calibrate(
        self,
        pieces: Sequence[HeldOutScores],
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
            write_text(self.trained.calibration, chosen.to_json() + "\n")
            if not isinstance(self.trained, Exported):
                from oddframe.workflow.card import write_card  # counts the network's arithmetic with torch

                write_card(self.trained, chosen)
        return chosen

    def calibrate_on(
        self,
        videos: str | Path,
        *,
        alarms_per_hour: float | None = None,
        quantile: float | None = None,
        device: str = "auto",
        progress: ScoreProgress | None = None,
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
        scores, skipped, _ = self.score_all(
            find_videos(videos), None, RuntimeOptions(device=device), progress=progress, rule=raw
        )
        pieces = [(one.time, one.components) for one in scores]
        return self.calibrate(pieces, alarms_per_hour=alarms_per_hour, quantile=quantile), skipped

    def _calibrate(self, pieces: Sequence[HeldOutScores], rate: float | None, quantile: float | None) -> Calibration:
        scoring = self.trained.recipe.scoring
        levels = measure_levels([components for _, components in pieces], self.trained.outline.combination)
        rule = self._rule(levels)
        curves = [(time, rule(components)) for time, components in pieces]
        chosen = calibrate(
            curves, alarms_per_hour=rate, quantile=quantile, merge_s=scoring.merge_s, min_s=scoring.min_s
        )
        return replace(chosen, levels=levels)

    def _heldout(self) -> list[HeldOutScores]:
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
        options: RuntimeOptions = RuntimeOptions(),
        workers: int = 1,
        progress: ScoreProgress | None = None,
    ) -> Scores:
        """Score a video, a folder of videos or frame folders, a CSV of paths, or sources already found.

        Args:
            videos: what to score.
            out: folder for score files, events, overlays and report (see `write_outputs`); None keeps everything in
                memory and writes nothing.
            force: score again what `out` already holds; else videos that this bundle has scored are taken from there.
            overlay: also write overlay videos.
            calibration: thresholds; None takes the bundle's own.
            labels: video name -> (N,) 0/1 per frame, shown in the report where the truth is known.
            options: runtime, precision and device.
            workers: processes that score videos side by side and share the cores.

        Raises:
            InputError: nothing to score, or not one of the videos can be scored.
            CalibrationError: the bundle has no calibration and none was given.
        """
        calibration = calibration or self.calibration()
        sources = find_videos(videos) if isinstance(videos, str | Path) else videos
        folder = None if out is None else Path(out) / "scores"
        scores, skipped, used = self.score_all(
            sources, folder, options, force=force, workers=workers, progress=progress
        )
        scored = Scores(scores, calibration, self.rule.combination, skipped)
        if out is not None:
            write_outputs(Path(out), self.trained, scored, used, overlay, force, labels or {})
        return scored

    def score_all(
        self,
        sources: Sequence[VideoSource],
        folder: Path | None,
        options: RuntimeOptions = RuntimeOptions(),
        *,
        force: bool = False,
        workers: int = 1,
        progress: ScoreProgress | None = None,
        rule: ScoreRule | None = None,
    ) -> tuple[tuple[FrameScores, ...], tuple[Skipped, ...], tuple[VideoSource, ...]]:
        """Scores, what was skipped and why, and the sources of the scores; see `score` for the arguments.

        Args:
            folder: for score files; None keeps the scores in memory.
            rule: None takes the run's own.

        Raises:
            InputError: not one of the videos can be scored.
        """
        rule = rule or self.rule
        if options.runtime == AUTO:
            options = choose_runtime(self.trained, options, sources, rule)
        job = Job(self.trained, options, rule, folder, force)
        if folder is not None:
            Origin(self.trained.recipe.model, job.identity, rule).save(folder)
        done = (
            score_in_processes(job, sources, workers, progress) if workers > 1 else score_here(job, sources, progress)
        )
        found = dict(done)
        scores, skipped, used = [], [], []
        for source in sources:
            result = found[source]
            if isinstance(result, str):
                skipped.append((source, result))
            else:
                scores.append(result)
                used.append(source)
        if not scores:
            first = skipped[0][1]
            raise InputError(
                first if len(skipped) == 1 else f"not one of {len(skipped)} videos can be scored; first: {first}"
            )
        return tuple(scores), tuple(skipped), tuple(used)


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
    """A run that `fit` left in a folder, or `export` made of it.

    Raises:
        BundleError: neither of them, or a damaged one.
    """
    return Run(load_trained(Path(path)))
