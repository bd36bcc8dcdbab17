"""A trained detector at work: videos in, scores and events out."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from oddframe.atomic import new_folder
from oddframe.bundle import TrainedDetector
from oddframe.errors import CalibrationError, InputError, VideoError
from oddframe.locks import holding
from oddframe.progress import ProgressCall, shown
from oddframe.reading.tables import read_text
from oddframe.runners.choose import as_runner
from oddframe.runners.runner import Runner
from oddframe.runtime.exported import is_trained, load_trained
from oddframe.runtime.runtime import AUTO, RuntimeOptions
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.choose_runtime import choose_runtime
from oddframe.scoring.combine import Levels, ScoreRule
from oddframe.scoring.drift import NormalScore, normal_score
from oddframe.scoring.heldout_store import HELDOUT, HeldOutScores, load_heldout
from oddframe.scoring.masking import masked
from oddframe.scoring.open_scorer import open_scorer, score_identity, window_signature
from oddframe.scoring.origin import Origin
from oddframe.scoring.parallel import ScoringJob, score_beside
from oddframe.scoring.schedule import CHOSEN, Schedule
from oddframe.scoring.scorer import ScoreStore
from oddframe.settings import ThresholdOptions
from oddframe.types import FrameScores, IgnoredPlace, Signature
from oddframe.video.identity import content_key
from oddframe.video.search import Videos, find_videos
from oddframe.video.sources import VideoSource, with_levels
from oddframe.workflow.began import with_starts
from oddframe.workflow.begin import check_amount
from oddframe.workflow.frame_rates import rate_notes, refuse_guesses
from oddframe.workflow.notes import (
    UNCHECKED,
    learned_notes,
    named,
    refuse_learned,
    repeated,
    short_notes,
    unkeyed_note,
    unwatched_notes,
    used_text,
)
from oddframe.workflow.outputs import OutputOptions, write_outputs
from oddframe.workflow.reasons import explain_events
from oddframe.workflow.scores import Scores, Skipped
from oddframe.workflow.self_check import sentences
from oddframe.workflow.space import require_room_for_scores
from oddframe.workflow.thresholds import keep_calibration, threshold_on

if TYPE_CHECKING:
    from oddframe.models.fitted import FittedDetector
    from oddframe.models.learner import Learner  # imports torch, which exported detectors do without


class Run:
    """A trained detector, as `fit` leaves it and `load_run` finds it.

    Attributes:
        bundle: the trained detector: a bundle, or what was exported of one.
        skipped: training videos that could not be used, and why; empty for a loaded run.
        ignored: places that it leaves out besides those of its bundle; see `ignoring`.
        masks: whether the detector itself says nothing of them. Otherwise events whose middle lies in one are on hold.
    """

    def __init__(self, bundle: TrainedDetector, skipped: Sequence[Skipped] = (), rule: ScoreRule | None = None) -> None:
        """See the class; `rule` takes the place of the recipe's own way from components to scores."""
        self.bundle = bundle
        self.skipped = tuple(skipped)
        self.ignored: tuple[IgnoredPlace, ...] = ()
        self.masks = True
        self._own_rule = rule

    def __repr__(self) -> str:
        recipe = self.bundle.recipe
        lines = f"Run of {recipe.model} ({recipe.name}), bundle {self.bundle.id} in {self.path}"
        if not self.bundle.calibration.is_file():
            return f"{lines}\nno threshold yet"
        c = self.calibration()
        return f"{lines}\nthreshold {c.threshold:.4g}; it promises {c.sentence()}"

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
        if self.bundle.settled:
            return []
        plain = self.history.get("plainest")
        against = [f"its error is {plain[1]:.3g} times that of {plain[0]}, on held-out video"] if plain else []
        return against + sentences(self.history.get("self_check", {}))

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
        return self.rule_under(self.calibration()) if self.bundle.calibration.is_file() else self.rule_for({})

    def rule_under(self, calibration: Calibration | None) -> ScoreRule:
        """How this run makes one score per frame under a calibration; None takes its own. Scores are in units of the
        calibration where that is made of several."""
        if calibration is None or self._own_rule is not None:
            return self.rule
        rule = self.rule_for(calibration.levels)
        return replace(rule, schedule=calibration.schedule, parts=calibration.parts)

    def with_rule(self, rule: ScoreRule) -> Run:
        """The same detector with another way from components to scores."""
        made = Run(self.bundle, self.skipped, rule)
        made.ignored, made.masks = self.ignored, self.masks
        return made

    def ignoring(self, places: Sequence[IgnoredPlace]) -> Run:
        """The same detector where nobody wants to be told of some places of the picture.

        `camera`, and any detector that was fitted with these places, says nothing of them. Of others the scores stay as
        they are, and events whose middle lies in one of the places are on hold.
        """
        bundle = masked(self.bundle, places)
        made = Run(self.bundle if bundle is None else bundle, self.skipped, self._own_rule)
        made.ignored, made.masks = tuple(places), bundle is not None
        return made

    @property
    def zones(self) -> tuple[IgnoredPlace, ...]:
        """The places of `ignoring` whose events are on hold; none where the detector itself says nothing of them."""
        return () if self.masks else self.ignored

    def masking_notes(self) -> tuple[str, ...]:
        """A note where the detector cannot leave the places of `ignoring` out of its scores."""
        if self.masks:
            return ()
        return (
            f"{self.bundle.recipe.model} learned from the whole picture: its scores stay as they are, and events "
            "whose middle lies in a place to ignore are on hold; fit it with --ignore to leave the places out of "
            "its scores",
        )

    def rule_for(self, levels: Levels) -> ScoreRule:
        """How this run makes one score per frame where this is normal."""
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
            InputError: a value is out of range or no finite number, or more than one is given.
        """
        if sum(wish is not None for wish in (alarms_per_hour, quantile, threshold)) > 1:
            raise InputError("give one of a threshold, a quantile and alarms per hour: each sets the threshold alone")
        if threshold is not None and not math.isfinite(threshold):
            raise InputError(f"the threshold is {threshold:g}; give a finite number")
        if not self.bundle.calibration.is_file():
            raise CalibrationError(
                f"{self.path}: has no calibration (imported checkpoints have none); "
                f"make one with `oddframe calibrate {self.path} NORMAL_VIDEOS --in-place`"
            )
        stored = Calibration.from_json(read_text(self.bundle.calibration), self.bundle.calibration)
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
        if alarms_per_hour is not None and stored.assumed_fps is not None:
            raise CalibrationError(
                f"{self.path}: alarms per hour need the frame rate of its held-out video, and {stored.assumed_fps:g} "
                "frames/s were assumed; fit or calibrate again with --fps, or choose a --quantile"
            )
        found = threshold_on(self, load_heldout(self.path), alarms_per_hour, quantile, stored.schedule)
        return found.guessed(stored.assumed_fps)

    def calibrate(
        self,
        pieces: Sequence[HeldOutScores],
        *,
        alarms_per_hour: float | None = None,
        quantile: float | None = None,
        assumed_fps: float | None = None,
    ) -> Calibration:
        """Find on normal video what is normal for each component, and thresholds; keep all of it in the bundle.

        Args:
            assumed_fps: frames/s that were assumed for some of the video; then no rate of alarms is promised.

        Raises:
            CalibrationError: too little video for what is asked for.
        """
        if not pieces:
            raise CalibrationError("there is no held-out normal video to calibrate on: hold out more normal video")
        # First a threshold that any held-out video supports: if what was asked for cannot be had, training is not lost.
        for wish in ((None, None), (alarms_per_hour, quantile)):
            chosen = threshold_on(self, pieces, *wish).guessed(assumed_fps)
            keep_calibration(self, self.path, pieces, chosen)
        return chosen

    def calibrate_on(
        self,
        videos: Videos,
        out: str | Path | None = None,
        *,
        in_place: bool = False,
        threshold: ThresholdOptions = ThresholdOptions(),
        schedule: Schedule | Literal["none"] | None = None,
        options: RuntimeOptions = RuntimeOptions(),
        progress: ProgressCall | bool = True,
    ) -> tuple[Run, tuple[Skipped, ...]]:
        """Find thresholds on normal video that the run has not learned from. A new bundle appears, or none.

        Args:
            videos: normal video; copies of one video count once.
            out: folder for the new bundle, which is this one with other thresholds.
            in_place: instead of a new bundle, change this one: all of its files or none.
            threshold: how the threshold is chosen.
            schedule: make several calibrations, one for each part into which this divides the video; None keeps to what
                the bundle has, and "none" makes one alone.

        Returns:
            The calibrated run, and the videos that could not be scored.

        Raises:
            InputError: neither or both of `out` and `in_place` are given, `out` exists, the run has learned from one
                of the videos, whatever its name is, not one of them can be scored, or the clock is to choose and
                nobody knows when a video was taken.
            CalibrationError: too little video for what is asked for.
            RecipeError: a schedule for a detector that scores no frames.
        """
        if in_place == (out is not None):
            raise InputError(
                f"{self.path}: say where the new threshold goes: --out FOLDER for a new bundle, or --in-place to "
                "change this one"
            )
        if out is not None and Path(out).exists() and (not Path(out).is_dir() or any(Path(out).iterdir())):
            raise InputError(f"{out}: already exists; choose another --out, or change a bundle by --in-place")
        if schedule is None and self.bundle.calibration.is_file():
            schedule = self.calibration().schedule
        chosen = None if schedule == "none" else schedule
        with holding(self.path if out is None else out):
            return self._calibrate_on(videos, out, threshold, chosen, options, progress)

    def _calibrate_on(
        self,
        videos: Videos,
        out: str | Path | None,
        threshold: ThresholdOptions,
        schedule: Schedule | None,
        options: RuntimeOptions,
        progress: ProgressCall | bool,
    ) -> tuple[Run, tuple[Skipped, ...]]:
        """`calibrate_on`, with a folder that nobody else writes into."""
        if schedule is not None and self.signature.combination.scale == "per_video_minmax":
            raise InputError(
                f"{self.path}: scales its scores by the whole of each video, so no schedule can divide one"
            )
        if schedule is not None and CHOSEN in self.signature.reported:
            raise InputError(f"{self.path}: has a component {CHOSEN!r}, which a schedule needs; give it another name")
        sources = with_starts(find_videos(videos), schedule)
        if threshold.quantile is None:
            refuse_guesses([source for source in sources if source.kind == "frames" and source.fps is None])
        check_amount(sources, threshold)
        notes = self._checked(sources)
        # What is normal is only found out here; until then components stand for themselves.
        plain = replace(self.rule.combination, scale="none")
        raw = replace(self.rule_for({}), combination=plain, schedule=schedule)
        scores = self.with_rule(raw).score(sources, options=options, progress=progress)
        pairs = zip(scores.sources, scores, strict=True)
        guessed = [(source, one.info.fps) for source, one in pairs if one.info.rate == "assumed"]
        if threshold.quantile is None:
            refuse_guesses([source for source, _ in guessed])
        copies = repeated({one.video: one.info.key for one in scores})
        if copies:
            notes.append(f"copies of other videos count once: {named(list(copies))}")
        pieces = [(one.time, one.components) for one in scores if one.video not in copies]
        chosen = threshold_on(self, pieces, threshold.alarms_per_hour, threshold.quantile, schedule)
        chosen = chosen.guessed(guessed[0][1] if guessed else None)
        chosen = replace(chosen, note="; ".join(filter(None, [chosen.note, *notes])))
        if out is None:
            keep_calibration(self, self.path, pieces, chosen)
            return self, scores.skipped
        with new_folder(Path(out)) as folder:
            copy_finished(self.path, folder)
            keep_calibration(self, folder, pieces, chosen)
        return load_run(out), scores.skipped

    def _checked(self, sources: Sequence[VideoSource]) -> list[str]:
        """A note where it is not known whether the run has learned from these videos.

        Raises:
            InputError: it has learned from one of them.
        """
        keys = {}
        for source in sources:
            with suppress(VideoError):  # scoring skips what cannot be read, and says why
                keys[source.name] = content_key(source)
        refuse_learned(self.path, self.bundle.data, keys)
        return [] if self.bundle.data.content_known else [UNCHECKED]

    def score(
        self,
        videos: Videos,
        out: str | Path | None = None,
        *,
        calibration: Calibration | None = None,
        outputs: OutputOptions = OutputOptions(),
        options: RuntimeOptions = RuntimeOptions(),
        workers: int | Runner = 1,
        progress: ProgressCall | bool = True,
    ) -> Scores:
        """Score videos: when, where and how strongly something is not normal.

        Args:
            videos: what to score: a path, a pattern such as "videos/*.mp4", a list of paths, or an `ArrayVideo`.
                A path is a video file, a folder of videos or of frame folders, or a CSV of paths.
            out: folder for score files, events, overlays and report; None keeps everything in memory and writes
                nothing. Videos that this detector has scored are taken from there, known by their content.
            calibration: thresholds; None takes the bundle's own, where it has them.
            outputs: what is written to `out`.
            options: runtime, precision, device and batch size.
            workers: processes that score videos side by side and share the cores, or another runner (see
                `oddframe.runners`). One that does a share of the videos writes score files alone; once all shares are
                done, the same call without it makes events and pages of them.
            progress: True shows bars on standard error; False shows nothing; or a function that is called with a
                video's name, frames done, and frames in all where the file says so.

        Raises:
            InputError: nothing to score, not one of the videos can be scored, `out` holds a trained detector, or
                another process is writing into it.
            CalibrationError: pages are to be written and the bundle has no calibration.
        """
        if out is not None and is_trained(Path(out)):
            raise InputError(f"{out}: holds a trained detector; choose a folder of its own for the scores with --out")
        runner = as_runner(workers)
        if runner.shared:
            outputs = replace(outputs, pages=False)
        with nullcontext() if out is None or runner.shared else holding(out):
            return self._score(videos, out, calibration, outputs, options, runner, progress)

    def _score(
        self,
        videos: Videos,
        out: str | Path | None,
        calibration: Calibration | None,
        outputs: OutputOptions,
        options: RuntimeOptions,
        runner: Runner,
        progress: ProgressCall | bool,
    ) -> Scores:
        """`score`, with a folder that nobody else writes into, or only runners of other shares."""
        if calibration is None and (self.bundle.calibration.is_file() or (out is not None and outputs.pages)):
            calibration = self.calibration()
        rule = self.rule_under(calibration)
        sources = with_starts(with_levels(find_videos(videos), self.bundle.data.levels), rule.schedule)
        if options.runtime == AUTO:
            options = choose_runtime(self.bundle, options, sources, rule)
        folder = None if out is None else Path(out) / "scores"
        notes: list[str] = []
        if folder is not None:
            overlays = outputs.pages and outputs.overlay
            require_room_for_scores(folder.parent, sources, self.bundle.outline, overlays)
            identity = score_identity(self.bundle, options, rule)
            unkeyed = ScoreStore(identity, folder, outputs.force).unkeyed(sources)
            notes += [unkeyed_note(unkeyed, "scores", "scored")] if unkeyed else []
            Origin(self.bundle.recipe.model, identity, rule, str(self.path.absolute()), calibration).save(folder)
        with shown(progress) as show:
            done: dict[VideoSource, FrameScores | str] = {}
            if runner.shared or runner.workers > 1:
                job = ScoringJob(self.path, options, rule, folder, outputs.force, self.ignored)
                done.update(score_beside(job, sources, runner, show))
                sources = [source for source in sources if source in done]
            else:
                scorer = open_scorer(self.bundle, options, rule, folder, outputs.force)
                for source in sources:
                    try:
                        done[source] = scorer.score(source, None if show is None else partial(show, source.name))
                    except VideoError as error:
                        done[source] = str(error)
        scored = {source: own for source in sources if not isinstance(own := done[source], str)}
        skipped = tuple((source, reason) for source in sources if isinstance(reason := done[source], str))
        if not scored and not runner.shared:
            first = skipped[0][1]
            raise InputError(
                first if len(skipped) == 1 else f"not one of {len(skipped)} videos can be scored; first: {first}"
            )
        notes += rate_notes([one.info for one in scored.values()], self.bundle, options.any_rate)
        notes += short_notes(list(scored.values()), self.bundle.outline)
        notes += unwatched_notes(self.bundle, list(scored.values()))
        notes += self.masking_notes()
        notes += learned_notes(self.bundle.data, {own.video: own.info.key for own in scored.values()})
        found = Scores(
            tuple(scored.values()), calibration, rule.combination, tuple(scored), skipped, tuple(notes),
            normal=self.drift_reference(rule), teaching=self.bundle.data.taught,
            zones=self.zones,
        )  # fmt: skip
        if rule.parts:
            used = used_text(found.seconds_chosen())
            found = replace(found, notes=(*found.notes, used))
        if out is not None and outputs.pages:
            found = replace(found, reasons=explain_events(self.bundle, found, options))
            undrawn = write_outputs(Path(out), self.bundle, found, outputs)
            found = replace(found, skipped=(*found.skipped, *undrawn))
        return found

    def drift_reference(self, rule: ScoreRule) -> NormalScore | None:
        """What drift is held against: the held-out scores under this rule; None where there are none."""
        if not isinstance(self.bundle.outline, Signature) or not (self.path / HELDOUT).is_file():
            return None
        return normal_score([(time, rule(components, time)) for time, components in load_heldout(self.path)])


def copy_finished(bundle: Path, folder: Path) -> None:
    """Copy all files of a bundle but what training left unfinished into a folder that exists."""
    for path in sorted(bundle.iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            (folder / path.name).mkdir()
            copy_finished(path, folder / path.name)
        elif path.is_file() and path.name != "checkpoint.pt" and not path.name.startswith("."):
            shutil.copyfile(path, folder / path.name)


def load_run(path: str | Path) -> Run:
    """A run that `fit` left in a folder, or `export` made of it.

    Raises:
        BundleError: neither of them, or a damaged one.
    """
    return Run(load_trained(Path(path)))


def score(run: Run | str | Path, videos: Videos, out: str | Path | None = None, **settings: Any) -> Scores:
    """Score videos with a run or with the folder of one; see `Run.score` for the arguments and the errors."""
    return (run if isinstance(run, Run) else load_run(run)).score(videos, out, **settings)
