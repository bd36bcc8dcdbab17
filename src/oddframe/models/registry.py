"""Names of detectors and where they live; a model is imported when it is first asked for.

A plug-in adds its own with an entry point in the group "oddframe.models" that points to a `ModelEntry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from oddframe.errors import RecipeError
from oddframe.models.catalogue import MODELS, ModelEntry
from oddframe.types import VideoInfo

if TYPE_CHECKING:
    from oddframe.models.fitted import FittedDetector
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


def create_for(
    name: str, preset: str, options: Mapping[str, Any], frame_size: tuple[int, int] | None = None
) -> Learner | FittedDetector:
    """A new, untrained system of any kind.

    Args:
        frame_size: (height, width) of the camera's video, which a fitted detector is made for.

    Raises:
        RecipeError: unknown model, preset or option.
    """
    if entry(name).kind != "fitted":
        return create(name, preset, **options)
    if frame_size is None:
        raise RecipeError(f"{name} is made for one camera, and the size of its frames is not known")
    return create_fitted(name, VideoInfo("", "", frame_size[1], frame_size[0], None), options)


def create_fitted(name: str, info: VideoInfo, options: Mapping[str, Any]) -> FittedDetector:
    """A new fitted detector for a camera whose video is like `info`.

    Raises:
        RecipeError: unknown model or option.
    """
    module, class_name = entry(name).location.split(":")
    made: FittedDetector = getattr(import_module(module), class_name).for_video(info, **options)
    return made


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
