"""Two folders of scores on one page."""

from __future__ import annotations

import os
from pathlib import Path

from oddframe.errors import InputError
from oddframe.live.sinks.lines import LogLines
from oddframe.report.compare import RunComparison, ScoredRun, compare_runs, write_comparison
from oddframe.scoring.events import read_events
from oddframe.scoring.findings import read_findings
from oddframe.scoring.origin import NAME as ORIGIN
from oddframe.scoring.origin import score_folder, stored_scores


def compare(one: str | Path, other: str | Path, out: str | Path = "compare.html") -> RunComparison:
    """Compare what two runs made of the same videos, and write a page of it.

    Args:
        one, other: folders that `score --out` wrote, of two detectors or of two thresholds of one.
        out: the page.

    Raises:
        InputError: a folder holds no scores with a threshold, both are one, or they have no video in common.
    """
    one, other, out = Path(one), Path(other), Path(out)
    if one.resolve() == other.resolve():
        raise InputError(f"{other}: both folders are one; give the folders of two runs")
    runs = [_scored_run(path, out) for path in (one, other)]
    found = compare_runs(*runs)
    if not found.pairs:
        raise InputError(
            f"{one} and {other} have no video in common: {runs[0].scores[0].video} and "
            f"{runs[1].scores[0].video} differ in content; score the same videos with both"
        )
    write_comparison(out, found)
    return found


def _scored_run(path: Path, out: Path) -> ScoredRun:
    folder = score_folder(path)
    if folder is None:
        raise InputError(f"{path}: there are no scores here; give a folder that `oddframe score --out` wrote")
    if (folder.parent / LogLines.name).is_file() and not (folder / ORIGIN).is_file():
        raise InputError(
            f"{path}: `oddframe watch` wrote this folder, and only folders of `oddframe score --out` can be compared; "
            "score the recorded video with `oddframe score`"
        )
    origin, scores = stored_scores(folder)
    whole = folder.parent if folder.name == "scores" else folder
    if origin.calibration is None:
        raise InputError(f"{path}: these scores have no threshold; score with --out {path} once more")
    findings, report = whole / "findings.jsonl", whole / "report.html"
    return ScoredRun(
        name=str(path),
        model=origin.model,
        bundle=origin.bundle,
        calibration=origin.calibration,
        scores=scores,
        events=read_events(whole / "events.jsonl"),
        faults=read_findings(findings) if findings.is_file() else (),
        report=os.path.relpath(report, out.parent) if report.is_file() else "",
    )
