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
                **detector.describe(),
                "input": detector.sees,
                "latency": detector.latency,
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
        [r["model"], r["paper"], r["input"], r["latency"], f"{r['parameters']:,}", f"{r['gflop']:g}",
         ", ".join(r["presets"])]
        for r in rows
    ]  # fmt: skip
    columns = ["model", "paper", "input", "look-ahead", "parameters", "GFLOP/frame", "presets"]
    print_table(columns, cells, ["parameters", "GFLOP/frame"])


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
