"""The command `oddframe import-checkpoint`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_checkpoint(
    model: Annotated[str, typer.Argument(help="System of the checkpoint, for example sdmae.")],
    file: Annotated[Path, typer.Argument(help="Checkpoint (.pth, .pt or .safetensors) of the authors' released code.")],
    out: Annotated[Path, typer.Option(help="Folder for the bundle.")],
    recipe: Annotated[
        str | None, typer.Option(help="Recipe with the sizes of the checkpoint.", show_default="MODEL-avenue")
    ] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe.")] = None,
) -> None:
    """Make a bundle from a checkpoint of the authors' released code."""
    from oddframe.workflow.fit import import_checkpoint as load

    run = load(model, file, out, recipe=recipe or f"{model}-avenue", changes=changes or ())
    print(f"bundle     {run.path}  ({run.bundle.id})")
    print(f"next       oddframe calibrate {run.path} NORMAL_VIDEOS")
