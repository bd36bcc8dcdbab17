"""The commands `oddframe data`: render the synthetic street, summarise a data set, find faults in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import SKIPPED_STATUS, JsonOption, exit_with, print_json, print_table
from oddframe.progress import progress_bars

app = typer.Typer(help="Inspect a data set, or render a synthetic one.", no_args_is_help=True)


@app.command()
def world(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    videos: Annotated[int, typer.Option(min=1, help="Normal training videos.")] = 8,
    test_videos: Annotated[
        int | None, typer.Option(min=1, help="Test videos.", show_default="same as --videos")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Length of each video in seconds.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Random seed. The same seed gives the same street.")] = 0,
    kind: Annotated[
        list[str] | None, typer.Option(help="Kind of anomaly to plant; repeatable.", show_default="all kinds")
    ] = None,
) -> None:
    """Render a synthetic street: normal video to train on, and labelled test video with planted anomalies."""
    from oddframe.street import TEST_KINDS, World, render_world

    with progress_bars() as bars:
        render_world(
            out, World(seed), videos=videos, seconds=seconds, test_videos=test_videos, kinds=kind or TEST_KINDS,
            progress=lambda done, total: bars("rendering", done, total),
        )  # fmt: skip
    print(f"train on   {out / 'training' / 'videos'}")
    print(f"test on    folder:{out / 'testing'}")


@app.command()
def check(
    data: Annotated[
        str, typer.Argument(help="NAME:PATH of a labelled or weakly labelled data set, or your own folder.")
    ],
    headers: Annotated[
        bool, typer.Option("--headers", help="Read headers only. This is quick, but does not find damage.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Find faults in a data set and say what to do. Exit status: 0 no findings, 3 findings, 2 unusable data."""
    from dataclasses import asdict

    from oddframe.datasets.check import check as find
    from oddframe.datasets.check import unreadable
    from oddframe.datasets.readers import is_named, open_any
    from oddframe.errors import VideoError

    try:
        opened = open_any(data)
    except VideoError:  # The reader stops at the first unreadable file, but the user needs to know all of them.
        for finding in unreadable(data.partition(":")[2] if is_named(data) else data):
            print(finding)
        raise
    with progress_bars() as bars:
        findings = find(opened, decode=not headers, progress=lambda done, total: bars("checking", done, total))
    if as_json:
        print_json({"data": opened.name, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            print(finding)
        print(f"{opened.name}: {len(findings) or 'no'} finding{'' if len(findings) == 1 else 's'}")
    if findings:
        raise typer.Exit(SKIPPED_STATUS)


@app.command()
def info(
    path: Annotated[
        str, typer.Argument(help="NAME:PATH of a data set; or a video, a folder of videos or frame folders, or a CSV.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Compare the counts of a data set with its published numbers, or list the videos in a folder."""
    from oddframe.datasets.readers import is_named

    if is_named(path):
        _set_info(path, as_json)
    else:
        _folder_info(Path(path), as_json)


def _set_info(data: str, as_json: bool) -> None:
    from oddframe.datasets.readers import open_any
    from oddframe.datasets.summary import summarize

    summary = summarize(open_any(data))
    if as_json:
        print_json(summary.to_dict())
        return
    rows = [
        [count.what, *("-" if value is None else f"{value:,}" for value in (count.found, count.published))]
        for count in summary.counts
    ]
    print_table([summary.name, "found", "published"], rows, ["found", "published"])
    if summary.source:
        print(f"published: {summary.source}")
    for note in summary.notes:
        print(f"note: {note}")


def _folder_info(path: Path, as_json: bool) -> None:
    from dataclasses import asdict

    from oddframe.errors import VideoError
    from oddframe.video.decode import probe
    from oddframe.video.sources import find_videos

    found, skipped = [], []
    for source in find_videos(path):
        try:
            found.append(probe(source))
        except VideoError as error:
            skipped.append((source, str(error)))
    if as_json:
        reasons = [{"video": source.name, "reason": reason} for source, reason in skipped]
        print_json({"videos": [asdict(video) for video in found], "skipped": reasons})
    else:
        rows = [
            [v.name, f"{v.width} x {v.height}", f"{v.fps:.2f}" if v.fps else "-", str(v.frames or "-"), v.codec]
            for v in found
        ]
        print_table(["video", "size", "frames/s", "frames (header)", "codec"], rows, ["frames/s", "frames (header)"])
    exit_with(skipped)
