"""oddframe fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import exit_with
from oddframe.progress import progress_bars


def fit(
    videos: Annotated[
        str,
        typer.Argument(
            help="Normal video: a folder of videos or frame folders, a video, a CSV. For dakd and mil labels: a CSV "
            "of video,label or NAME:PATH of a data set."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the trained bundle.")],
    model: Annotated[str, typer.Option(help="System to train with its small recipe; see `oddframe models`.")] = "sdmae",
    recipe: Annotated[str | None, typer.Option(help="Recipe by name (see `oddframe recipes`) or YAML file.")] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(help="For dakd and mil: a store that `oddframe features` made, or NAME=LAYOUT:PATH; repeatable."),
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: training.batch_size=8")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="30m, 2h, 2000steps or 5epochs; scales stages and schedule.")
    ] = None,
    alarms_per_hour: Annotated[float | None, typer.Option(help="False alarms you will bear (default 1).")] = None,
    quantile: Annotated[
        float | None, typer.Option(help="Threshold at this quantile of held-out scores instead.")
    ] = None,
    devices: Annotated[int, typer.Option(help="Processes to train with, one device each.")] = 1,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    workers: Annotated[int, typer.Option(help="Processes that decode the training videos.")] = 2,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also log for TensorBoard.")] = False,
) -> None:
    """Learn from normal video, or from videos with one label each, and find a threshold on a held-out part."""
    from oddframe.workflow.fit import fit as train

    with progress_bars() as bars:
        run = train(
            videos,
            model=model,
            recipe=recipe,
            out=out,
            features=features or (),
            changes=changes or (),
            budget=budget,
            alarms_per_hour=alarms_per_hour,
            quantile=quantile,
            devices=devices,
            accelerator=accelerator,
            workers=workers,
            resume=resume,
            tensorboard=tensorboard,
            progress=True,
            cache_progress=lambda done, total: bars("decoding", done, total),
        )
    calibration = run.calibration()
    print(f"bundle     {run.path}  ({run.bundle.id})")
    print(
        f"threshold  {calibration.threshold:.6g}, from {calibration.seconds / 60:.1f} minutes of held-out normal video"
    )
    if calibration.note:
        print(f"note       {calibration.note}")
    print(f"next       oddframe score {run.path} VIDEO --out scores")
    exit_with(run.skipped)
