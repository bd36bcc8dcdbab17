"""The command `oddframe features`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.cli.console import DeviceOption, JsonOption, exit_with, print_json

if TYPE_CHECKING:
    from oddframe.workflow.features import Extraction


def features(
    extractor: Annotated[str, typer.Argument(help="clip, s3d, i3d, or onnx:FILE.")],
    videos: Annotated[list[Path], typer.Argument(help="Videos, folders of videos or frame folders, or a CSV.")],
    out: Annotated[Path, typer.Option(help="Folder of the feature store: a new one, or one to continue.")],
    weights: Annotated[Path | None, typer.Option(help="Weights of the network: a file, or for clip a folder.")] = None,
    preprocessing: Annotated[
        Path | None, typer.Option(help="YAML file with the preprocessing of an ONNX file.", show_default="FILE.yaml")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the backbone.", show_default="the extractor's name")] = None,
    crops: Annotated[
        int, typer.Option(help="1 (centre), or 10 (corners, centre and their mirror images; features are averaged).")
    ] = 1,
    frames_per_snippet: Annotated[
        int | None,
        typer.Option(help="Frames of each snippet of 16 that an image network sees.", min=1, max=16, show_default="4"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that share the cores.", min=1, show_default="1 on a GPU, up to 4 on a CPU"),
    ] = None,
    device: DeviceOption = "auto",
    precision: Annotated[str, typer.Option(help="fp32 or bf16.")] = "fp32",
    batch: Annotated[
        int | None, typer.Option(help="Snippets per forward pass. It changes the speed only.", min=1)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Extract features of videos with a frozen network, for weakly supervised training. A stopped run continues."""
    from oddframe.features.store import Opening
    from oddframe.video.sources import find_videos
    from oddframe.workflow.features import ExtractOptions, extract_features

    opening = Opening(extractor, weights, preprocessing, name, precision)  # type: ignore[arg-type]  # checked when opened
    options = ExtractOptions(crops, frames_per_snippet, device, workers, batch)
    done = extract_features(opening, find_videos(videos), out, options)
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
        "extracted": list(done.extracted),
        "kept": list(done.kept),
        "skipped": [{"video": source.name, "reason": reason} for source, reason in done.skipped],
        "damaged": {name: list(damage) for name, damage in done.damage.items()},
        "frames": done.frames,
        "seconds": done.wall,
        "shares": done.shares,
        "device": done.device,
        "workers": done.workers,
        "batch": done.batch,
    }


def _print(done: Extraction) -> None:
    store, sampling = done.store, done.store.sampling
    print(
        f"{store.name}: {store.dim} numbers per snippet of {sampling.to_dict()['snippet']} frames, "
        f"{sampling.frames_per_snippet} of them seen by the network, "
        f"{'centre crop' if sampling.crops == 1 else f'mean of {sampling.crops} crops'}"
    )
    print(f"{len(done.extracted)} videos extracted, {len(done.kept)} already in the store, {len(done.skipped)} skipped")
    if done.frames:
        processes = f"{done.workers} process{'es' * (done.workers > 1)}"
        print(
            f"{done.frames} frames in {done.wall:.1f} s, {done.frames / done.wall:.0f} frames/s "
            f"({done.device}, {processes}, batch {done.batch})"
        )
        shares = done.shares
        print(
            f"time of the processes: network {shares['network']:.0%}, waiting for decoding {shares['waiting']:.0%}, "
            f"the rest {shares['rest']:.0%}"
        )
    for video, damage in done.damage.items():
        for what in damage:
            print(f"damaged {video}: {what}")
    print(f"store  {store.path} ({store.fingerprint})")
