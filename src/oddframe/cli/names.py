"""Names for shell completion. Each function gives those that begin with what is typed; none imports torch."""

from __future__ import annotations


def model_names(incomplete: str) -> list[str]:
    """Names of models."""
    from oddframe.models.registry import names

    return _beginning(names(), incomplete)


def recipes_like(incomplete: str) -> list[str]:
    """Names of recipes."""
    from oddframe.recipes import recipe_names

    return _beginning(recipe_names(), incomplete)


def extractors_like(incomplete: str) -> list[str]:
    """Names of feature extractors."""
    from oddframe.features.catalogue import NETWORKS

    return _beginning([*NETWORKS, "onnx:"], incomplete)


def _beginning(names: list[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
