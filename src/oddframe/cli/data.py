"""The commands `oddframe data`: render the synthetic street, summarise a data set, find faults in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.account import count_of
from oddframe.cli.console import (
    SKIPPED_STATUS,
    FpsOption,
    JsonOption,
    PlayListsOption,
    exit_with,
    folder_to_write,
    print_json,
    print_losses,
    print_notes,
    print_table,
    say,
)
from oddframe.cli.inputs import set_to_read
from oddframe.progress import progress_bars

if TYPE_CHECKING:
    from oddframe.datasets.check import Finding
    from oddframe.types import VideoInfo
    from oddframe.video.sources import VideoSource

app = typer.Typer(help="Inspect a data set, or render a synthetic one.", no_args_is_help=True)


@app.command()
def world(
    out: Annotated[Path, typer.Argument(callback=folder_to_write, help="Folder to write to.")],
    videos: Annotated[int, typer.Option(min=1, help="Normal training videos.")] = 8,
    test_videos: Annotated[
        int | None, typer.Option(min=1, help="Test videos.", show_default="same as --videos")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=86_400, help="Length of each video in seconds.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Random seed. The same seed gives the same street.")] = 0,
    kind: Annotated[
        list[str] | None, typer.Option(help="Kind of anomaly to plant; repeatable.", show_default="all kinds")
    ] = None,
) -> None:
    """Render a synthetic street: normal video to train on, and labelled test video with planted anomalies."""
    from oddframe.locks import holding
    from oddframe.street import TEST_KINDS, World, render_world

    with holding(out), progress_bars() as bars:
        render_world(
            out, World(seed), videos=videos, seconds=seconds, test_videos=test_videos, kinds=kind or TEST_KINDS,
            progress=lambda done, total: bars("rendering", done, total),
        )  # fmt: skip
    say(f"train on   {out / 'training' / 'videos'}")
    say(f"test on    folder:{out / 'testing'}")


@app.command()
def check(
    data: Annotated[
        str,
        typer.Argument(
            callback=set_to_read,
            help="NAME:PATH of a labelled or weakly labelled data set, or your own folder, with or without labels.",
        ),
    ],
    headers: Annotated[
        bool, typer.Option("--headers", help="Read headers only. This is quick, but does not find damage.")
    ] = False,
    fps: FpsOption = None,
    play_lists: PlayListsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find faults in a data set and say what to do. Exit status: 0 no findings, 3 findings, 2 unusable data."""
    from oddframe.datasets.check import check as find
    from oddframe.datasets.check import unreadable
    from oddframe.datasets.check_videos import check_videos, has_labels, left_out_beside_labels
    from oddframe.datasets.labelled import LabelledSet, with_rate
    from oddframe.datasets.readers import is_named, open_any, refuse_misspelled
    from oddframe.errors import VideoError
    from oddframe.video.search import search_videos

    refuse_misspelled(data)
    if not is_named(data) and Path(data).suffix.lower() != ".csv" and not has_labels(Path(data)):
        with progress_bars() as bars:
            findings = check_videos(
                data, decode=not headers, progress=lambda done, total: bars("checking", done, total)
            )
        if not as_json:
            print_unknown_rate(search_videos(data).sources)
        print_findings(data, findings, as_json)
        return
    try:
        opened = open_any(data)
    except VideoError:  # The reader stops at the first unreadable file, but the user needs to know all of them.
        for finding in unreadable(data.partition(":")[2] if is_named(data) else data):
            say(str(finding))
        raise
    if isinstance(opened, LabelledSet):
        opened = with_rate(opened, fps)
    with progress_bars() as bars:
        findings = find(opened, decode=not headers, progress=lambda done, total: bars("checking", done, total))
    if data.startswith("folder:") or not is_named(data):
        findings = [*left_out_beside_labels(Path(data.removeprefix("folder:"))), *findings]
    if not as_json and isinstance(opened, LabelledSet):
        print_unknown_rate([video.source for video in opened.videos])
    print_findings(opened.name, findings, as_json)


def print_unknown_rate(sources: Sequence[VideoSource]) -> None:
    """Print a note where the frame rate of some of these videos is not known."""
    from oddframe.datasets.check import rate_unknown

    unknown = rate_unknown(sources)
    if unknown:
        say(f"note: {unknown}")


def print_findings(name: str, findings: Sequence[Finding], as_json: bool) -> None:
    """Print findings, and exit with status 3 if there are any."""
    from dataclasses import asdict

    if as_json:
        print_json({"data": name, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            say(str(finding))
        say(f"{name}: {count_of(len(findings), 'finding') if findings else 'no findings'}")
    if findings:
        raise typer.Exit(SKIPPED_STATUS)


@app.command()
def info(
    path: Annotated[
        str,
        typer.Argument(
            callback=set_to_read,
            help="NAME:PATH of a data set; or a video, a folder of videos or frame folders, or a CSV.",
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Compare the counts of a data set with its published numbers, or list the videos in a folder."""
    from oddframe.datasets.readers import is_named, refuse_misspelled

    if is_named(path):
        _set_info(path, as_json)
    else:
        refuse_misspelled(path)
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
        say(f"published: {summary.source}")
    for note in summary.notes:
        say(f"note: {note}")


def _rate(video: VideoInfo) -> str:
    text = f"{video.fps:.2f}" if video.fps else "-"
    return f"{text} ({video.rate})" if video.rate != "container" else text


def _folder_info(path: Path, as_json: bool) -> None:
    from dataclasses import asdict

    from oddframe.errors import VideoError
    from oddframe.video.decode import probe
    from oddframe.video.search import search_videos

    found, skipped = [], []
    search = search_videos(path)
    print_notes(search.notes())
    for source in search.sources:
        try:
            found.append(probe(source))
        except VideoError as error:
            skipped.append((source, str(error)))
    if as_json:
        reasons = [{"video": source.name, "reason": reason} for source, reason in skipped]
        print_json({"videos": [asdict(video) for video in found], "skipped": reasons})
    else:
        rows = [[v.name, f"{v.width} x {v.height}", _rate(v), str(v.frames or "-"), v.codec] for v in found]
        print_table(["video", "size", "frames/s", "frames (header)", "codec"], rows, ["frames/s", "frames (header)"])
        print_losses(found)
    exit_with(skipped)
