"""The command `oddframe export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from oddframe.cli.console import JsonOption, folder_to_write, print_json, say
from oddframe.cli.inputs import bundle_to_read, set_to_read, video_if_given


def export(
    run: Annotated[Path, typer.Argument(callback=bundle_to_read, help="Bundle written by `fit`.")],
    to: Annotated[str, typer.Option(metavar="RUNTIME", help="Target runtime: onnx or openvino.")],
    out: Annotated[
        Path | None,
        typer.Option(
            callback=folder_to_write, help="Folder for the exported detector.", show_default="RUN-TO-PRECISION"
        ),
    ] = None,
    precision: Annotated[str, typer.Option(metavar="PRECISION", help="fp32, bf16 (openvino only), or int8.")] = "fp32",
    video: Annotated[
        str | None,
        typer.Option(
            callback=video_if_given,
            help="Normal video (a video, a folder or a CSV) for the comparison with the bundle; int8 also takes its "
            "value ranges from it.",
            show_default="the built-in street",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(callback=set_to_read, help="Labelled test set as NAME:PATH, to compare the AUC as well."),
    ] = None,
    allow: Annotated[
        bool, typer.Option("--allow", help="Keep the export even if its scores do not agree with the bundle's.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Export a detector to a folder that scores videos without torch. Its scores are compared with the original's."""
    from oddframe.runtime.exported import load_exported, parse_target
    from oddframe.runtime.runtime import parse_precision

    target, number_format = parse_target(to), parse_precision(precision)
    from oddframe.workflow.export import export as convert
    from oddframe.workflow.run import load_run

    trained = load_run(run)
    out = Path(f"{run}-{target}-{number_format}") if out is None else out
    convert(trained, target, out, precision=number_format, videos=video, data=data, allow=allow)
    parity: dict[str, Any] = dict(load_exported(out).parity)
    if as_json:
        print_json({"path": str(out), "runtime": target, "precision": number_format, "parity": parity})
        return
    say(f"compared   on {parity['frames']} frames of {parity['where'] if video else 'the built-in street'}")
    for name, value in parity["relative"].items():
        say(f"{name:<10} differs by at most {value:.2g} of its magnitude")
    say(f"ranks      rank correlation of the scores {parity['ranks']:.6f}")
    if parity["auc"] is not None:
        before, after = parity["auc"]
        say(f"AUC        {before:.4f} before, {after:.4f} after")
    say(f"exported   {out}")
