"""The commands `oddframe models`, `oddframe recipes` and `oddframe protocols`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oddframe.cli.console import JsonOption, print_json, print_table
from oddframe.types import VideoInfo

if TYPE_CHECKING:
    from oddframe.models.catalogue import ModelEntry

CAMERA = VideoInfo("camera", "camera", 1280, 720, 25.0)  # the video that fitted detectors are listed for


def models(as_json: JsonOption = False) -> None:
    """List the systems with paper, window, cost per scored frame and presets, at their published size."""
    from oddframe.models.registry import entries

    found, broken = entries()
    rows = [_model_row(about) for about in found]
    if as_json:
        print_json([*rows, *({"model": name, "broken": line} for name, line in broken.items())])
        return
    cells = [
        [r["model"], r["paper"], r["input"], r["latency"], f"{r['parameters']:,}", f"{r['gflop']:g}",
         ", ".join(r["presets"])]
        for r in rows
    ]  # fmt: skip
    cells += [[name, f"broken: {line}", "", "", "", "", ""] for name, line in broken.items()]
    columns = ["model", "paper", "input", "look-ahead", "parameters", "GFLOP/frame", "presets"]
    print_table(columns, cells, ["parameters", "GFLOP/frame"])


def _model_row(about: ModelEntry) -> dict[str, Any]:
    """A model at its published size, as plain values."""
    row = {
        "model": about.name,
        "kind": about.kind,
        "title": about.title,
        "paper": about.paper,
        "presets": list(about.presets),
        "gflop": about.gflop,
        "licence": about.licence,
        "figures": [asdict(figure) for figure in about.figures],
    }
    if about.kind == "fitted":
        made: Any = about.detector
        signature = made.for_video(CAMERA).signature
        window = signature.window
        return {
            **row,
            "window": asdict(window),
            "look_ahead": signature.look_ahead,
            "input": f"frames at {window.size[0]}x{window.size[1]}",
            "latency": signature.latency,
            "parameters": 0,
        }
    import torch

    from oddframe.models.registry import build

    with torch.device("meta"):  # shapes without memory
        detector = build(about, about.presets[0])
    return {
        **row,
        **detector.describe(),
        "input": detector.sees,
        "latency": detector.latency,
        "parameters": sum(p.numel() for p in detector.parameters()),
    }


def recipes(as_json: JsonOption = False) -> None:
    """List the recipes: complete, named configurations for `fit`."""
    from oddframe.recipes import load_recipe, recipe_names

    all_recipes = [load_recipe(name) for name in recipe_names()]
    if as_json:
        print_json([recipe.model_dump(mode="json") for recipe in all_recipes])
        return
    print_table(
        ["recipe", "model", "preset", "what for"], [[r.name, r.model, r.preset, r.summary] for r in all_recipes]
    )


def protocols(
    words: Annotated[
        list[str] | None, typer.Argument(help="List only protocols whose names contain all of these words.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the evaluation protocols: how each turns scores into figures, and on which labels."""
    from oddframe.errors import InputError
    from oddframe.evaluation.explain import explain
    from oddframe.evaluation.protocols import PROTOCOLS

    chosen = [p for name, p in PROTOCOLS.items() if all(word in name for word in words or ())]
    if not chosen:
        raise InputError(
            f"no protocol has a name with {' and '.join(words or ())}; `oddframe protocols` lists all of them"
        )
    if as_json:
        print_json([{**asdict(protocol), "system": protocol.system, "words": explain(protocol)} for protocol in chosen])
        return
    if words:
        for protocol in chosen:
            print(f"{protocol.name}: {protocol.description}")
            print_table(["", ""], [[f"  {part}", phrase] for part, phrase in explain(protocol).items()])
        return
    cells = [[protocol.name, protocol.description] for protocol in chosen]
    print_table(["protocol", "what it is"], cells)
    print("`oddframe protocols NAME` explains the protocols whose names contain NAME")
