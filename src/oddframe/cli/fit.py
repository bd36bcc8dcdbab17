"""The command `oddframe fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import AlarmsOption, QuantileOption, exit_with


def fit(
    videos: Annotated[
        str,
        typer.Argument(
            help="Normal video: a folder of videos or frame folders, a video, or a CSV. For dakd and mil: labels, as a "
            "CSV with the columns video,label, or NAME:PATH of a data set."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the trained bundle.")],
    model: Annotated[str, typer.Option(help="System to fit or train; see `oddframe models`.")] = "camera",
    recipe: Annotated[
        str | None, typer.Option(help="Name of a recipe (see `oddframe recipes`), or a YAML file.")
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            help="For dakd and mil: a feature store written by `oddframe features`, or NAME=LAYOUT:PATH; repeatable."
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a value of the recipe, for example training.batch_size=8; repeatable.",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="Length of training: 30m, 2h, 2000steps or 5epochs. Stages and learning rate schedule scale with it.",
            show_default="from the recipe",
        ),
    ] = None,
    alarms_per_hour: AlarmsOption = None,
    quantile: QuantileOption = None,
    devices: Annotated[int, typer.Option(help="Devices to train on, with one process each.")] = 1,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    workers: Annotated[int, typer.Option(help="Processes that decode the training videos.")] = 2,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard logs.")] = False,
) -> None:
    """Train a detector on normal video, or on videos with one label each, and calibrate its threshold."""
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
    for note in (calibration.note, *run.bundle.data.notes):
        if note:
            print(f"note       {note}")
    for line in run.self_check():
        print(f"check      {line}")
    print(f"next       oddframe score {run.path} VIDEO --out scores")
    exit_with(run.skipped)
