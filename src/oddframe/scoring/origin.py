"""Where stored scores come from: kept beside the score files, so that they can be evaluated without the bundle."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from oddframe.atomic import write_text
from oddframe.errors import InputError
from oddframe.reading.guard import reading
from oddframe.reading.records import read_object
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.files import load_scores
from oddframe.scoring.smooth import Smoothing
from oddframe.types import Combination, FrameScores

NAME = "origin.json"  # `oddframe.video.search` knows a folder of scores by it


@dataclass(frozen=True)
class Origin:
    """What made the scores in a folder.

    Attributes:
        model: name of the system.
        bundle: the identity that every score file of the folder carries.
        rule: the system's own way from components to a score, for protocols that leave it open.
        path: of the bundle when it scored; empty in files of older versions.
        calibration: the thresholds of the last scoring; None without any, and in files of older versions.
    """

    model: str
    bundle: str
    rule: ScoreRule
    path: str = ""
    calibration: Calibration | None = None

    def save(self, folder: Path) -> None:
        """Write it to `folder`, made if missing, in place of an older one."""
        row = asdict(self)
        del row["rule"]["schedule"], row["rule"]["parts"]  # they are those of the calibration
        row["calibration"] = None if self.calibration is None else self.calibration.as_json()
        write_text(folder / NAME, json.dumps(row, indent=2) + "\n")


def load_origin(folder: Path) -> Origin:
    """What `save` left in a folder.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        raise InputError(f"{folder}: there is no {NAME} beside the scores; score with --out {folder.parent} once more")
    with reading(path, "damaged", f"score with --out {folder.parent} once more"):
        stored = read_object(path.read_text(encoding="utf-8"))
        rule = stored["rule"]
        levels = {name: (float(offset), float(unit)) for name, (offset, unit) in rule["levels"].items()}
        made = ScoreRule(Combination(**rule["combination"]), Smoothing(**rule["smoothing"]), levels)
        found = stored.get("calibration")
        calibration = None if found is None else Calibration.from_json(json.dumps(found), path)
        if calibration is not None:
            made = replace(made, schedule=calibration.schedule, parts=calibration.parts)
        return Origin(stored["model"], stored["bundle"], made, stored.get("path", ""), calibration)


def as_calibrated(one: FrameScores, rule: ScoreRule) -> FrameScores:
    """Scores from a file under the calibrations of a rule; without several, what is in the file holds.

    Scores under a schedule are in units of the calibrations that the video was scored with. Where the last call scored
    other videos, these may be others now.
    """
    return replace(one, score=rule(one.components, one.time)) if rule.parts else one


def score_folder(path: Path) -> Path | None:
    """The folder of score files that `path` is or has as its `scores`; None where it holds none."""
    for folder in (path / "scores", path):
        if (folder / NAME).is_file() or next(folder.rglob("*.npz"), None) is not None:
            return folder
    return None


def stored_scores(folder: Path) -> tuple[Origin, list[FrameScores]]:
    """The scores in a folder, without maps, in units of its last calibrations, and what made them.

    Raises:
        InputError: no score files, damaged ones, or some that another bundle made.
    """
    origin = load_origin(folder)
    scores = [as_calibrated(load_scores(path, with_map=False), origin.rule) for path in sorted(folder.rglob("*.npz"))]
    if not scores:
        raise InputError(f"{folder}: there are no score files here; score with --out {folder.parent}")
    for one in scores:
        if one.bundle != origin.bundle:
            raise InputError(
                f"{one.video}: scored by bundle {one.bundle}, the folder's others by {origin.bundle}; "
                "score again, or remove the old files"
            )
    return origin, scores
