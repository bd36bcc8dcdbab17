"""The components of held-out normal video, kept beside a bundle so that other thresholds can be found later."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.atomic import replacing
from oddframe.errors import CalibrationError
from oddframe.reading.arrays import open_archive
from oddframe.reading.guard import reading
from oddframe.scoring.combine import Components
from oddframe.scoring.schedule import CHOSEN, Schedule, constant

HELDOUT = "heldout.npz"
HeldOutScores = tuple[NDArray[np.float64], Components]
"""Time stamps (N,) in seconds and components (N,) of consecutive frames of normal video."""


def save_heldout(folder: Path, pieces: Sequence[HeldOutScores]) -> None:
    """Write the components of all pieces to the folder of a bundle."""
    arrays: dict[str, Any] = {}
    for number, (time, components) in enumerate(pieces):
        arrays |= {f"{number}/time": time, **{f"{number}/{name}": values for name, values in components.items()}}
    with replacing(folder / HELDOUT) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def load_heldout(folder: Path) -> list[HeldOutScores]:
    """What `save_heldout` wrote.

    Raises:
        InputError: the file is missing or damaged, or a number in it is not finite.
    """
    pieces: dict[str, dict[str, NDArray[np.float64]]] = {}
    remedy = "calibrate again on normal video"
    with reading(folder / HELDOUT, "the scores of held-out video cannot be read", remedy):
        with open_archive(folder / HELDOUT, "the scores of held-out video cannot be read", remedy) as stored:
            for key in stored.files:
                number, _, name = key.partition("/")
                values = stored[key]
                if values.dtype.kind != "f" or not np.isfinite(values).all():
                    raise ValueError(f"{key} holds NaN or infinity, or no numbers")
                pieces.setdefault(number, {})[name] = values
        return [(piece.pop("time"), piece) for piece in pieces.values()]


def divided_by(schedule: Schedule, pieces: Sequence[HeldOutScores]) -> dict[str, list[HeldOutScores]]:
    """Name of each calibration -> the pieces of held-out video for which it holds, cut where it changes. Of their
    components the one that says so is left out.

    Raises:
        CalibrationError: they do not say it, because they were made without this schedule.
    """
    found: dict[str, list[HeldOutScores]] = {name: [] for name in schedule.calibrations}
    names = list(found)
    for time, components in pieces:
        if CHOSEN not in components or not np.isin(components[CHOSEN], range(len(names))).all():
            raise CalibrationError(
                "the held-out scores do not say which calibration of the schedule holds for them; calibrate again on "
                "normal video"
            )
        for rows, number in constant(components[CHOSEN]):
            own = {name: values[rows] for name, values in components.items() if name != CHOSEN}
            found[names[number]].append((time[rows], own))
    return found
