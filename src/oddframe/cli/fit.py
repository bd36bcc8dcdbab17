"""oddframe fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import AlarmsOption, QuantileOption, exit_with


def fit(
    videos: Annotated[
        str,
        typer.Argument(
            help="Normal video: a folder of videos or frame folders, a video, or a CSV. For dakd and mil labels: a CSV "
            "of video,label, or NAME:PATH of a data set."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the trained bundle.")],
    model: Annotated[str, typer.Option(help="System to train with its small recipe; see `oddframe models`.")] = "sdmae",
    recipe: Annotated[
        str | None,
        typer.Option(help="Recipe by name (see `oddframe recipes`), or a YAML file.", show_default="MODEL-small"),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(help="For dakd and mil: a store that `oddframe features` made, or NAME=LAYOUT:PATH; repeatable."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe, as in training.batch_size=8; repeatable."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="30m, 2h, 2000steps or 5epochs; stages and schedule scale with it.", show_default="as the recipe says"
        ),
    ] = None,
    alarms_per_hour: AlarmsOption = None,
    quantile: QuantileOption = None,
    devices: Annotated[int, typer.Option(help="Processes to train with, one device each.")] = 1,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    workers: Annotated[int, typer.Option(help="Processes that decode the training videos.")] = 2,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also log for TensorBoard.")] = False,
) -> None:
    """Learn from normal video, or from videos with one label each, and find a threshold on a held-out part."""
    from oddframe.settings import ThresholdOptions, TrainingOptions
    from oddframe.workflow.fit import fit as train

    training = TrainingOptions(
        budget=budget,
        features=features or (),
        workers=workers,
        devices=devices,
        accelerator=accelerator,
        resume=resume,
        tensorboard=tensorboard,
    )
    threshold = ThresholdOptions(alarms_per_hour, quantile)
    run = train(
        videos, model=model, recipe=recipe, changes=changes or (), out=out, threshold=threshold, training=training
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
