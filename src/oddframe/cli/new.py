"""The commands `oddframe new`: files to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import folder_to_write, say
from oddframe.cli.names import recipes_like
from oddframe.errors import InputError

app = typer.Typer(help="Write a detector package or a recipe to start from.", no_args_is_help=True)


@app.command()
def detector(
    name: Annotated[str, typer.Argument(help="Name of the detector: lower case letters, digits and underscores.")],
    out: Annotated[
        Path | None,
        typer.Option(callback=folder_to_write, help="Folder for the package.", show_default="oddframe-NAME"),
    ] = None,
) -> None:
    """Write a package with a small detector that works and holds every contract; put your own network in its place."""
    from oddframe.workflow.new import new_detector

    out = Path(f"oddframe-{name}") if out is None else out
    for file in new_detector(name, out):
        say(f"wrote      {out / file}")
    say(f"next       pip install -e {out} && oddframe fit VIDEOS --model {name}")


@app.command()
def recipe(
    name: Annotated[str, typer.Argument(help="Name of the recipe.")],
    like: Annotated[
        str,
        typer.Option(metavar="NAME", autocompletion=recipes_like, help="Recipe whose values it takes, or a YAML file."),
    ] = "sdmae-small",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="File to write.", show_default="NAME.yaml")] = None,
) -> None:
    """Write a recipe with every key, to be changed."""
    from oddframe.workflow.new import new_recipe

    out = Path(f"{name}.yaml") if out is None else out
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out}: {out.absolute().parent} is not a folder; choose another --out")
    made = new_recipe(name, like, out)
    say(f"wrote      {out}")
    say(f"next       oddframe fit VIDEOS --recipe {out} --out {made.name}-bundle")
