"""From the outputs of a plan to what people look at: one file of events, a page for each video with an index, or an
event store. Videos are taken one after the other, so an archive of any size needs the memory of one video.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from oddframe.archive.index import Entry, write_index
from oddframe.archive.place import Place
from oddframe.archive.plan import SCORES, ArchivePlan, load_plan
from oddframe.archive.status import Status, read_status
from oddframe.archive.work import run_of
from oddframe.atomic import replacing, write_text
from oddframe.errors import InputError
from oddframe.locks import remove_leftovers
from oddframe.progress import ProgressCall, shown
from oddframe.report.units import ThresholdUnits
from oddframe.runtime.exported import is_trained
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.events import event_line
from oddframe.scoring.files import load_scores
from oddframe.scoring.findings import finding_line
from oddframe.scoring.origin import Origin, as_calibrated
from oddframe.store.recording import RecordedScores
from oddframe.store.store import Store
from oddframe.types import FrameScores
from oddframe.workflow.outputs import OutputOptions, write_outputs
from oddframe.workflow.reasons import explain_events
from oddframe.workflow.run import Run
from oddframe.workflow.scores import Scores

EVENTS, FINDINGS, MANIFEST, INDEX, PAGES = "events.jsonl", "findings.jsonl", "manifest.json", "index.html", "videos"


@dataclass(frozen=True)
class Merged:
    """What a merge came to.

    Attributes:
        out: where its files are.
        videos, events: how many.
        status: of the plan.
        stored: what changed in the event store; None without one.
    """

    out: Path
    videos: int
    events: int
    status: Status
    stored: RecordedScores | None


@dataclass(frozen=True)
class MergeOptions:
    """What a merge makes.

    Attributes:
        calibration: thresholds; None takes the detector's own.
        pages: a page for each video that has events, with pictures, and reasons for the events; it opens these videos.
        partial: take what is there, where jobs are not done.
    """

    calibration: Calibration | None = None
    pages: bool = True
    partial: bool = False


def merge_plan(
    where: str | Path,
    out: str | Path | None = None,
    options: MergeOptions = MergeOptions(),
    store: Store | None = None,
    progress: ProgressCall | bool = True,
) -> Merged:
    """Make events, pages and a manifest of the outputs of a plan.

    Args:
        out: folder for them; None is that of the plan.
        store: takes the events as well.

    Raises:
        InputError: jobs are not done and `options.partial` is not set, nothing is done, the plan lies behind a URL
            and `out` is not given, or `out` holds a trained detector.
        CalibrationError: the detector has no thresholds.
    """
    place = Place(where)
    plan = load_plan(place)
    folder = place.local if out is None else Path(out)
    if folder is None:
        raise InputError(f"{place}: say with --out which folder of this machine takes the merged files")
    if is_trained(folder):
        raise InputError(f"{folder}: holds a trained detector; choose a folder of its own with --out")
    status, run = read_status(place, plan), run_of(plan)
    if not status.finished and not options.partial:
        raise InputError(f"{place}: {status.left}; run the plan, or merge what is there with --partial")
    calibration = options.calibration or run.calibration()
    units = ThresholdUnits.of(calibration)
    remove_leftovers(folder)  # of merges that were killed
    entries: list[Entry] = []
    stored: RecordedScores | None = None
    count = 0
    with ExitStack() as stack:
        events, findings = _lines(stack, folder / EVENTS), _lines(stack, folder / FINDINGS)
        show = stack.enter_context(shown(progress))
        for number, (scores_in, one) in enumerate(_scored(place, plan), 1):
            scores = _judged(run, plan, one, calibration, options)
            own, faults = scores.events(), scores.findings()
            events.writelines(map(event_line, own))
            findings.writelines(map(finding_line, faults))
            page = ""
            if options.pages and own:
                page = f"{PAGES}/{one.video}/report.html"
                write_outputs((folder / page).parent, run.bundle, scores, OutputOptions(overlay=False, clips=False))
            if store is not None:
                changed = store.record_scores(run.bundle, scores, scores_in)
                stored = changed if stored is None else stored + changed
            entries.append(Entry.of(one, own, len(faults), page, units))
            count += len(own)
            if show is not None:
                show("videos", number, status.scored)
        if not entries:
            raise InputError(f"{place}: no video is scored yet; run the plan with `oddframe archive run`")
    if place.local is not None:  # for whoever reads the score files after this, such as `review` and `compare`
        rule, path = run.rule_under(calibration), str(run.path.absolute())
        Origin(run.bundle.recipe.model, plan.identity, rule, path, calibration).save(place.local / SCORES)
    write_text(folder / MANIFEST, json.dumps(_manifest(plan, status), indent=2) + "\n")
    facts = {"Promise": calibration.sentence(), "Left out": ", ".join(place.name for place in plan.ignored)}
    write_index(folder / INDEX, entries, status, facts)
    return Merged(folder, len(entries), count, status, stored)


def _lines(stack: ExitStack, path: Path) -> TextIO:
    """A file of lines that takes its place when the stack unwinds without an exception."""
    temporary = stack.enter_context(replacing(path))
    return stack.enter_context(temporary.open("w", encoding="utf-8"))


def _scored(place: Place, plan: ArchivePlan) -> Iterator[tuple[Path | None, FrameScores]]:
    """The scores of all videos that are done, and the folder of this machine that keeps their files."""
    done = place.names(SCORES, ".npz")
    for video in plan.videos:
        if video not in done:
            continue
        if place.local is not None:
            yield place.local / SCORES, _own_scores(place.local / SCORES / f"{video}.npz", plan, video)
            continue
        with tempfile.TemporaryDirectory(prefix="oddframe-") as scratch:
            yield None, _own_scores(place.fetch(Path(scratch), f"{SCORES}/{video}.npz"), plan, video)


def _own_scores(path: Path, plan: ArchivePlan, video: str) -> FrameScores:
    """The scores in a file.

    Raises:
        InputError: they are damaged, or not those of the plan, because something else was scored into its folder.
    """
    again = f"remove {SCORES}/{video}.npz, and run the plan once more"
    try:
        found = load_scores(path)
    except InputError as error:
        raise InputError(f"{error}: {again}") from None
    if (found.bundle, found.info.key) != (plan.identity, plan.videos[video][0].key):
        raise InputError(
            f"{video}: the scores that are there are of another detector or of another video than in the plan; {again}"
        )
    return found


def _judged(run: Run, plan: ArchivePlan, one: FrameScores, calibration: Calibration, options: MergeOptions) -> Scores:
    """The scores of a video under these thresholds, with reasons for its events where pages are made."""
    source, rule = plan.videos[one.video][0].video_source(), run.rule_under(calibration)
    scores = Scores(
        (as_calibrated(one, rule),), calibration, rule.combination, (source,), normal=run.drift_reference(rule),
        teaching=run.bundle.data.taught, notes=run.masking_notes(), zones=run.zones,
    )  # fmt: skip
    return replace(scores, reasons=explain_events(run.bundle, scores, plan.options)) if options.pages else scores


def _manifest(plan: ArchivePlan, status: Status) -> dict[str, object]:
    ignored = [place.name for place in plan.ignored]
    return {"run": plan.run, "identity": plan.identity, "ignored": ignored, **status.as_json()}
