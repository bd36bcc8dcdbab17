"""The commands `oddframe bundles`: versions of a bundle, and which one is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.cli.console import SKIPPED_STATUS, JsonOption, print_json, print_notes, print_table, say
from oddframe.cli.inputs import bundle_to_read

if TYPE_CHECKING:
    from oddframe.workflow.bundles import BundleVersion

app = typer.Typer(help="List the versions of a bundle, and choose the one that is used.", no_args_is_help=True)


@app.command("list")
def list_versions(
    folder: Annotated[Path, typer.Argument(help="Folder that bundles lie in, or one of them.")] = Path(),
    store: Annotated[
        str | None,
        typer.Option(help="Instead, the bundles that this event store knows: a file, a folder, or a PostgreSQL URL."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List bundles with what they come from, what they learned from marks, and what they promise.

    A damaged bundle is named, and the exit status is 3.
    """
    from oddframe.workflow.bundles import list_bundles, versions_of

    damaged: list[tuple[Path, str]] = []
    if store is None:
        found = list_bundles(folder, damaged)
    else:
        from oddframe.store.opening import open_store

        with open_store(store, create=False) as opened:
            places = dict.fromkeys(Path(one.path) for one in opened.bundles() if one.path)
        found = versions_of((path for path in places if path.is_dir()), damaged)
    print_notes([f"damaged {reason}" for _, reason in damaged])
    if as_json:
        print_json([one.as_json() for one in found])
    elif found:
        _show(found)
    if damaged:
        raise typer.Exit(SKIPPED_STATUS)


def _show(found: Sequence[BundleVersion]) -> None:
    columns = ["", "bundle", "id", "from", "marks", "threshold", "promise"]
    rows = [
        [
            "*" if one.current else "", str(one.path), one.id, one.parent or "-",
            f"{one.normal} normal, {one.abnormal} abnormal" if one.normal or one.abnormal else "-",
            "-" if one.threshold is None else f"{one.threshold:.4g}", one.promise or "-",
        ]
        for one in found
    ]  # fmt: skip
    print_table(columns, rows, ["threshold"])
    if any(one.current for one in found):
        say("* is what the link `current` points to")


@app.command("use")
def use(
    run: Annotated[Path, typer.Argument(callback=bundle_to_read, help="Bundle to use from now on.")],
    link: Annotated[
        Path | None, typer.Option(help="The link that points to it.", show_default="current, beside RUN")
    ] = None,
) -> None:
    """Point the link `current` to a bundle; the same command goes back to an earlier version.

    Give the link to `score` and `watch` as RUN. A `watch` that runs keeps the version that it began with.
    """
    from oddframe.workflow.bundles import use_bundle

    made = use_bundle(run, link)
    say(f"current    {made} -> {run.resolve()}")
    say(f"next       oddframe score {made} VIDEO --out OUT")
