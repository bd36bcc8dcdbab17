"""An event store made of what lies in an output folder: of the score files of `score`, or the notices of `watch`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from oddframe.bundle import META as BUNDLE_META
from oddframe.errors import InputError
from oddframe.reading.records import read_object
from oddframe.runtime.exported import META as EXPORT_META
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.events import read_events
from oddframe.scoring.files import load_scores, save_scores, score_path
from oddframe.scoring.findings import read_findings
from oddframe.scoring.origin import NAME as ORIGIN
from oddframe.scoring.origin import Origin, as_calibrated, load_origin
from oddframe.store.recording import FoundBy, FoundInVideo, RecordedScores
from oddframe.store.store import Store
from oddframe.types import CameraFault, Event
from oddframe.workflow.run import Run, load_run
from oddframe.workflow.scores import Scores

EVENTS, FINDINGS, SCORES = "events.jsonl", "findings.jsonl", "scores"
_NEAR = 200  # folders beside the scores in which their bundle is looked for
_TOGETHER = 500  # notices of one transaction


@dataclass(frozen=True)
class OutputFolder:
    """An output folder of `score` or of `watch`."""

    path: Path

    @property
    def scored(self) -> bool:
        """Whether `score` has written into it."""
        return (self.path / SCORES / ORIGIN).is_file()

    @cached_property
    def watched(self) -> bool:
        """Whether `watch` has written into it: its lines are notices, which say what has changed."""
        try:
            with (self.path / EVENTS).open(encoding="utf-8") as file:
                first = file.readline()
            return "change" in json.loads(first)
        except (OSError, ValueError, TypeError):
            return False

    @property
    def alone(self) -> bool:
        """Whether `watch` has written into it, and does not write into an event store itself."""
        return self.watched and not (self.path / "outbox" / "store").is_dir()

    @property
    def changed(self) -> float:
        """When the events in it were written last, in seconds since 1970; 0 where there are none."""
        files = (self.path / EVENTS, self.path / SCORES / ORIGIN)
        return max((file.stat().st_mtime for file in files if file.is_file()), default=0.0)


def record_folder(store: Store, folder: OutputFolder, run: Path | None = None) -> RecordedScores | None:
    """Write what lies in an output folder into an event store. What is in the store already changes no mark.

    Args:
        run: the bundle that made the scores. None looks for it where the scores say that it was, and beside them; where
            it is gone, what lies in the folder has to be enough.

    Returns:
        What changed; None for notices of cameras.

    Raises:
        InputError: the folder holds neither scores nor notices, `run` did not make these scores, or nothing says where
            the threshold lies.
    """
    if folder.watched:
        for notices in _batches(folder):
            store.tell(notices)
        return None
    if not folder.scored:
        raise InputError(f"{folder.path}: holds no scores; give the folder of `oddframe score --out`")
    origin = load_origin(folder.path / SCORES)
    place = run or bundle_of(folder, origin)
    trained = None if place is None else load_run(place)
    if run is not None and trained is not None and not _made(trained.bundle.id, origin.bundle):
        raise InputError(f"{run}: is bundle {trained.bundle.id}, and the scores are of {origin.bundle}; give that one")
    done = RecordedScores()
    for by, found in _found(folder, origin, trained):
        done += store.record_video(by, found)
    return done


def bundle_of(folder: OutputFolder, origin: Origin) -> Path | None:
    """Where the bundle lies that made scores: where they say that it was, or beside them; None where it is gone."""
    near = sorted(folder.path.absolute().parent.iterdir())[:_NEAR]
    for place in [Path(origin.path)] * bool(origin.path) + [folder.path.absolute().parent, *near]:
        if _made(_id_of(place), origin.bundle):
            return place
    return None


def _id_of(place: Path) -> str:
    """The id of the bundle or the exported detector in a folder; empty where there is none."""
    for name in (BUNDLE_META, EXPORT_META):
        try:
            return str(read_object((place / name).read_text(encoding="utf-8")).get("id", ""))
        except (OSError, ValueError):
            continue
    return ""


def _made(bundle: str, identity: str) -> bool:
    """Whether scores of this identity are of a bundle: it is the id, and where it matters runtime and precision."""
    return bool(bundle) and (identity == bundle or identity.startswith(f"{bundle}-"))


def _found(folder: OutputFolder, origin: Origin, trained: Run | None) -> Iterator[tuple[FoundBy, FoundInVideo]]:
    """What was found in each scored video of a folder, and by what."""
    told = {event.id: event for event in read_events(folder.path / EVENTS)} if _there(folder, EVENTS) else {}
    faults = read_findings(folder.path / FINDINGS) if _there(folder, FINDINGS) else []
    calibration = origin.calibration
    if calibration is None and trained is not None and trained.bundle.calibration.is_file():
        calibration = trained.calibration()
    if calibration is None and not _there(folder, EVENTS):
        raise InputError(f"{folder.path}: nothing says where the threshold lies; name the bundle with --run")
    by = _by(origin, trained, calibration)
    for file in sorted((folder.path / SCORES).rglob("*.npz")):
        stored = load_scores(file)
        if stored.bundle != origin.bundle:
            continue  # of another bundle, from an earlier scoring
        one = as_calibrated(stored, origin.rule)
        if not np.array_equal(one.score, stored.score) and file == score_path(folder.path / SCORES, one.video):
            save_scores(one, folder.path / SCORES)  # the page shows the curve that is in the file
        drifts = [fault for fault in faults if fault.kind == "drift" and _same(fault, one.info.key, one.video)]
        own = [event for event in told.values() if _same(event, one.info.key, one.video)]
        if calibration is not None:
            # The events of all files, also of those that the last call did not score, at the thresholds of that call.
            taught = None if trained is None else trained.bundle.data.taught
            reasons = {event.id: event.reasons for event in own}
            scores = Scores((one,), calibration, origin.rule.combination, reasons=reasons, teaching=taught)
            own = [replace(e, held=told[e.id].held) if e.id in told else e for e in scores.events_of(one)]
        yield by, FoundInVideo(one, own, [*(one.faults or ()), *drifts], file)


def _by(origin: Origin, trained: Run | None, calibration: Calibration | None) -> FoundBy:
    if trained is None:
        return FoundBy(origin.bundle, origin.bundle.partition("-")[0], model=origin.model, calibration=calibration)
    if calibration is not None:
        return FoundBy.of(trained.bundle, origin.bundle, calibration)
    path, words = str(trained.path.absolute()), dict(trained.bundle.outline.reported)
    return FoundBy(origin.bundle, trained.bundle.id, model=origin.model, path=path, words=words)


def _same(found: Event | CameraFault, key: str, video: str) -> bool:
    return found.key == key if key and found.key else found.video == video


def _there(folder: OutputFolder, name: str) -> bool:
    return (folder.path / name).is_file()


def _batches(folder: OutputFolder) -> Iterator[list[Mapping[str, Any]]]:
    """The notices of a watch, some hundreds at a time; files that were full are read before the last one."""
    lines = (row for path in sorted(folder.path.glob("events-*.jsonl")) for row in _notices(path))
    rows = itertools.chain(lines, _notices(folder.path / EVENTS))
    while batch := list(itertools.islice(rows, _TOGETHER)):
        yield batch


def _notices(path: Path) -> Iterator[Mapping[str, Any]]:
    """The notices in a file of lines.

    Raises:
        InputError: a line is none. The last line may be one that a watch is writing.
    """
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = read_object(line)
            except ValueError as error:
                if not line.endswith("\n"):
                    return
                raise InputError(f"{path}, line {number}: not a notice of a watch ({error})") from None
            yield row
