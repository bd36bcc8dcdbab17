"""What `oddframe models` shows of each system: paper, input, size, cost.

Counting the parameters of a network takes torch, which takes seconds to load. So the facts of the built-in systems are
kept in `facts.json`, and a test holds them against the systems themselves. After a change of a system,
`python -m oddframe.models.facts` writes the file again. Systems of other packages are asked when they are listed.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oddframe.errors import RecipeError
from oddframe.models.catalogue import BUILT_IN
from oddframe.models.registry import entry, plugin_names

if TYPE_CHECKING:
    from oddframe.models.catalogue import ModelEntry

FILE = Path(__file__).with_name("facts.json")


def model_facts() -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The facts of all models, as plain values, and model name -> one line for each that cannot be loaded."""
    found: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    broken = {}
    for name in plugin_names():
        try:
            found.append(facts_of(entry(name)))
        except RecipeError as error:
            broken[name] = str(error)
    return found, broken


def facts_of(about: ModelEntry) -> dict[str, Any]:
    """The facts of a model at its published size, as plain values.

    Raises:
        RecipeError: it cannot be made.
    """
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
    told = _of_fitted(about) if about.kind == "fitted" else _of_network(about)
    plain: dict[str, Any] = json.loads(json.dumps({**row, **told}))
    return plain


def _of_fitted(about: ModelEntry) -> dict[str, Any]:
    from oddframe.types import VideoInfo

    made: Any = about.detector
    signature = made.for_video(VideoInfo("camera", "camera", 1280, 720, 25.0)).signature
    window = signature.window
    return {
        "window": asdict(window),
        "look_ahead": signature.look_ahead,
        "input": f"frames at {window.size[0]}x{window.size[1]}",
        "latency": signature.latency,
        "parameters": 0,
    }


def _of_network(about: ModelEntry) -> dict[str, Any]:
    import torch

    from oddframe.models.registry import build

    with torch.device("meta"):  # shapes without memory
        detector = build(about, about.presets[0])
    return {
        **detector.describe(),
        "input": detector.sees,
        "latency": detector.latency,
        "parameters": sum(p.numel() for p in detector.parameters()),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps([facts_of(entry(name)) for name in BUILT_IN], indent=1) + "\n", encoding="utf-8")
