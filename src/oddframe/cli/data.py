"""oddframe data: the synthetic street, and what is in a folder of videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import JsonOption, exit_with, print_json, print_table, progress_bars

app = typer.Typer(help="Look at data, or make some.", no_args_is_help=True)


@app.command()
def world(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    videos: Annotated[int, typer.Option(min=1, help="Normal training videos.")] = 8,
    test_videos: Annotated[int | None, typer.Option(min=1, help="Test videos (default: as many).")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Length of each.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same street.")] = 0,
    kind: Annotated[
        list[str] | None, typer.Option(help="Anomaly to plant; may be given more than once (default: all).")
    ] = None,
) -> None:
    """Render a synthetic street: normal video to train on, and labelled test video with planted anomalies."""
    from oddframe.data.world import TEST_KINDS, render_world

    with progress_bars() as bars:
        render_world(
            out, videos=videos, seconds=seconds, seed=seed, test_videos=test_videos, kinds=kind or TEST_KINDS,
            progress=lambda done, total: bars("rendering", done, total),
        )  # fmt: skip
    print(f"train on   {out / 'training' / 'videos'}")
    print(f"test on    folder:{out / 'testing'}")


@app.command()
def info(
    path: Annotated[Path, typer.Argument(help="A video, a folder of videos or frame folders, or a CSV.")],
    as_json: JsonOption = False,
) -> None:
    """List the videos in a folder, and what cannot be read."""
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
