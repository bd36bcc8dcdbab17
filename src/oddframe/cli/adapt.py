"""The command `oddframe adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import AlarmsOption, DeviceOption, QuantileOption


def adapt(
    run: Annotated[Path, typer.Argument(help="Meta-trained bundle, for example from the recipe mpn-meta-small.")],
    video: Annotated[Path, typer.Argument(help="Normal video of the new camera.")],
    shots: Annotated[int, typer.Option(help="Windows of VIDEO to adapt to; the rest calibrates the threshold.")] = 5,
    steps: Annotated[int | None, typer.Option(help="Gradient steps.", show_default="from the recipe")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the new bundle.", show_default="RUN-adapted")] = None,
    alarms_per_hour: AlarmsOption = None,
    quantile: QuantileOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Adapt a meta-trained detector to a new camera from a few windows of its normal video."""
    from oddframe.settings import ThresholdOptions
    from oddframe.workflow.adapt import adapt as adapt_run
    from oddframe.workflow.run import load_run

    threshold = ThresholdOptions(alarms_per_hour, quantile)
    adapted = adapt_run(load_run(run), video, shots=shots, steps=steps, out=out, threshold=threshold, device=device)
    calibration = adapted.calibration()
    print(f"bundle     {adapted.path}  ({adapted.bundle.id})")
    print(f"adapted    to {shots} window{'s' if shots > 1 else ''}, evenly spread over {video}")
    print(
        f"threshold  {calibration.threshold:.6g}, from {calibration.seconds / 60:.1f} minutes of the rest of the video"
    )
    if calibration.note:
        print(f"note       {calibration.note}")
    print(f"next       oddframe score {adapted.path} VIDEO --out OUT")
