"""The command `oddframe features`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.account import count_of
from oddframe.cli.console import (
    COMPUTING,
    DeviceOption,
    FpsOption,
    GpusOption,
    JsonOption,
    PlayListsOption,
    RayOption,
    ShardOption,
    default_folder,
    exit_with,
    folder_to_write,
    print_json,
    print_notes,
    say,
)
from oddframe.cli.inputs import VideosArgument, file_to_read
from oddframe.cli.interrupt import keeping_files
from oddframe.cli.names import extractors_like

if TYPE_CHECKING:
    from oddframe.workflow.features import Extraction


def features(
    extractor: Annotated[
        str, typer.Argument(autocompletion=extractors_like, help="clip, s3d, i3d, efficientnet-lite0, or onnx:FILE.")
    ],
    videos: VideosArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            callback=folder_to_write,
            help="Folder of the feature store: a new one, or one to continue.",
            show_default="NAME-features",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(callback=file_to_read, help="Weights of the network: a file, or for clip a folder."),
    ] = None,
    preprocessing: Annotated[
        Path | None,
        typer.Option(
            callback=file_to_read, help="YAML file with the preprocessing of an ONNX file.", show_default="FILE.yaml"
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the backbone.", show_default="the extractor's name")] = None,
    crops: Annotated[
        int, typer.Option(help="1 (centre), or 10 (corners, centre and their mirror images; features are averaged).")
    ] = 1,
    frames_per_snippet: Annotated[
        int | None,
        typer.Option(help="Frames of each snippet of 16 that an image network sees.", min=1, max=16, show_default="4"),
    ] = None,
    channels: Annotated[
        str,
        typer.Option(
            metavar="CHANNELS",
            help="What an image network's features hold of the frames of a snippet: mean; or mean+change, which adds "
            "how much neighbouring frames differ, in the same time.",
        ),
    ] = "mean",
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that share the cores.",
            min=1,
            show_default="1 on a GPU, up to 4 on a CPU",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    shard: ShardOption = None,
    ray: RayOption = None,
    gpus_per_job: GpusOption = 0.0,
    device: DeviceOption = "auto",
    precision: Annotated[
        str, typer.Option(metavar="PRECISION", help="fp32 or bf16.", rich_help_panel=COMPUTING)
    ] = "fp32",
    batch: Annotated[
        int | None,
        typer.Option(help="Snippets per forward pass. It changes the speed only.", min=1, rich_help_panel=COMPUTING),
    ] = None,
    fps: FpsOption = None,
    play_lists: PlayListsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Extract features of videos with a frozen network, for weakly supervised training. A stopped run continues."""
    from oddframe.features.store import Opening
    from oddframe.runners.choose import choose_runner
    from oddframe.video.rate import given_rate
    from oddframe.video.search import search_videos
    from oddframe.workflow.features import ExtractOptions, extract_features

    opening = Opening(extractor, weights, preprocessing, name, precision, channels)  # type: ignore[arg-type]  # checked
    out = out or default_folder(f"{name or (Path(extractor[5:]).stem if ':' in extractor else extractor)}-features")
    elsewhere = shard is not None or ray is not None or gpus_per_job > 0
    runner = choose_runner(workers or 1, shard, ray, gpus_per_job) if elsewhere else workers
    options = ExtractOptions(crops, frames_per_snippet, device, runner, batch)
    found = search_videos(videos)
    print_notes(found.notes())
    with keeping_files(out, "extracted"):
        done = extract_features(opening, given_rate(found.sources, fps), out, options)
    if as_json:
        print_json(_as_dict(done))
    else:
        _print(done)
    exit_with(done.skipped)


def _as_dict(done: Extraction) -> dict[str, object]:
    return {
        "store": str(done.store.path),
        "backbone": done.store.name,
        "dim": done.store.dim,
        "fingerprint": done.store.fingerprint,
        "sampling": done.store.sampling.to_dict(),
        "channels": done.store.channels,
        "extracted": list(done.extracted),
        "kept": list(done.kept),
        "skipped": [{"video": source.name, "reason": reason} for source, reason in done.skipped],
        "damaged": {name: list(damage) for name, damage in done.damage.items()},
        "notes": list(done.notes),
        "frames": done.frames,
        "seconds": done.wall,
        "shares": done.shares,
        "device": done.device,
        "workers": done.workers,
        "batch": done.batch,
    }


def _print(done: Extraction) -> None:
    store, sampling = done.store, done.store.sampling
    say(
        f"{store.name}: {store.dim} numbers per snippet of {sampling.to_dict()['snippet']} frames, "
        f"{sampling.frames_per_snippet} of them seen by the network, "
        f"{'centre crop' if sampling.crops == 1 else f'mean of {sampling.crops} crops'}"
        f"{'' if store.channels == 'mean' else f'; {store.channels}'}"
    )
    say(
        f"{count_of(len(done.extracted), 'video')} extracted, {len(done.kept)} already in the store, "
        f"{len(done.skipped)} skipped"
    )
    if done.frames:
        processes = f"{done.workers} process{'es' * (done.workers > 1)}"
        say(
            f"{done.frames} frames in {done.wall:.1f} s, {done.frames / done.wall:.0f} frames/s "
            f"({done.device}, {processes}, batch {done.batch})"
        )
        shares = done.shares
        say(
            f"time of the processes: network {shares['network']:.0%}, waiting for decoding {shares['waiting']:.0%}, "
            f"the rest {shares['rest']:.0%}"
        )
    for video, damage in done.damage.items():
        for what in damage:
            say(f"damaged {video}: {what}")
    for note in done.notes:
        say(f"note   {note}")
    say(f"store  {store.path} ({store.fingerprint})")
