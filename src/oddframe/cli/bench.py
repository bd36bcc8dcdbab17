"""oddframe bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import DeviceOption, JsonOption, PrecisionOption, print_json, print_table


def bench(
    run: Annotated[Path, typer.Argument(help="Bundle to measure.")],
    video: Annotated[Path, typer.Argument(help="A video file or frame folder.")],
    frames: Annotated[int, typer.Option(help="Frames to measure on.")] = 300,
    rounds: Annotated[int, typer.Option(help="Rounds; medians are reported.")] = 3,
    device: DeviceOption = "auto",
    precision: PrecisionOption = None,
    batch: Annotated[int | None, typer.Option(help="Frames per forward pass.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Frames per second end to end, the share of each stage, and the floors of decoding and arithmetic."""
    from oddframe.runtime.runtime import parse_precision
    from oddframe.workflow.bench import bench as measure
    from oddframe.workflow.run import load_run

    result = measure(
        load_run(run),
        video,
        frames=frames,
        rounds=rounds,
        device=device,
        precision=parse_precision(precision or "fp32"),
        batch=batch,
    )
    if as_json:
        print_json(result.to_dict())
        return
    rows = [
        [
            "end to end",
            f"{result.end_to_end:.1f}",
            "",
            f"{result.end_to_end / result.forward:.0%} of the forward pass alone",
        ],
        ["decoding alone", f"{result.decode:.1f}", f"{result.shares['decode']:.1%}", "floor 1"],
        [
            "forward pass alone",
            f"{result.forward:.1f}",
            f"{result.shares['forward']:.1%}",
            f"{result.gflop:.2f} GFLOP/frame",
        ],
        ["post-processing alone", f"{result.post:.1f}", f"{result.shares['post']:.1%}", ""],
        ["arithmetic alone", f"{result.arithmetic_floor:.1f}", "", f"floor 2, at {result.matrix_gflops:.0f} GFLOP/s"],
    ]
    print_table(["part", "frames/s", "share", ""], rows, ["frames/s", "share"])
    print(f"{result.video}: {result.frames} frames, {result.device}, {result.precision}, batch {result.batch}, "
          f"median of {result.rounds} rounds, peak memory {result.peak_mib:.0f} MiB")  # fmt: skip
