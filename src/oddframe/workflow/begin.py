"""What is seen to before the first step of a fit or a calibration: the folder, the recipe, the amount of video."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

from oddframe.atomic import write_text
from oddframe.bundle import CHECKPOINT, META
from oddframe.errors import InputError, VideoError
from oddframe.reading.guard import reading
from oddframe.reading.records import read_object
from oddframe.recipes import Recipe
from oddframe.scoring.calibrate import check_quantile, supported_rate
from oddframe.settings import ThresholdOptions
from oddframe.types import IgnoredPlace
from oddframe.video.decode import probe
from oddframe.video.sources import VideoSource

RECIPE = "recipe.json"
SPARE = 1.2  # a video may be longer than its header says


def check_out(out: Path, resume: bool) -> None:
    """A folder that holds no bundle and no checkpoint, or one to go on with.

    Raises:
        InputError: it holds one.
    """
    if not resume and (out / META).exists():
        raise InputError(f"{out}: already holds a bundle; choose another --out, or pass --resume to go on with it")
    if not resume and (out / CHECKPOINT).exists():
        raise InputError(
            f"{out}: holds the checkpoint of a run that was interrupted; go on with --resume, choose another --out, or "
            f"remove {out / CHECKPOINT} to begin anew"
        )


def note_recipe(recipe: Recipe, out: Path, ignore: Sequence[IgnoredPlace] = ()) -> None:
    """Keep the recipe of a run that begins, and the places that it ignores."""
    write_text(out / RECIPE, json.dumps(_begun(recipe, ignore), indent=2) + "\n")


def _begun(recipe: Recipe, ignore: Sequence[IgnoredPlace]) -> dict[str, Any]:
    places = [[list(corner) for corner in place.corners] for place in ignore]
    return {**recipe.model_dump(mode="json"), **({"places to ignore": places} if places else {})}


def check_recipe(recipe: Recipe, out: Path, resume: bool, ignore: Sequence[IgnoredPlace] = ()) -> None:
    """A run is resumed under the recipe and the places to ignore that it was begun with, or not at all.

    Raises:
        InputError: the recipe in `out` is another; the message names the first part that differs.
    """
    if not resume or not (out / RECIPE).is_file():
        return
    expected = _begun(recipe, ignore)
    with reading(out / RECIPE, "not the recipe of a run", "begin the run anew, without --resume"):
        begun = read_object((out / RECIPE).read_text(encoding="utf-8"))
        different = [key for key in {**expected, "places to ignore": []} if begun.get(key) != expected.get(key)]
    if different:
        raise InputError(
            f"{out}: was begun with another {different[0]}; resume with the same recipe, or choose another --out"
        )


def check_amount(sources: Sequence[VideoSource], threshold: ThresholdOptions) -> None:
    """See to it that videos that are still to be scored can support a threshold, as far as their headers say.

    Headers are estimates: only what they exclude with room to spare is refused. A video that cannot be opened, or whose
    header says nothing, ends the check; scoring names it.

    Raises:
        CalibrationError: the videos are too short by far.
        InputError: the rate or the quantile is out of range.
    """
    seconds, frames = 0.0, 0
    for source in sources:
        try:
            info = probe(source)
        except VideoError:
            return
        if not info.frames or not info.fps:
            return
        seconds, frames = seconds + info.frames / info.fps, frames + info.frames
    if threshold.quantile is not None:
        check_quantile(threshold.quantile, ceil(SPARE * frames))
    else:
        supported_rate(threshold.alarms_per_hour, SPARE * seconds)
