"""A trained detector at work: videos in, scores and events out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oddframe.atomic import write_text
from oddframe.bundle import TrainedDetector
from oddframe.errors import CalibrationError, InputError, VideoError
from oddframe.progress import ProgressCall, shown
from oddframe.runtime.exported import load_trained
from oddframe.runtime.runtime import AUTO, RuntimeOptions
from oddframe.scoring.calibrate import Calibration, calibrate
from oddframe.scoring.choose_runtime import choose_runtime
from oddframe.scoring.combine import Levels, ScoreRule, measure_levels
from oddframe.scoring.heldout_store import HeldOutScores, load_heldout, save_heldout
from oddframe.scoring.open_scorer import open_scorer, score_identity, window_signature
from oddframe.scoring.origin import Origin
from oddframe.scoring.parallel import ScoringJob, score_in_processes
from oddframe.types import FrameScores, Signature
from oddframe.video.sources import Videos, VideoSource, find_videos
from oddframe.workflow.card import write_card
from oddframe.workflow.outputs import OutputOptions, write_outputs
from oddframe.workflow.scores import Scores, Skipped
from oddframe.workflow.self_check import sentences

if TYPE_CHECKING:
    from oddframe.models.fitted import FittedDetector
    from oddframe.models.learner import Learner  # imports torch, which exported detectors do without


class Run:
    """A trained detector, as `fit` leaves it and `load_run` finds it.

    Attributes:
        bundle: the trained detector: a bundle, or what was exported of one.
        skipped: training videos that could not be used, and why; empty for a loaded run.
    """

    def __init__(self, bundle: TrainedDetector, skipped: Sequence[Skipped] = (), rule: ScoreRule | None = None) -> None:
        """See the class; `rule` takes the place of the recipe's own way from components to scores."""
        self.bundle = bundle
        self.skipped = tuple(skipped)
        self._own_rule = rule

    def __repr__(self) -> str:
        recipe = self.bundle.recipe
        lines = f"Run of {recipe.model} ({recipe.name}), bundle {self.bundle.id} in {self.path}"
        if not self.bundle.calibration.is_file():
            return f"{lines}\nno threshold yet"
        c = self.calibration()
        asked = f"{c.rate:.3g} alarms per hour" if c.rate is not None else "a quantile or a value of your own"
        return f"{lines}\nthreshold {c.threshold:.4g} for {asked}, from {c.seconds / 60:.1f} minutes of normal video"

    @property
    def path(self) -> Path:
        """The folder of the bundle, or of what was exported."""
        return self.bundle.path

    @property
    def detector(self) -> Learner | FittedDetector:
        """What was learned: a network in eval mode on the CPU, or a fitted detector.

        Raises:
            BundleError: this is an exported detector.
        """
        return self.bundle.original().detector

    @property
    def history(self) -> Mapping[str, Any]:
        """What training left (see `oddframe.training.checkpoint.TrainingHistory`), as plain values.

        Raises:
            BundleError: this is an exported detector.
        """
        return self.bundle.original().history

    def self_check(self) -> list[str]:
        """What the self-check at the end of the fit found, a sentence each; empty where there was none."""
        return [] if self.bundle.settled else sentences(self.history.get("self_check", {}))

    @property
    def signature(self) -> Signature:
        """What scoring has to know of the detector.

        Raises:
            RecipeError: it is a weakly supervised one.
        """
        return window_signature(self.bundle)

    @property
    def rule(self) -> ScoreRule:
        """How this run makes one score per frame."""
        if self._own_rule is not None:
            return self._own_rule
        return self._rule(self.calibration().levels if self.bundle.calibration.is_file() else {})

    def with_rule(self, rule: ScoreRule) -> Run:
        """The same detector with another way from components to scores."""
        return Run(self.bundle, self.skipped, rule)

    def _rule(self, levels: Levels) -> ScoreRule:
        scoring, combination = self.bundle.recipe.scoring, self.bundle.outline.combination
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
        if not self.bundle.calibration.is_file():
            raise CalibrationError(
                f"{self.path}: has no calibration (imported checkpoints have none); "
                f"make one with `oddframe calibrate {self.path} NORMAL_VIDEOS`"
            )
        stored = Calibration.from_json(self.bundle.calibration.read_text(encoding="utf-8"))
        if threshold is not None:
            low = min(threshold, (threshold + stored.scores["0.5"]) / 2)
            note = "the threshold was given by hand; how many false alarms it brings is not known"
            return replace(
                stored,
                threshold=threshold,
                low=low,
                rate=None,
                quantile=None,
                upper_rate=None,
                alarm_share=None,
                note=note,
            )
        if alarms_per_hour is None and quantile is None:
            return stored
        return self._calibrate(load_heldout(self.path), alarms_per_hour, quantile)

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
        save_heldout(self.path, pieces)
        # First a threshold that any held-out video supports: if what was asked for cannot be had, training is not lost.
        for wish in ((None, None), (alarms_per_hour, quantile)):
            chosen = self._calibrate(pieces, *wish)
            write_text(self.bundle.calibration, chosen.to_json() + "\n")
            if not self.bundle.settled:  # the card of an exported detector is that of its bundle
                write_card(self.bundle.original(), chosen)
        return chosen

    def calibrate_on(
        self,
        videos: Videos,
        *,
        alarms_per_hour: float | None = None,
        quantile: float | None = None,
        options: RuntimeOptions = RuntimeOptions(),
        progress: ProgressCall | bool = True,
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
        scores = self.with_rule(raw).score(videos, options=options, progress=progress)
        pieces = [(one.time, one.components) for one in scores]
        return self.calibrate(pieces, alarms_per_hour=alarms_per_hour, quantile=quantile), scores.skipped

    def _calibrate(self, pieces: Sequence[HeldOutScores], rate: float | None, quantile: float | None) -> Calibration:
        scoring = self.bundle.recipe.scoring
        levels = measure_levels([components for _, components in pieces], self.bundle.outline.combination)
        rule = self._rule(levels)
        curves = [(time, rule(components)) for time, components in pieces]
        chosen = calibrate(
            curves, alarms_per_hour=rate, quantile=quantile, merge_s=scoring.merge_s, min_s=scoring.min_s
        )
        return replace(chosen, levels=levels)

    def score(
        self,
        videos: Videos,
        out: str | Path | None = None,
        *,
        calibration: Calibration | None = None,
        outputs: OutputOptions = OutputOptions(),
        options: RuntimeOptions = RuntimeOptions(),
        workers: int = 1,
        progress: ProgressCall | bool = True,
    ) -> Scores:
        """Score videos: when, where and how strongly something is not normal.

        Args:
            videos: what to score: a path, a pattern such as "videos/*.mp4", a list of paths, or an `ArrayVideo`.
                A path is a video file, a folder of videos or of frame folders, or a CSV of paths.
            out: folder for score files, events, overlays and report; None keeps everything in memory and writes
                nothing. Videos that this detector has scored are taken from there.
            calibration: thresholds; None takes the bundle's own, where it has them.
            outputs: what is written to `out`.
            options: runtime, precision, device and batch size.
            workers: processes that score videos side by side and share the cores.
            progress: True shows bars on standard error; False shows nothing; or a function that is called with a
                video's name, frames done, and frames in all where the file says so.

        Raises:
            InputError: nothing to score, or not one of the videos can be scored.
            CalibrationError: pages are to be written and the bundle has no calibration.
        """
        sources, rule = find_videos(videos), self.rule
        if calibration is None and (self.bundle.calibration.is_file() or (out is not None and outputs.pages)):
            calibration = self.calibration()
        if options.runtime == AUTO:
            options = choose_runtime(self.bundle, options, sources, rule)
        folder = None if out is None else Path(out) / "scores"
        if folder is not None:
            Origin(self.bundle.recipe.model, score_identity(self.bundle, options, rule), rule).save(folder)
        with shown(progress) as show:
            done: dict[VideoSource, FrameScores | str] = {}
            if workers > 1:
                job = ScoringJob(self.path, options, rule, folder, outputs.force)
                done.update(score_in_processes(job, sources, workers, show))
            else:
                scorer = open_scorer(self.bundle, options, rule, folder, outputs.force)
                for source in sources:
                    try:
                        done[source] = scorer.score(source, None if show is None else partial(show, source.name))
                    except VideoError as error:
                        done[source] = str(error)
        scored = {source: own for source in sources if not isinstance(own := done[source], str)}
        skipped = tuple((source, reason) for source in sources if isinstance(reason := done[source], str))
        if not scored:
            first = skipped[0][1]
            raise InputError(
                first if len(skipped) == 1 else f"not one of {len(skipped)} videos can be scored; first: {first}"
            )
        found = Scores(tuple(scored.values()), calibration, rule.combination, tuple(scored), skipped)
        if out is not None and outputs.pages:
            write_outputs(Path(out), self.bundle, found, outputs)
        return found


def load_run(path: str | Path) -> Run:
    """A run that `fit` left in a folder, or `export` made of it.

    Raises:
        BundleError: neither of them, or a damaged one.
    """
    return Run(load_trained(Path(path)))


def score(run: Run | str | Path, videos: Videos, out: str | Path | None = None, **settings: Any) -> Scores:
    """Score videos with a run or with the folder of one; see `Run.score` for the arguments and the errors."""
    return (run if isinstance(run, Run) else load_run(run)).score(videos, out, **settings)
