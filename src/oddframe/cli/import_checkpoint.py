"""The command `oddframe import-checkpoint`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import default_folder, folder_to_write, say
from oddframe.cli.inputs import checkpoint_to_read
from oddframe.cli.names import model_names, recipes_like


def import_checkpoint(
    model: Annotated[
        str, typer.Argument(autocompletion=model_names, help="System of the checkpoint, for example sdmae.")
    ],
    file: Annotated[
        Path,
        typer.Argument(
            callback=checkpoint_to_read, help="Checkpoint (.pth, .pt or .safetensors) of the authors' released code."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(callback=folder_to_write, help="Folder for the bundle.", show_default="MODEL-imported"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=recipes_like,
            help="Recipe with the sizes of the checkpoint.",
            show_default="MODEL-avenue",
        ),
    ] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe.")] = None,
) -> None:
    """Make a bundle from a checkpoint of the authors' released code."""
    from oddframe.recipes import load_recipe, recipe_of

    recipe_of(model), load_recipe(recipe or f"{model}-avenue", changes or ())  # faults are told before torch is loaded
    out = out or default_folder(f"{model}-imported")
    from oddframe.workflow.fit import import_checkpoint as load

    run = load(model, file, out, recipe=recipe or f"{model}-avenue", changes=changes or ())
    say(f"bundle     {run.path}  ({run.bundle.id})")
    say(f"next       oddframe calibrate {run.path} NORMAL_VIDEOS")
