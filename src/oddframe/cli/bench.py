"""The command `oddframe bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import (
    BatchOption,
    DeviceOption,
    JsonOption,
    PrecisionOption,
    RuntimeOption,
    print_json,
    print_table,
)


def bench(
    run: Annotated[Path, typer.Argument(help="Bundle or exported detector to measure.")],
    videos: Annotated[list[Path], typer.Argument(help="Video files or frame folders.")],
    frames: Annotated[int, typer.Option(help="Frames of each video to measure on.")] = 300,
    rounds: Annotated[int, typer.Option(help="Rounds of measurement; their medians are reported.")] = 3,
    fps: Annotated[
        float | None, typer.Option(help="Frames/s of your cameras.", show_default="the rate of the videos")
    ] = None,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "auto",
    batch: BatchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure speed: frames/s end to end, latency, the share of each stage, and the limits set by the hardware."""
    from dataclasses import replace

    from oddframe.errors import InputError
    from oddframe.runtime.runtime import RuntimeOptions
    from oddframe.video.sources import find_videos
    from oddframe.workflow.bench import bench as measure
    from oddframe.workflow.run import load_run

    if fps is not None and not fps > 0:
        raise InputError(f"--fps is {fps:g}; it must be above 0")
    options = RuntimeOptions.parse(runtime, precision, device, batch)
    result = measure(load_run(run), find_videos(videos), frames=frames, rounds=rounds, options=options)
    result = replace(result, fps=fps or result.fps)
    if as_json:
        print_json(result.to_dict())
        return
    shares = {name: f"{share:.1%}" for name, share in result.shares.items()}
    whole = f"{result.end_to_end / result.forward:.0%} of the forward pass alone"
    rows = [
        ["end to end", f"{result.end_to_end:.1f}", "", whole],
        ["decoding alone", f"{result.decode:.1f}", shares["decode"], "floor 1"],
        ["forward pass alone", f"{result.forward:.1f}", shares["forward"], f"{result.gflop:.2f} GFLOP/frame"],
        ["post-processing alone", f"{result.post:.1f}", shares["post"], ""],
    ]
    if result.arithmetic_floor is not None:
        share = result.forward / result.arithmetic_floor
        reached = f"floor 2, at {result.matrix_gflops:.0f} GFLOP/s; the forward pass reaches {share:.0%} of it"
        rows.append(["arithmetic alone", f"{result.arithmetic_floor:.1f}", "", reached])
    print_table(["part", "frames/s", "share", ""], rows, ["frames/s", "share"])
    late = result.latency
    print(f"latency  {late.p50:.1f} ms (median), {late.p95:.1f} (95 %), {late.p99:.1f} (99 %), one frame at a time; "
          f"the {result.look_ahead} frames of look-ahead come on top")  # fmt: skip
    gpu = f", {result.peak_gpu_mib:.0f} MiB on the GPU" if result.peak_gpu_mib else ""
    print(f"memory   {result.peak_mib:.0f} MiB at most{gpu}")
    print(f"measured {', '.join(result.videos)}: {result.frames} frames, {result.runtime} in {result.precision} on "
          f"{result.device}, batch {result.batch}, median of {result.rounds} rounds")  # fmt: skip
    print(f"This machine can watch {result.cameras} cameras at {result.fps:g} frames/s.")
