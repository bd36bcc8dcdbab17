"""From a trained detector and a few windows of a new camera's normal video to a detector for that camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.bundle import Adaptation, save_bundle
from oddframe.datasets.clips import ClipSet
from oddframe.errors import InputError, RecipeError
from oddframe.locks import holding
from oddframe.models.registry import create
from oddframe.places import default_cache_root
from oddframe.progress import progress_bars
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.calibrate import check_quantile, supported_rate
from oddframe.settings import ThresholdOptions
from oddframe.training.sampling import as_batch
from oddframe.types import Window
from oddframe.video.cache import build_cache
from oddframe.video.pauses import plausible_seconds
from oddframe.video.search import Videos, find_videos
from oddframe.video.sources import with_levels
from oddframe.workflow.fit import heldout_pieces
from oddframe.workflow.frame_rates import refuse_guesses
from oddframe.workflow.notes import refuse_learned
from oddframe.workflow.run import Run

PARTS = 3  # a shot needs its own length of video, and as much again before and after it to calibrate on


def adapt(
    run: Run,
    video: Videos,
    *,
    shots: int = 5,
    steps: int | None = None,
    out: str | Path | None = None,
    threshold: ThresholdOptions = ThresholdOptions(),
    device: str = "auto",
) -> Run:
    """Adapt to a new camera from a few windows of its normal video; a new bundle appears, `run` stays as it is.

    Not advised for work: on new streets the adapted detector stayed at chance or below (docs/explanation/mpn.md). Fit
    on minutes of the new camera's own video instead.

    Args:
        video: one normal video of the new camera. Its windows to adapt to are evenly spread over it; the rest of it, of
            which none of them sees a frame, calibrates the new bundle.
        shots: how many windows.
        steps: gradient steps; None as the recipe says.
        out: folder for the new bundle; None takes that of `run` with "-adapted" appended.
        threshold: how the threshold is chosen.
        device: "auto" (CUDA where there is one), or any torch device name.

    Raises:
        RecipeError: the detector cannot adapt; MPN can, meta-trained.
        InputError: fewer than one shot; a video too short or broken, not a single one, or one that `run` learned from;
            or `out` exists already.
        CalibrationError: the rest of the video cannot support the threshold asked for.
    """
    out = Path(f"{run.bundle.original().path}-adapted" if out is None else out)
    if shots < 1:
        raise InputError(f"shots are windows of normal video to adapt to: at least 1, not {shots}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: already exists; choose another --out")
    with holding(out):
        return _adapt(run, video, shots, steps, out, threshold, device)


def _adapt(
    run: Run, video: Videos, shots: int, steps: int | None, out: Path, threshold: ThresholdOptions, device: str
) -> Run:
    """`adapt`, with a folder that nobody else writes into."""
    bundle = run.bundle.original()
    recipe = bundle.recipe
    if steps is not None:
        recipe = recipe.model_copy(update={"options": {**recipe.options, "adapt_steps": steps}})
    if not bundle.detector.one_class("adapting to a camera").adapts:
        raise RecipeError(
            f"{bundle.path}: {recipe.model} as trained here cannot adapt to a new camera; "
            "fit on the camera's own video: oddframe fit VIDEOS (for study, one that can: --recipe mpn-meta-small)"
        )
    detector = create(recipe.model, recipe.preset, **recipe.options).one_class("adapting to a camera")
    detector.load_state_dict(bundle.detector.one_class("adapting to a camera").state_dict())
    runtime = TorchRuntime(detector, device)

    sources = with_levels(find_videos(video), bundle.data.levels)
    if len(sources) > 1:
        raise InputError(f"{sources[0].path.parent}: holds {len(sources)} videos; give one video of the new camera")
    (source,) = sources
    with progress_bars() as bars:
        cached, skipped = build_cache(
            sources,
            detector.window,
            default_cache_root(),
            1,
            lambda done, expected: bars(f"decoding {source.name}", done, expected),
        )
    if not cached:
        raise InputError(skipped[0][1])
    if threshold.alarms_per_hour is not None and cached[0].info.rate == "assumed":
        refuse_guesses([source])
    refuse_learned(bundle.path, bundle.data, {source.name: cached[0].info.key})
    support, rest = divide(len(cached[0].frames), shots, detector.window, source.name)
    check_threshold(threshold, detector.window, cached[0].time, rest)

    samples = np.array(support) - detector.window.scorable(len(cached[0].frames)).start
    windows = ClipSet(cached, detector.window).batch(samples, np.array(support), 0)
    detector.adapt(as_batch(windows).to(runtime.device))

    pieces = list(heldout_pieces(runtime, cached * len(rest), rest))
    origin = Adaptation(bundle.id, source.name, shots, tuple(support), cached[0].info.key)
    data = replace(bundle.data, adapted_from=origin)
    adapted = Run(save_bundle(out, detector, recipe, bundle.history, data))
    adapted.calibrate(
        pieces,
        alarms_per_hour=threshold.alarms_per_hour,
        quantile=threshold.quantile,
        assumed_fps=cached[0].info.fps if cached[0].info.rate == "assumed" else None,
    )
    return adapted


def check_threshold(
    threshold: ThresholdOptions, window: Window, time: NDArray[np.float64], rest: Sequence[range]
) -> None:
    """See to it that what is left of a video, of (N,) time stamps, supports a threshold.

    Raises:
        CalibrationError: it does not.
    """
    scored = [part[window.scorable(len(part)).start : window.scorable(len(part)).stop] for part in rest]
    if threshold.quantile is not None:
        check_quantile(threshold.quantile, sum(map(len, scored)))
    else:
        supported_rate(
            threshold.alarms_per_hour, sum(plausible_seconds(time[part.start : part.stop]) for part in scored)
        )


def divide(length: int, shots: int, window: Window, name: str) -> tuple[list[int], list[range]]:
    """The scored frames of windows evenly spread over a video, one in the middle of each of so many equal parts, and
    the stretches between them, of which no window sees a frame.

    Raises:
        InputError: the video, called `name`, is too short.
    """
    needed = window.look_back + window.look_ahead + 1
    if length < PARTS * shots * needed:
        raise InputError(
            f"{name}: {length} frames are too few for {shots} shots of {needed} frames and normal video between them "
            f"to calibrate on; it takes {PARTS * shots * needed}, or fewer shots"
        )
    begins = [round((number + 0.5) * length / shots - needed / 2) for number in range(shots)]
    ends = [0, *(begin + needed for begin in begins)]
    return [begin + window.look_back for begin in begins], list(map(range, ends, [*begins, length]))
