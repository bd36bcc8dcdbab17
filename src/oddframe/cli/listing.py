"""The commands `oddframe models`, `oddframe recipes` and `oddframe protocols`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from oddframe.cli.console import JsonOption, print_json, print_table, say


def models(as_json: JsonOption = False) -> None:
    """List the systems with paper, window, cost per scored frame and presets, at their published size."""
    from oddframe.models.facts import model_facts

    rows, broken = model_facts()
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
    say(
        "camera is the default and finds most. The -small recipes of the others are for study: none of them has been "
        "shown clearly ahead of both frame_difference and optical_flow on UCSD Ped2, under the protocol honest."
    )


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
    from oddframe.suggest import near

    chosen = [p for name, p in PROTOCOLS.items() if all(word in name for word in words or ())]
    if not chosen:
        close = near(" ".join(words or ()), PROTOCOLS)
        hint = f"; did you mean {' or '.join(close)}? (`oddframe protocols` lists all)" if close else ""
        raise InputError(
            f"no protocol has a name with {' and '.join(words or ())}"
            f"{hint or '; `oddframe protocols` lists all of them'}"
        )
    if as_json:
        print_json([{**asdict(protocol), "system": protocol.system, "words": explain(protocol)} for protocol in chosen])
        return
    if words:
        for protocol in chosen:
            say(f"{protocol.name}: {protocol.description}")
            print_table(["", ""], [[f"  {part}", phrase] for part, phrase in explain(protocol).items()])
        return
    cells = [[protocol.name, protocol.description] for protocol in chosen]
    print_table(["protocol", "what it is"], cells)
    say("Use `oddframe protocols WORD` to explain some of them.")
