"""oddframe export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from oddframe.cli.console import JsonOption, print_json


def export(
    run: Annotated[Path, typer.Argument(help="Bundle that `fit` left.")],
    to: Annotated[str, typer.Option(help="onnx or openvino.")],
    out: Annotated[Path | None, typer.Option(help="The new folder.", show_default="RUN-TO-PRECISION")] = None,
    precision: Annotated[str, typer.Option(help="fp32, bf16 (openvino), or int8.")] = "fp32",
    video: Annotated[
        Path | None,
        typer.Option(help="Normal video to compare on, and for int8 to take ranges from: a video, a folder, a CSV."),
    ] = None,
    data: Annotated[str | None, typer.Option(help="Labelled test set, NAME:PATH: compare the AUC as well.")] = None,
    allow: Annotated[bool, typer.Option("--allow", help="Keep it even if it does not agree with the bundle.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a folder of a detector that scores videos without torch, after comparing it with the original."""
    from oddframe.runtime.exported import load_exported, parse_target
    from oddframe.runtime.runtime import parse_precision
    from oddframe.workflow.export import export as convert
    from oddframe.workflow.run import load_run

    target, arithmetic = parse_target(to), parse_precision(precision)
    trained = load_run(run)
    out = Path(f"{run}-{target}-{arithmetic}") if out is None else out
    convert(trained, target, out, precision=arithmetic, videos=video, data=data, allow=allow)
    parity: dict[str, Any] = dict(load_exported(out).parity)
    if as_json:
        print_json({"path": str(out), "runtime": target, "precision": arithmetic, "parity": parity})
        return
    print(f"compared   on {parity['frames']} frames of {parity['where'] if video else 'the built-in street'}")
    for name, value in parity["relative"].items():
        print(f"{name:<10} differs by at most {value:.2g} of its size")
    print(f"ranks      correlation of the scores {parity['ranks']:.6f}")
    if parity["auc"] is not None:
        before, after = parity["auc"]
        print(f"AUC        {before:.4f} before, {after:.4f} after")
    print(f"exported   {out}")
