"""Names of detectors and where they live; a model is imported when it is first asked for.

A plug-in adds its own with an entry point in the group "oddframe.models" that points to a `ModelEntry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from oddframe.errors import RecipeError

if TYPE_CHECKING:
    from oddframe.models.detector import Detector


@dataclass(frozen=True)
class ModelEntry:
    """What can be said of a model without importing it; `presets` names the readings of the method it offers."""

    location: str
    title: str
    paper: str
    licence: str
    citation: str = ""
    presets: tuple[str, ...] = ("paper", "code")


MODELS: dict[str, ModelEntry] = {
    "sdmae": ModelEntry(
        location="oddframe.models.sdmae:SDMAE",
        title="Self-distilled masked auto-encoder",
        paper="Ristea et al., CVPR 2024, arXiv:2306.12041",
        licence="authors' code: CC BY-NC-SA 4.0; this implementation is independent of it",
        citation=(
            "N.-C. Ristea, F.-A. Croitoru, R. T. Ionescu, M. Popescu, F. S. Khan, M. Shah. Self-Distilled Masked "
            "Auto-Encoders are Efficient Video Anomaly Detectors. CVPR 2024."
        ),
    ),
    "frame_difference": ModelEntry(
        location="oddframe.models.frame_difference:FrameDifference",
        title="Mean absolute frame difference (baseline)",
        paper="none",
        licence="-",
        presets=("paper",),
    ),
}


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
    return getattr(import_module(module), class_name).from_preset(preset, **options)
