"""The steps of learning from marks; each stands on the one before.

    recalibrate   the video of events that were marked normal becomes normal video, and the threshold is found anew
    zones         places to ignore
    memory        windows that were marked normal are taken into the memory of the detector
    classifier    with enough marks of both kinds, a judge holds events that look like what was marked normal

A threshold rests on the held-out video that the bundle has, and on the video of the lessons, as detectors see it that
have not taken it in. The scores that the bundle has stay as they are after zones and memory: in `camera` these can
only lower them, so that the promise holds. Where that is not so, after a network has taken windows in, the threshold
rests on the video of the lessons alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from oddframe.account import count_of
from oddframe.bundle import Bundle
from oddframe.errors import CalibrationError
from oddframe.models.ignored import IgnoredPlace
from oddframe.models.teaching import TaughtVideo, Teaching
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.heldout_store import HeldOutScores, load_heldout
from oddframe.settings import ThresholdOptions
from oddframe.video.pauses import plausible_seconds
from oddframe.workflow.judging import fit_judge
from oddframe.workflow.lesson_scores import Judged, Sights, Watching, folds_of, judge_lessons, normal_pieces
from oddframe.workflow.lessons import MarkedEvent, by_footage
from oddframe.workflow.run import Run
from oddframe.workflow.taking_in import is_masking, memory_of, taught_detector
from oddframe.workflow.thresholds import threshold_on

STEPS = ("recalibrate", "zones", "memory", "classifier")


@dataclass(frozen=True)
class StepState:
    """What there is after a step.

    Attributes:
        sights: what detectors say of the lessons that they have not taken in.
        asked: what the detector of this step says of the lessons that are reported.
        rests: pieces of held-out video that the bundle brought, as far as they hold.
        calibration: thresholds.
        teaching: what goes into the bundle.
        taken: whether windows were taken in.
        alone: `sights` come from a detector that has taken in the normal lessons, for there are no others.
        did: in words.
    """

    sights: Sights
    asked: Sights
    rests: tuple[HeldOutScores, ...]
    calibration: Calibration
    teaching: Teaching
    taken: bool = False
    alone: bool = False
    did: str = ""


class LessonSteps:
    """Takes the steps with some lessons.

    Args:
        run: the bundle as it is.
        lessons: that are learned from.
        reported: that are not, and that `StepState.asked` tells of.
        zones: to ignore.
        wish: how the threshold is chosen.
        watching: scores footage.
        hours: gives the normal hours of watched cameras, without events that were marked as normal if asked so.
    """

    def __init__(
        self, run: Run, lessons: Sequence[MarkedEvent], reported: Sequence[MarkedEvent],
        zones: tuple[IgnoredPlace, ...], wish: ThresholdOptions, watching: Watching,
        hours: Callable[[bool], list[HeldOutScores]],
    ) -> None:  # fmt: skip
        self.run, self.lessons, self.reported, self.zones = run, lessons, reported, zones
        self.wish, self.watching, self.hours = wish, watching, hours
        self.bundle: Bundle = run.bundle.original()
        self.before = self.bundle.data.taught or Teaching("")
        self.normal = [one for one in lessons if one.normal]

    def take(self, names: Iterable[str], looked: Sights) -> list[StepState]:
        """The state before, and the state after each of the named steps.

        Args:
            looked: what the detector as it is says of all lessons, the reported ones included.

        Raises:
            CalibrationError: the threshold that is asked for cannot be had.
        """
        teaching = replace(
            self.before, parent=self.bundle.id, normal=len(self.normal), abnormal=len(self.lessons) - len(self.normal)
        )
        rests = tuple(load_heldout(self.run.path))
        states = [StepState(looked, looked, rests, self.run.calibration(), teaching)]
        steps: dict[str, Callable[[StepState], StepState]] = {
            "recalibrate": self._recalibrate, "zones": self._zones, "memory": self._memory,
            "classifier": self._classify,
        }  # fmt: skip
        for name in names:
            states.append(steps[name](states[-1]))
        return states

    def pieces(self, state: StepState) -> list[HeldOutScores]:
        """The held-out normal video on which the threshold of a state rests."""
        known = {one.key for one in self.before.videos}  # what an earlier version counts is in its held-out video
        new = [one for one in self.lessons if one.footage.key not in known]
        hours = self.hours(state.taken) if is_masking(self.bundle) or not state.taken else []
        return [*state.rests, *normal_pieces(state.sights, new, state.alone), *hours]

    def judged(self, state: StepState) -> list[Judged]:
        """How a state sees the lessons that are reported."""
        rule = self.run.rule_for(state.calibration.levels)
        return judge_lessons(state.asked, self.reported, rule, state.calibration)

    def _recalibrate(self, state: StepState) -> StepState:
        found = self._calibrated(state)
        new = sum(plausible_seconds(time) for time, _ in self.pieces(state)[len(state.rests) :]) / 60
        did = (
            f"{new:.1f} min of video with {count_of(len(self.normal), 'normal mark')} are normal video now: the "
            f"threshold was {state.calibration.threshold:.4g} and is {found.calibration.threshold:.4g}"
        )
        return replace(found, did=did)

    def _zones(self, state: StepState) -> StepState:
        if not self.zones:
            return replace(state, did="there are no zones to ignore")
        masked = is_masking(self.bundle)
        teaching = replace(state.teaching, zones=self.zones, masked=masked)
        how = "the detector says nothing there" if masked else "events whose middle lies there are held"
        state = replace(state, teaching=teaching, did=f"{count_of(len(self.zones), 'zone')} to ignore: {how}")
        if not masked:
            return state
        copy, _ = taught_detector(self.bundle, (), self.zones)
        sights = self.watching.look(copy, [*self.lessons, *self.reported], "with zones")
        return self._calibrated(replace(state, sights=sights, asked=sights))

    def _memory(self, state: StepState) -> StepState:
        where = memory_of(self.bundle)
        if not where or not self.normal:
            why = (
                "no event is marked as normal"
                if where
                else f"{self.bundle.recipe.model} has no memory of what is normal"
            )
            return replace(state, did=f"nothing is taken in: {why}")
        zones = state.teaching.zones if state.teaching.masked else ()
        copy, windows = taught_detector(self.bundle, self.normal, zones, self.watching.show)
        asked = self.watching.look(copy, self.reported, "later marks") if self.reported else {}
        alone = len(folds_of(self.lessons)) < 2
        if alone:
            sights = self.watching.look(copy, self.lessons, "taught")
        else:
            sights = self.watching.cross(self.bundle, self.lessons, zones)
        rests = state.rests if is_masking(self.bundle) else ()
        did = f"{count_of(windows, 'window')} of {count_of(len(self.normal), 'normal mark')} went into {where}"
        after = replace(state, sights=sights, asked=asked, rests=rests, taken=True, alone=alone, did=did)
        try:
            return self._calibrated(after)
        except CalibrationError as error:
            if rests:
                raise
            return replace(state, did=f"nothing is taken in, for then a threshold must be found anew: {error}")

    def _classify(self, state: StepState) -> StepState:
        rule = self.run.rule_for(state.calibration.levels)
        judge, did = fit_judge(judge_lessons(state.sights, self.lessons, rule, state.calibration))
        teaching = replace(state.teaching, judge=judge or state.teaching.judge)
        return replace(state, teaching=teaching, did=did)

    def _calibrated(self, state: StepState) -> StepState:
        """A state with the threshold that its scores make."""
        own = by_footage(self.lessons)
        assumed = (seen.fps for key, seen in state.sights.items() if key in own and seen.fps is not None)
        fps = self.run.calibration().assumed_fps or next(assumed, None)
        wish = self.wish.alarms_per_hour, self.wish.quantile
        found = threshold_on(self.run, self.pieces(state), *wish).guessed(fps)
        new = {key: TaughtVideo(footage.source.name, key) for key, (footage, _) in own.items() if key in state.sights}
        videos = {**{one.key: one for one in self.before.videos}, **new}
        return replace(state, calibration=found, teaching=replace(state.teaching, videos=tuple(videos.values())))
