"""From marks of people to a better bundle; the old bundle stays as it is.

`oddframe.workflow.lesson_steps` says what the steps are. What a step changes is counted on the later marks, by a
detector and a threshold that only the earlier ones have made. The bundle that is written learns from all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oddframe.atomic import new_folder, write_text
from oddframe.bundle import save_bundle
from oddframe.errors import InputError
from oddframe.locks import holding
from oddframe.progress import ProgressCall, shown
from oddframe.settings import ThresholdOptions
from oddframe.store.opening import open_store
from oddframe.store.place import StorePlace
from oddframe.workflow.lesson_scores import Watching, watched_pieces
from oddframe.workflow.lesson_steps import STEPS, LessonSteps, StepState
from oddframe.workflow.lessons import Lessons, MarkedEvent, gather_lessons
from oddframe.workflow.run import Run, copy_finished, load_run
from oddframe.workflow.taking_in import taught_detector
from oddframe.workflow.thresholds import keep_calibration

if TYPE_CHECKING:
    from oddframe.store.store import Store

FEWEST_REPORTED = 5  # later marks of a kind, for a figure of that kind


@dataclass(frozen=True)
class LearnStep:
    """A step, and what it changed on the later marks.

    Attributes:
        name: of `STEPS`.
        did: in words.
        before, after: "normal_marks" and "alarms_on_them", "abnormal_marks" and "found_of_them": how many of the later
            marks there are, and how many of these events still raise an alarm. Of a kind with fewer than
            `FEWEST_REPORTED` later marks, both are None.
        threshold: after the step, as all marks make it.
        marks_learned: that these figures' detector has learned from.
        marks_held_out: later marks that the figures come from; 0 where there are no figures.
    """

    name: str
    did: str
    before: Mapping[str, int | None]
    after: Mapping[str, int | None]
    threshold: float
    marks_learned: int
    marks_held_out: int


@dataclass(frozen=True)
class LearnResult:
    """What `learn` left.

    Attributes:
        run: the new bundle.
        steps: in order.
        split: how earlier and later marks were divided, in words.
        split_utc: where the later marks begin, in seconds since 1970; None for marks of files.
        too_few: why there are no figures, or not of both kinds; empty where there are.
        gone: a line for each video or mark that could not be used.
    """

    run: Run
    steps: tuple[LearnStep, ...]
    split: str
    split_utc: float | None
    too_few: str
    gone: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        calibration, taught = self.run.calibration(), self.run.bundle.data.taught
        assert taught is not None, "learn has made the bundle"
        moment = None if self.split_utc is None else datetime.fromtimestamp(self.split_utc, UTC).isoformat()
        return {
            "out": str(self.run.path), "id": self.run.bundle.id, "parent": taught.parent,
            "normal": taught.normal, "abnormal": taught.abnormal, "steps": [asdict(step) for step in self.steps],
            "split": self.split, "split_utc": moment, "too_few": self.too_few, "gone": list(self.gone),
            "threshold": calibration.threshold, "promise": calibration.sentence(), "note": calibration.note,
        }  # fmt: skip


@dataclass(frozen=True)
class LearnOptions:
    """How is learned.

    Attributes:
        steps: of `STEPS`, those that are taken, always in that order.
        threshold: how it is chosen; without a wish the bundle keeps the rate, or the quantile, that it has promised.
        weak_labels: a CSV to write, with a row `video,label` for each video whose events are all marked.
        progress: see `Run.score`.
    """

    steps: Collection[str] = STEPS
    threshold: ThresholdOptions = ThresholdOptions()
    weak_labels: Path | None = None
    progress: ProgressCall | bool = True

    def __post_init__(self) -> None:
        wrong = [step for step in self.steps if step not in STEPS]
        if wrong or not self.steps:
            raise InputError(
                f"there is no step {wrong[0] if wrong else ''!r} of learning; there are: {', '.join(STEPS)}"
            )


def learn(
    run: Run | str | Path,
    store: Store | str | Path | StorePlace,
    out: str | Path,
    options: LearnOptions = LearnOptions(),
) -> LearnResult:
    """Make a new version of a bundle from what people have marked; the old one stays as it is.

    The same marks make the same bundle, to the bit. It appears whole or not at all.

    Args:
        run: the bundle whose events were marked, or one that was made from it by this function.
        store: the event store, open or as `oddframe.open_store` takes it.
        out: folder for the new bundle.

    Raises:
        InputError: no mark counts, nothing that was marked can be read any more, `out` exists, or the bundle has
            several calibrations.
        RecipeError: a weakly supervised detector.
        BundleError: an exported detector.
        CalibrationError: the bundle has no threshold yet, or what is asked for cannot be had.
        StoreError: the store cannot be read.
    """
    run = run if isinstance(run, Run) else load_run(run)
    if Path(out).exists() and (not Path(out).is_dir() or any(Path(out).iterdir())):
        raise InputError(f"{out}: already exists; choose another --out")
    if isinstance(store, str | Path | StorePlace):
        with open_store(store, create=False) as opened:
            return learn(run, opened, out, options)
    _ = run.signature, run.bundle.original()  # what cannot learn says so before any work
    if run.calibration().schedule is not None:
        raise InputError(
            f"{run.path}: has several calibrations, and learning makes one; learn with the bundle that it was made "
            "from, then calibrate the result with --schedule"
        )
    lessons = gather_lessons(run.bundle.original(), store)
    if not lessons.all and not lessons.zones:
        raise InputError(f"{store.shown}: nothing that was marked can be learned from: {lessons.gone[0]}")
    with holding(out), shown(options.progress) as show:
        folder = None if store.file is None else store.file.absolute().parent
        result = _learn(run, lessons, Path(out), options, Watching(run.rule, show, folder))
    store.record_detector(result.run.bundle, result.run.bundle.id, result.run.calibration())
    return result


def _learn(run: Run, lessons: Lessons, out: Path, options: LearnOptions, watching: Watching) -> LearnResult:
    """`learn`, with a folder that nobody else writes into."""
    names = [name for name in STEPS if name in options.steps]
    looked = watching.look(run.bundle.original(), lessons.all, "as it is", stored=True)
    if lessons.all and not looked:
        raise InputError(f"nothing that was marked can be read any more: {next(iter(watching.lost.values()))}")
    before = run.calibration()
    wish = options.threshold
    if wish.alarms_per_hour is None and wish.quantile is None:
        wish = ThresholdOptions(before.rate, before.quantile)
    hours = partial(watched_pieces, watching.folder, lessons)
    whole = LessonSteps(run, lessons.all, (), lessons.zones, wish, watching, partial(hours, None))
    states = whole.take(names, looked)
    counts = [sum(one.normal == kind for one in lessons.reported) for kind in (True, False)]
    figures: list[Mapping[str, int | None]] = [_figures((), states[0], counts)] * len(states)
    learned, reports = len(lessons.all), max(counts) >= FEWEST_REPORTED
    if reports:
        learned = len(lessons.learned)
        zones = lessons.known_zones({key: seen.size for key, seen in looked.items()}, {
            id: box for seen in looked.values() for id, box in seen.boxes.items()
        })  # fmt: skip
        until = partial(hours, lessons.split_utc)
        earlier = LessonSteps(run, lessons.earlier, lessons.reported, zones, wish, watching, until)
        figures = [_figures(earlier.judged(state), state, counts) for state in earlier.take(names, looked)]
    steps = tuple(
        LearnStep(
            name, states[n].did, figures[n - 1], figures[n], states[n].calibration.threshold, learned,
            sum(counts) if reports else 0,
        )
        for n, name in enumerate(names, 1)
    )  # fmt: skip
    split = lessons.split() if reports else "all marks are learned from, and none is reported"
    told = {"steps": [asdict(step) for step in steps], "split": split, "too_few": _too_few(counts)}
    made = _written(run, whole, states[-1], told, out)
    if options.weak_labels is not None:
        write_text(options.weak_labels, weak_labels(lessons.all))
    gone = (*lessons.gone, *watching.lost.values())
    return LearnResult(made, steps, split, lessons.split_utc if reports else None, _too_few(counts), gone)


def _written(run: Run, steps: LessonSteps, last: StepState, told: Mapping[str, Any], out: Path) -> Run:
    """The new bundle, which appears as a whole, and says itself what `learn` has told."""
    bundle = run.bundle.original()
    zones = last.teaching.zones if last.teaching.masked else ()
    copy, _ = taught_detector(bundle, steps.normal if last.taken else (), zones)
    data = replace(bundle.data, taught=last.teaching)
    with new_folder(out) as folder:
        copy_finished(bundle.path, folder)
        made = save_bundle(folder, copy.detector, bundle.recipe, {**bundle.history, "learned": told}, data)
        pieces = steps.pieces(last) if last.teaching.videos else last.rests
        keep_calibration(Run(made), folder, pieces, last.calibration)
    return load_run(out)


def _figures(judged: Sequence[Any], state: StepState, counts: Sequence[int]) -> dict[str, int | None]:
    """How many of the reported events raise an alarm in a state."""
    found: dict[str, int | None] = {}
    for kind, count, total, raised in (
        (True, counts[0], "normal_marks", "alarms_on_them"), (False, counts[1], "abnormal_marks", "found_of_them"),
    ):  # fmt: skip
        own = [one for one in judged if one.lesson.normal == kind]
        alarms = [one for one in own if one.score >= state.calibration.threshold and not state.teaching.held(one.shown)]
        enough = count >= FEWEST_REPORTED
        found |= {total: len(own) if enough else None, raised: len(alarms) if enough else None}
    return found


def _too_few(counts: Sequence[int]) -> str:
    lacking = [f"{count} {kind}" for count, kind in zip(counts, ("normal", "abnormal"), strict=True)
               if count < FEWEST_REPORTED]  # fmt: skip
    if not lacking:
        return ""
    return (
        f"too few later marks for a figure: {' and '.join(lacking)}; it takes {FEWEST_REPORTED} of a kind in the later "
        "third of all marks"
    )


def weak_labels(lessons: Sequence[MarkedEvent]) -> str:
    """A CSV of the marked videos: 1 where an event is marked as abnormal, 0 where all events are marked as normal."""
    rows = dict[str, int]()
    for one in lessons:
        path = str(one.footage.source.path)
        if one.footage.whole and not one.normal:
            rows[path] = 1
        elif one.footage.whole and not one.footage.shut:  # an event that nobody called normal may be anything
            rows.setdefault(path, 0)
    return "video,label\n" + "".join(f"{_cell(path)},{label}\n" for path, label in rows.items())


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(letter in text for letter in ',"\n') else text
