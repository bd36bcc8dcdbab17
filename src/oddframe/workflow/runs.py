"""Bundles side by side: when each was made, from what, what it promises, and where their recipes differ."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oddframe.errors import InputError, OddframeError
from oddframe.workflow.bundle_facts import facts_of, is_bundle, iso_utc

DEEPEST = 4  # folders below the given one that are searched
LOG = "training.jsonl"  # see `oddframe.training.log`, which a machine without torch cannot import


@dataclass(frozen=True)
class RunSummary:
    """What the files of a bundle say of it; its weights are not read.

    Attributes:
        path: its folder.
        id, model, recipe: of the bundle.
        parent: id of the bundle that it was made from; empty where there is none.
        made_utc: when it was written, in seconds since 1970.
        videos: how many videos it learned from.
        frames: their frames; None where that is not known of all of them.
        heldout_seconds: normal video that was held out for the threshold.
        threshold: None where it has none yet.
        alarms_per_hour: false alarms per hour that the threshold promises at most; None for a quantile, or without one.
        promise: the same as a sentence; empty without a threshold.
        heldout_loss: the last loss on held-out video, by name; empty where none was measured, as in one-pass systems.
        bytes: of all its files.
        values: dotted key -> value of its recipe.
        calibrations: names of several calibrations, which a schedule chooses; none where there is one alone.
    """

    path: Path
    id: str
    model: str
    recipe: str
    parent: str
    made_utc: float
    videos: int
    frames: int | None
    heldout_seconds: float
    threshold: float | None
    alarms_per_hour: float | None
    promise: str
    heldout_loss: dict[str, float]
    bytes: int
    values: dict[str, Any]
    calibrations: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "path": str(self.path), "made_utc": iso_utc(self.made_utc)}


def list_runs(places: Sequence[Path]) -> tuple[list[RunSummary], dict[Path, str]]:
    """The bundles at and below some folders, the oldest first, and path -> reason for those that are damaged.

    Raises:
        InputError: a folder does not exist, or there is no bundle in any of them.
    """
    found: list[RunSummary] = []
    damaged: dict[Path, str] = {}
    for path in dict.fromkeys(path for place in places for path in _bundles_below(place)):
        try:
            found.append(summary_of(path))
        except OddframeError as error:
            damaged[path] = str(error)
    if not found and not damaged:
        raise InputError(f"{', '.join(map(str, places))}: holds no bundle; `oddframe fit VIDEOS` makes one")
    return sorted(found, key=lambda one: (one.made_utc, str(one.path))), damaged


def summary_of(path: Path) -> RunSummary:
    """What is known of one bundle.

    Raises:
        BundleError: it is damaged.
    """
    facts = facts_of(path)
    frames = [video.frames for video in facts.data.videos]
    return RunSummary(
        path=path,
        id=facts.id,
        model=facts.recipe["model"],
        recipe=facts.recipe["name"],
        parent=facts.data.parent,
        made_utc=facts.made_utc,
        videos=len(frames),
        frames=None if None in frames else sum(count or 0 for count in frames),
        heldout_seconds=facts.data.heldout_seconds,
        threshold=facts.threshold,
        alarms_per_hour=None if facts.calibration is None else facts.calibration.rate,
        promise=facts.promise,
        heldout_loss=_heldout_loss(path / LOG),
        bytes=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
        values=dict(_flat(facts.recipe)),
        calibrations=() if facts.calibration is None else tuple(facts.calibration.parts),
    )


def differences(runs: Sequence[RunSummary]) -> dict[str, list[Any]]:
    """Dotted key of the recipe -> its value in each of the runs, for the keys in which they differ."""
    keys = sorted({key for run in runs for key in run.values} - {"name", "summary"})
    values = {key: [run.values.get(key) for run in runs] for key in keys}
    return {key: row for key, row in values.items() if any(value != row[0] for value in row)}


def _bundles_below(place: Path) -> list[Path]:
    if not place.is_dir():
        raise InputError(f"{place}: there is no such folder")
    return list(_search(place, DEEPEST))


def _search(folder: Path, deeper: int) -> Iterable[Path]:
    if is_bundle(folder):
        yield folder
        return
    with suppress(PermissionError):
        for below in sorted(folder.iterdir()) if deeper else ():
            if below.is_dir() and not below.is_symlink() and not below.name.startswith("."):
                yield from _search(below, deeper - 1)


def _heldout_loss(log: Path) -> dict[str, float]:
    """The last losses on held-out video that a log of training holds. A line that is cut off says nothing."""
    last: dict[str, float] = {}
    with suppress(OSError, UnicodeDecodeError):
        for line in log.read_text(encoding="utf-8").splitlines():
            if '"heldout/' in line:
                with suppress(ValueError):
                    record = json.loads(line)
                    last = {name[8:]: value for name, value in record.items() if name.startswith("heldout/")}
    return last


def _flat(values: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
