"""Thresholds of a run from held-out normal video, and the files in which its bundle keeps them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from oddframe.atomic import replacing_all
from oddframe.bundle import CALIBRATION, CARD, META, SCHEDULED_FORMAT, format_of
from oddframe.errors import CalibrationError
from oddframe.reading.records import read_object
from oddframe.reading.tables import read_text
from oddframe.runtime.exported import META as EXPORT_META
from oddframe.scoring.calibrate import DEFAULT_RATE, Calibration, calibrate, short_text, together
from oddframe.scoring.combine import TINY, measure_levels
from oddframe.scoring.heldout_store import HeldOutScores, divided_by, save_heldout
from oddframe.scoring.schedule import Schedule
from oddframe.video.pauses import plausible_seconds
from oddframe.workflow.card import card_text, with_threshold

if TYPE_CHECKING:
    from oddframe.workflow.run import Run

ALIKE = 1e-9  # of a threshold, by which it has to lie above the median: scores are in units of this difference


def threshold_on(
    run: Run,
    pieces: Sequence[HeldOutScores],
    rate: float | None,
    quantile: float | None,
    schedule: Schedule | None = None,
) -> Calibration:
    """Thresholds for a rate of alarms, or a quantile, on held-out normal video, with its levels; nothing is kept.

    Args:
        schedule: of several calibrations; the components say which of them holds for each frame.

    Raises:
        CalibrationError: too little video for what is asked for.
    """
    if schedule is not None:
        return _thresholds_on(run, pieces, rate, quantile, schedule)
    scoring = run.bundle.recipe.scoring
    levels = measure_levels([components for _, components in pieces], run.bundle.outline.combination)
    rule = run.rule_for(levels)
    curves = [(time, rule(components, time)) for time, components in pieces]
    chosen = calibrate(curves, alarms_per_hour=rate, quantile=quantile, merge_s=scoring.merge_s, min_s=scoring.min_s)
    return replace(chosen, levels=levels)


def _thresholds_on(
    run: Run, pieces: Sequence[HeldOutScores], rate: float | None, quantile: float | None, schedule: Schedule
) -> Calibration:
    """`threshold_on` for several calibrations. All are for one rate, so that their promise is one, and none of them
    falls back to another."""
    wanted = DEFAULT_RATE if rate is None and quantile is None else rate
    divided = divided_by(schedule, pieces)
    seconds = {name: sum(plausible_seconds(time) for time, _ in own) for name, own in divided.items()}
    parts: dict[str, Calibration] = {}
    for name, own in divided.items():
        try:
            if seconds[name]:
                parts[name] = threshold_on(run, own, wanted, quantile)
        except CalibrationError as error:
            if wanted is None:
                raise CalibrationError(f"{name}: {error}") from None
    if len(parts) < len(divided):
        short = {name: lasts for name, lasts in seconds.items() if name not in parts}
        raise CalibrationError(short_text(short, wanted, min(seconds.values())))
    for name, part in parts.items():
        unit = part.threshold - part.scores["0.5"]
        if unit <= 0 and quantile is not None:
            raise CalibrationError(
                f"{name}: the quantile {quantile} lies at or below the median of its scores; give a higher one"
            )
        if unit <= max(TINY, ALIKE * abs(part.threshold)):
            raise CalibrationError(
                f"{name}: the scores of its normal video are all alike, as those of one still picture, and no "
                "threshold can be made of them; give video that shows what is usual then"
            )
    all_of = [components for own in divided.values() for _, components in own]
    levels = measure_levels(all_of, run.bundle.outline.combination)
    rule = replace(run.rule_for(levels), schedule=schedule, parts=parts)
    curves = [(time, rule(components, time)) for time, components in pieces]
    return replace(together(schedule, parts, curves), levels=levels)


def keep_calibration(run: Run, folder: Path, pieces: Sequence[HeldOutScores], chosen: Calibration) -> None:
    """Write held-out scores, thresholds and card into the folder of a bundle: all of them or none."""
    card, meta = run.path / CARD, run.path / (EXPORT_META if run.bundle.settled else META)
    text, about = chosen.to_json(), read_object(read_text(meta))
    with replacing_all(folder) as new:
        save_heldout(new, pieces)
        (new / CALIBRATION).write_text(text + "\n", encoding="utf-8")
        if SCHEDULED_FORMAT in (about["format"], format_of(text)):
            about["format"] = format_of(text)
            (new / meta.name).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        if not run.bundle.settled:
            (new / CARD).write_text(card_text(run.bundle.original(), chosen), encoding="utf-8")
        elif card.is_file():
            text = with_threshold(card.read_text(encoding="utf-8"), chosen)
            (new / CARD).write_text(text, encoding="utf-8")
