"""The command `oddframe review`."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import say
from oddframe.cli.inputs import bundle_to_read


def bundle_if_named(path: Path | None) -> Path | None:
    """A folder that may hold a bundle, or none.

    Raises:
        BundleError: there is none in it.
    """
    return None if path is None else bundle_to_read(path)


def review(
    place: Annotated[
        str,
        typer.Argument(
            metavar="[DIR|URL]",
            help="Folder of `score --out` or `watch --out`, file of SQLite, or postgresql://HOST/DATABASE.",
        ),
    ] = ".",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes one that is free.")] = 8400,
    host: Annotated[str, typer.Option(help="Address to listen on. Any but that of this machine needs a token.")] = (
        "127.0.0.1"
    ),
    token_file: Annotated[
        Path | None, typer.Option(help="File whose one line is the token that people have to show.")
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="A name by which browsers reach the page, as behind a reverse proxy.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(callback=bundle_if_named, help="Bundle that made the scores, and can learn more.")
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Look at what was found, and say what it is, on a page in the browser."""
    from oddframe.server.starting import ReviewOptions
    from oddframe.server.starting import review as serve

    def ready(address: str) -> None:
        say(f"review  {address}")
        sys.stdout.flush()
        if open_browser:
            webbrowser.open(address)

    ended = serve(place, ReviewOptions(host, port, token_file, name or (), run), ready, say)
    if ended:
        raise typer.Exit(128 + ended)
