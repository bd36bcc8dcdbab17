"""The command `oddframe fit`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from oddframe.cli.console import (
    COMPUTING,
    AlarmsOption,
    FpsOption,
    JsonOption,
    PlayListsOption,
    QuantileOption,
    default_folder,
    exit_with,
    folder_to_write,
    print_json,
    say,
)
from oddframe.cli.inputs import IgnoreOption, places_of, videos_to_read
from oddframe.cli.interrupt import interruptible
from oddframe.cli.names import model_names, recipes_like
from oddframe.progress import silent

TRAINING = "Training"


def fit(
    videos: Annotated[
        list[str],
        typer.Argument(
            callback=videos_to_read,
            help="Normal video: folders of videos or frame folders, videos, patterns, a CSV, URLs, or - for a list on "
            "standard input. For dakd and mil: labels, as a CSV with the columns video,label, or NAME:PATH of a data "
            "set.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(callback=folder_to_write, help="Folder for the bundle.", show_default="MODEL-bundle"),
    ] = None,
    model: Annotated[
        str,
        typer.Option(metavar="NAME", autocompletion=model_names, help="System to fit or train; see `oddframe models`."),
    ] = "camera",
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=recipes_like,
            help="Name of a recipe (see `oddframe recipes`), or a YAML file.",
        ),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STORE",
            help="For dakd and mil: a feature store written by `oddframe features`, or NAME=LAYOUT:PATH; repeatable.",
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
            metavar="LENGTH",
            rich_help_panel=TRAINING,
            help="Length of training: 30m, 2h, 2000steps or 5epochs. Stages and learning rate schedule scale with it.",
            show_default="from the recipe",
        ),
    ] = None,
    ignore: IgnoreOption = None,
    alarms_per_hour: AlarmsOption = None,
    quantile: QuantileOption = None,
    fps: FpsOption = None,
    play_lists: PlayListsOption = False,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda or mps.", rich_help_panel=COMPUTING)
    ] = "auto",
    devices: Annotated[
        int, typer.Option(min=1, help="Devices to train on, with one process each.", rich_help_panel=COMPUTING)
    ] = 1,
    resident: Annotated[
        str,
        typer.Option(
            metavar="WHEN",
            help="Keep the frames in the memory of the device: auto (on a GPU, where they fit), always or never.",
            rich_help_panel=COMPUTING,
        ),
    ] = "auto",
    graphs: Annotated[
        bool,
        typer.Option(
            "--graphs",
            help="Record training steps as CUDA graphs, which is faster for small batches.",
            rich_help_panel=COMPUTING,
        ),
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that decode the training videos.", rich_help_panel=COMPUTING)
    ] = 2,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted run.", rich_help_panel=TRAINING)
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write TensorBoard logs.", rich_help_panel=TRAINING)
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a detector on normal video, or on videos with one label each, and calibrate its threshold."""
    from oddframe.recipes import load_recipe, recipe_of
    from oddframe.settings import ThresholdOptions, TrainingOptions

    # What is wrong with the options is said before torch is loaded, which takes seconds.
    training = TrainingOptions(
        budget=budget,
        features=features or (),
        ignore=places_of(ignore),
        workers=workers,
        devices=devices,
        device=device,
        resident=resident,  # type: ignore[arg-type]
        graphs=graphs,
        resume=resume,
        tensorboard=tensorboard,
        progress=not silent(),
    )
    threshold = ThresholdOptions(alarms_per_hour, quantile)
    chosen = load_recipe(recipe or recipe_of(model), changes or ())
    out = out or default_folder(f"{chosen.model}-bundle")
    from oddframe.video.rate import given_rate
    from oddframe.video.search import find_videos

    given = videos[0] if len(videos) == 1 else videos
    normal = given if fps is None else given_rate(find_videos(given), fps)
    from oddframe.workflow.fit import fit as train

    with interruptible(partial(_kept, out)):
        run = train(normal, recipe=chosen, out=out, threshold=threshold, training=training)
    calibration = run.calibration()
    if as_json:
        skipped = [{"video": source.name, "reason": reason} for source, reason in run.skipped]
        told: dict[str, Any] = {
            "bundle": str(run.path),
            "id": run.bundle.id,
            "model": chosen.model,
            "recipe": chosen.name,
        }
        told |= {"threshold": calibration.threshold, "promise": calibration.sentence(), "skipped": skipped}
        notes = [note for note in (calibration.note, *run.bundle.data.notes) if note]
        print_json({**told, "notes": notes, "check": run.self_check()})
        exit_with(run.skipped)
        return
    say(f"bundle     {run.path}  ({run.bundle.id})")
    say(f"threshold  {calibration.threshold:.6g}")
    say(f"promise    {calibration.sentence()}")
    for note in (calibration.note, *run.bundle.data.notes):
        if note:
            say(f"note       {note}")
    for line in run.self_check():
        say(f"check      {line}")
    say(f"next       oddframe score {run.path} VIDEO")
    exit_with(run.skipped)


def _kept(out: Path) -> str:
    """What a fit that was stopped leaves, and how to go on."""
    from oddframe.bundle import CHECKPOINT, META

    if (out / META).is_file():
        return f"{out} holds the detector, but its threshold was not finished: the same command with --resume goes on"
    if (out / CHECKPOINT).is_file():
        return f"{out / CHECKPOINT} keeps what was learned so far: the same command with --resume goes on from there"
    return "nothing was learned yet; the same command starts anew"
