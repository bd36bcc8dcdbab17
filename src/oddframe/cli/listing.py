"""oddframe models, oddframe recipes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from oddframe.cli.console import JsonOption, print_json, print_table


def models(as_json: JsonOption = False) -> None:
    """What systems there are, with paper, window, cost per scored frame and presets, as published."""
    import torch

    from oddframe.models.catalogue import MODELS
    from oddframe.models.registry import create

    rows: list[dict[str, Any]] = []
    for name, about in MODELS.items():
        with torch.device("meta"):  # shapes without memory
            detector = create(name, about.presets[0])
        rows.append(
            {
                "model": name,
                "title": about.title,
                "paper": about.paper,
                "presets": list(about.presets),
                "window": list(detector.window.offsets),
                "size": list(detector.window.size),
                "look_ahead": detector.look_ahead,
                "parameters": sum(p.numel() for p in detector.parameters()),
                "gflop": about.gflop,
                "licence": about.licence,
                "figures": [asdict(figure) for figure in about.figures],
            }
        )
    if as_json:
        print_json(rows)
        return
    cells = [
        [r["model"], r["paper"], _window(r["window"]), f"{r['size'][0]}x{r['size'][1]}", str(r["look_ahead"]),
         f"{r['parameters']:,}", f"{r['gflop']:g}", ", ".join(r["presets"])]
        for r in rows
    ]  # fmt: skip
    columns = ["model", "paper", "window", "size", "look-ahead", "parameters", "GFLOP/frame", "presets"]
    print_table(columns, cells, ["look-ahead", "parameters", "GFLOP/frame"])


def _window(offsets: list[int]) -> str:
    """Offsets as people write them: -3 0 +3, or -8 ... +7 where there are many."""
    told = [f"{offset:+d}" if offset else "0" for offset in offsets]
    return " ".join(told) if len(told) <= 5 else f"{told[0]} ... {told[-1]}"


def recipes(as_json: JsonOption = False) -> None:
    """What recipes there are: complete, named configurations for `fit`."""
    from oddframe.recipes import load_recipe, recipe_names

    all_recipes = [load_recipe(name) for name in recipe_names()]
    if as_json:
        print_json([recipe.model_dump(mode="json") for recipe in all_recipes])
        return
    print_table(
        ["recipe", "model", "preset", "what for"], [[r.name, r.model, r.preset, r.summary] for r in all_recipes]
    )
