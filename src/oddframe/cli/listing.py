"""oddframe models, oddframe recipes."""

from __future__ import annotations

from typing import Any

from oddframe.cli.console import JsonOption, print_json, print_table


def models(as_json: JsonOption = False) -> None:
    """What systems there are, with paper, window, cost and licence note."""
    from oddframe.models.registry import MODELS, create

    rows: list[dict[str, Any]] = []
    for name, about in MODELS.items():
        detector = create(name, about.presets[0])
        rows.append(
            {
                "model": name,
                "title": about.title,
                "paper": about.paper,
                "presets": list(about.presets),
                "window": list(detector.window.offsets),
                "look_ahead": detector.look_ahead,
                "parameters": sum(p.numel() for p in detector.parameters()),
                "licence": about.licence,
            }
        )
    if as_json:
        print_json(rows)
        return
    cells = [
        [r["model"], r["paper"], ", ".join(r["presets"]), " ".join(f"{o:+d}" if o else "0" for o in r["window"]),
         str(r["look_ahead"]), f"{r['parameters']:,}", r["licence"]]
        for r in rows
    ]  # fmt: skip
    columns = ["model", "paper", "presets", "window", "look-ahead", "parameters", "licence"]
    print_table(columns, cells, ["look-ahead", "parameters"])


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
