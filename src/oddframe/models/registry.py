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
    from oddframe.models.learner import Learner


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


def system(name: str) -> type[Learner]:
    """The class of a model, imported now.

    Raises:
        RecipeError: no model of that name.
    """
    module, class_name = entry(name).location.split(":")
    found: type[Learner] = getattr(import_module(module), class_name)
    return found


def create(name: str, preset: str = "paper", **options: Any) -> Learner:
    """A new, untrained system.

    Raises:
        RecipeError: unknown model, preset or option.
    """
    made = system(name).from_preset(preset, **options)
    extents = getattr(made, "map_filter", None)
    if extents is not None and any(extent < 1 or extent % 2 == 0 for extent in extents):
        raise RecipeError(f"{name}: map_filter {extents} needs three odd extents: frames, rows, columns")
    return made
