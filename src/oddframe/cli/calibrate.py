"""The command `oddframe calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import AlarmsOption, DeviceOption, QuantileOption, exit_with
from oddframe.progress import progress_bars


def calibrate(
    run: Annotated[Path, typer.Argument(help="Bundle to calibrate.")],
    videos: Annotated[Path, typer.Argument(help="Normal video that the run was not trained on.")],
    alarms_per_hour: AlarmsOption = None,
    quantile: QuantileOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Find the threshold again on normal video: for another camera, or for an imported checkpoint."""
    from oddframe.runtime.runtime import RuntimeOptions
    from oddframe.workflow.run import load_run

    trained = load_run(run)
    with progress_bars() as bars:
        calibration, skipped = trained.calibrate_on(
            videos,
            alarms_per_hour=alarms_per_hour,
            quantile=quantile,
            options=RuntimeOptions(device=device),
            progress=bars,
        )
    print(f"threshold  {calibration.threshold:.6g}, from {calibration.seconds / 60:.1f} minutes of normal video")
    if calibration.note:
        print(f"note       {calibration.note}")
    exit_with(skipped)
