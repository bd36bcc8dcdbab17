"""The command `oddframe bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.account import count_of
from oddframe.cli.console import (
    BatchOption,
    DeviceOption,
    JsonOption,
    PlayListsOption,
    PrecisionOption,
    RuntimeOption,
    exit_with,
    print_json,
    print_notes,
    print_table,
    say,
)
from oddframe.cli.inputs import above_zero, bundle_to_read, videos_to_read


def bench(
    run: Annotated[Path, typer.Argument(callback=bundle_to_read, help="Bundle or exported detector to measure.")],
    videos: Annotated[
        list[str], typer.Argument(callback=videos_to_read, help="Video files or frame folders; - reads a list.")
    ],
    frames: Annotated[int, typer.Option(min=1, help="Frames of each video to measure on.")] = 300,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of measurement; their medians are reported.")] = 3,
    fps: Annotated[
        float | None,
        typer.Option(
            callback=above_zero, help="Frames per second of your cameras.", show_default="the rate of the videos"
        ),
    ] = None,
    play_lists: PlayListsOption = False,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "auto",
    batch: BatchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure speed: frames/s end to end, latency, the share of each stage, and the limits set by the hardware."""
    from dataclasses import replace

    from oddframe.runtime.runtime import RuntimeOptions
    from oddframe.video.search import search_videos

    options = RuntimeOptions.parse(runtime, precision, device, batch)
    from oddframe.workflow.bench import bench as measure
    from oddframe.workflow.bench import readable
    from oddframe.workflow.run import load_run

    found = search_videos(videos)
    print_notes(found.notes())
    usable, skipped = readable(found.sources)
    result = measure(load_run(run), usable, frames=frames, rounds=rounds, options=options)
    result = replace(result, fps=fps or result.fps)
    if as_json:
        print_json(result.to_dict())
        exit_with(skipped)
        return
    shares = {name: f"{share:.1%}" for name, share in result.shares.items()}
    whole = f"{result.end_to_end / result.forward:.0%} of the forward pass alone"
    cost = "" if result.gflop is None else f"{result.gflop:.2f} GFLOP/frame"
    rows = [
        ["end to end", f"{result.end_to_end:.1f}", "", whole],
        ["decoding alone", f"{result.decode:.1f}", shares["decode"], "floor 1"],
        ["forward pass alone", f"{result.forward:.1f}", shares["forward"], cost],
        ["post-processing alone", f"{result.post:.1f}", shares["post"], ""],
    ]
    if result.arithmetic_floor is not None:
        share = result.forward / result.arithmetic_floor
        reached = f"floor 2, at {result.matrix_gflops:.0f} GFLOP/s; the forward pass reaches {share:.0%} of it"
        rows.append(["arithmetic alone", f"{result.arithmetic_floor:.1f}", "", reached])
    print_table(["part", "frames/s", "share", ""], rows, ["frames/s", "share"])
    late = result.latency
    say(f"latency  {late.p50:.1f} ms (median), {late.p95:.1f} (95 %), {late.p99:.1f} (99 %), one frame at a time; "
          f"a look-ahead of {count_of(result.look_ahead, 'frame')} comes on top")  # fmt: skip
    gpu = f", {result.peak_gpu_mib:.0f} MiB on the GPU" if result.peak_gpu_mib else ""
    say(f"memory   {result.peak_mib:.0f} MiB at most{gpu}")
    say(f"measured {', '.join(result.videos)}: {count_of(result.frames, 'frame')}, {result.runtime} in "
          f"{result.precision} on {result.device}, batch {result.batch}, "
          f"median of {count_of(result.rounds, 'round')}")  # fmt: skip
    say(f"This machine can watch {count_of(result.cameras, 'camera')} at {result.fps:g} frames/s.")
    exit_with(skipped)
