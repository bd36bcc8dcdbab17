"""Names of detectors and where they live; a model is imported when it is first asked for.

A plug-in adds its own with an entry point in the group "oddframe.models" that points to a `ModelEntry`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from oddframe.errors import RecipeError
from oddframe.models.catalogue import MODELS, ModelEntry

if TYPE_CHECKING:
    from oddframe.models.detector import Detector


def entry(name: str) -> ModelEntry:
    """The entry of a built-in model or a plug-in.

    Raises:
        RecipeError: no model of that name.
    """
    if name in MODELS:
        return MODELS[name]
    plugins = {plugin.name: plugin for plugin in entry_points(group="oddframe.models")}
    if name not in plugins:
        raise RecipeError(f"there is no model {name!r}; there are: {', '.join([*MODELS, *plugins])}")
    return plugins[name].load()


def create(name: str, preset: str = "paper", **options: Any) -> Detector:
    """A new, untrained detector.

    Raises:
        RecipeError: unknown model, preset or option.
    """
    module, class_name = entry(name).location.split(":")
    detector: Detector = getattr(import_module(module), class_name).from_preset(preset, **options)
    if detector.map_filter is not None and any(extent < 1 or extent % 2 == 0 for extent in detector.map_filter):
        raise RecipeError(f"{name}: map_filter {detector.map_filter} needs three odd extents: frames, rows, columns")
    return detector
