"""The command `oddframe adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.account import count_of
from oddframe.cli.console import (
    AlarmsOption,
    DeviceOption,
    FpsOption,
    PlayListsOption,
    QuantileOption,
    folder_to_write,
    say,
)
from oddframe.cli.inputs import bundle_to_read, videos_to_read


def adapt(
    run: Annotated[
        Path,
        typer.Argument(
            callback=bundle_to_read, help="Meta-trained bundle, for example from the recipe mpn-meta-small."
        ),
    ],
    video: Annotated[
        list[str], typer.Argument(callback=videos_to_read, help="Normal video of the new camera; - reads a list.")
    ],
    shots: Annotated[int, typer.Option(help="Windows of VIDEO to adapt to; the rest calibrates the threshold.")] = 5,
    steps: Annotated[int | None, typer.Option(help="Gradient steps.", show_default="from the recipe")] = None,
    out: Annotated[
        Path | None,
        typer.Option(callback=folder_to_write, help="Folder for the new bundle.", show_default="RUN-adapted"),
    ] = None,
    alarms_per_hour: AlarmsOption = None,
    quantile: QuantileOption = None,
    fps: FpsOption = None,
    play_lists: PlayListsOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Adapt a meta-trained detector to a new camera from a few windows of its normal video.

    Not advised for work: on three new streets the adapted detector stayed at chance or below (micro AUC 0.46 in the
    mean). Fit on minutes of the new camera's own video instead.
    """
    from oddframe.settings import ThresholdOptions
    from oddframe.video.rate import given_rate
    from oddframe.video.search import find_videos
    from oddframe.workflow.adapt import adapt as adapt_run
    from oddframe.workflow.run import load_run

    threshold = ThresholdOptions(alarms_per_hour, quantile)
    normal = given_rate(find_videos(video), fps)
    adapted = adapt_run(load_run(run), normal, shots=shots, steps=steps, out=out, threshold=threshold, device=device)
    calibration = adapted.calibration()
    say(f"bundle     {adapted.path}  ({adapted.bundle.id})")
    say(f"adapted    to {count_of(shots, 'window')}, evenly spread over {', '.join(video)}")
    say(f"threshold  {calibration.threshold:.6g}, from the rest of the video")
    say(f"promise    {calibration.sentence()}")
    if calibration.note:
        say(f"note       {calibration.note}")
    say(f"next       oddframe score {adapted.path} VIDEO --out OUT")
