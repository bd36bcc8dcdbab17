"""Finds models by name. A model is imported when somebody asks for it.

Built-in models are modules of `oddframe.models`. A package outside oddframe adds a model with an entry point in the
group "oddframe.models" that points to a `ModelEntry`. A plug-in that cannot be loaded does not disturb the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from oddframe.errors import RecipeError
from oddframe.extras import missing
from oddframe.models.catalogue import BUILT_IN, ModelEntry
from oddframe.suggest import among
from oddframe.types import VideoInfo

if TYPE_CHECKING:
    from oddframe.models.fitted import FittedDetector
    from oddframe.models.learner import Learner

GROUP = "oddframe.models"


def names() -> list[str]:
    """Names of all models: the built-in ones, then those of installed packages. Nothing is imported."""
    return [*BUILT_IN, *sorted(_plugins())]


def plugin_names() -> list[str]:
    """Names of the models that installed packages add. Nothing is imported."""
    return sorted(_plugins())


def entry(name: str) -> ModelEntry:
    """The entry of a model, whose module is imported now.

    Raises:
        RecipeError: no model has that name, a library that it needs is missing, or its package is broken.
    """
    if name in BUILT_IN:
        try:
            found: ModelEntry = import_module(f"oddframe.models.{name}").ENTRY
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] == "oddframe":
                raise
            library = error.name.partition(".")[0]
            raise RecipeError(f"model {name} {missing(library, 'torch')}") from error
        return found
    plugins = _plugins()
    if name not in plugins:
        raise RecipeError(f"there is no model {name!r}{among(name, names())}")
    return _load(plugins[name])


def entries() -> tuple[list[ModelEntry], dict[str, str]]:
    """The entries of all models, and model name -> one line for each that cannot be loaded."""
    found, broken = [], {}
    for name in names():
        try:
            found.append(entry(name))
        except RecipeError as error:
            broken[name] = str(error)
    return found, broken


def plugin_faults() -> list[str]:
    """A line for each model of an installed package that cannot be loaded."""
    faults = []
    for name in plugin_names():
        try:
            entry(name)
        except RecipeError as error:
            faults.append(str(error))
    return faults


def system(name: str) -> type[Learner]:
    """The class of a model that learns by gradients, imported now.

    Raises:
        RecipeError: see `entry`; or the model is fitted in one pass.
    """
    return _learner(entry(name))


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
    made: FittedDetector = entry(name).detector.for_video(info, **options)  # type: ignore[union-attr]  # by its kind
    return made


def create(name: str, preset: str = "paper", **options: Any) -> Learner:
    """A new, untrained system.

    Raises:
        RecipeError: unknown model, preset or option, or a broken package.
    """
    return build(entry(name), preset, **options)


def build(about: ModelEntry, preset: str = "paper", **options: Any) -> Learner:
    """A new, untrained system of this entry.

    Raises:
        RecipeError: unknown preset or option.
    """
    made = _learner(about).from_preset(preset, **options)
    extents = getattr(made, "map_filter", None)
    if extents is not None and any(extent < 1 or extent % 2 == 0 for extent in extents):
        raise RecipeError(f"{about.name}: map_filter {extents} needs three odd extents: frames, rows, columns")
    return made


def _learner(about: ModelEntry) -> type[Learner]:
    if about.kind == "fitted":
        raise RecipeError(f"{about.name} is fitted to a camera in one pass; it has no presets that could be trained")
    return about.detector  # type: ignore[return-value]  # the kind says so


def _plugins() -> dict[str, EntryPoint]:
    """Model name -> its entry point. A name of a built-in model stays with that."""
    return {plugin.name: plugin for plugin in entry_points(group=GROUP) if plugin.name not in BUILT_IN}


def _load(plugin: EntryPoint) -> ModelEntry:
    origin = f"model {plugin.name} of package {plugin.dist.name if plugin.dist else plugin.module}"
    try:
        found = plugin.load()
    except Exception as error:  # a stranger's module may fail in any way; the others have to work on
        text = str(error).strip().partition("\n")[0]
        raise RecipeError(f"{origin} cannot be loaded: {type(error).__name__}: {text}") from error
    if not isinstance(found, ModelEntry):
        raise RecipeError(f"{origin} cannot be loaded: {plugin.value} is no ModelEntry but a {type(found).__name__}")
    if found.name != plugin.name:
        raise RecipeError(f"{origin} cannot be loaded: its entry calls itself {found.name!r}; give both one name")
    return found
