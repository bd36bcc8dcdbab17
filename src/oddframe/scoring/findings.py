"""The camera's own faults beside scores: the lines of `findings.jsonl`, and the events that they put on hold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from oddframe.atomic import replacing
from oddframe.errors import InputError
from oddframe.reading.guard import reason
from oddframe.reading.records import read_object
from oddframe.reading.tables import read_text
from oddframe.scoring.drift import DriftFinder, NormalScore
from oddframe.scoring.files import fault_of, fault_row
from oddframe.scoring.sentinel import closed
from oddframe.types import CameraFault, Event, FrameScores

HOLDS = frozenset({"moved", "covered", "blurred", "dark", "bright", "frozen"})
"""Kinds during which nobody is told of an event. A drift lasts until someone learns again, and holds nothing."""


def held_by(faults: Iterable[CameraFault], event: Event) -> str:
    """The kinds of the faults that last while an event does, such as "moved"; empty without any."""
    kinds = {
        fault.kind
        for fault in faults
        if fault.kind in HOLDS and fault.start_s <= event.end_s and fault.end_s >= event.start_s
    }
    return ", ".join(sorted(kinds))


def find_drift(scores: FrameScores, normal: NormalScore) -> tuple[CameraFault, ...]:
    """The drifts of one whole video."""
    finder = DriftFinder(normal, scores.info, scores.bundle)
    return closed([*finder.push(scores.frame, scores.time, scores.score), *finder.flush()])


def write_findings(path: Path, faults: Iterable[CameraFault]) -> None:
    """Write faults as JSON lines."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(map(finding_line, faults))


def finding_line(fault: CameraFault) -> str:
    """A fault as a line of JSON."""
    return json.dumps(fault_row(fault)) + "\n"


def read_findings(path: Path) -> list[CameraFault]:
    """Read what `write_findings` wrote.

    Raises:
        InputError: the file does not exist, or a line of it is no fault.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file of findings")
    found = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        try:
            found.append(fault_of(read_object(line)))
        except Exception as error:  # a line can be any JSON
            raise InputError(
                f"{path}, line {number}: not a finding ({reason(error)}); score the video again"
            ) from error
    return found
