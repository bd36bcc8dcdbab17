"""The page of recipe keys, made from the dataclasses that read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib import import_module
from typing import Any

from oddframe.models.registry import entries
from oddframe.recipes import Recipe, ScoringPart, load_recipe, recipe_names
from oddframe.settings import PseudoAnomalies, Smoothing, TrainingPlan

PARTS = (
    ("training", TrainingPlan, "How long, in which batches, and with what held out."),
    ("pseudo", PseudoAnomalies, "Where pasted objects come from, for systems that learn from them."),
    ("scoring.smoothing", Smoothing, "The filter over the scores of a video."),
)
ATTRIBUTE = re.compile(r"^( {4,8})((?:\w+, )*\w+): (.*)$")


def recipes_page() -> str:
    """Markdown: the keys of a recipe, the options of every model, and the recipes that are built in."""
    parts = ["## Top keys", table(pydantic_rows(Recipe))]
    for name, kind, words in PARTS:
        parts += [f"## {name}", words, table(dataclass_rows(kind))]
    parts += [
        "## scoring",
        "How components become a score, and scores become events.",
        table(pydantic_rows(ScoringPart)),
    ]
    for name, config in sorted(configs().items()):
        parts += [f"## options of {name}", table(dataclass_rows(config))]
    rows = [(f"`{name}`", load_recipe(name).model, load_recipe(name).summary) for name in recipe_names()]
    lines = [f"| {name} | {model} | {escaped(words)} |" for name, model, words in rows]
    return "\n\n".join([*parts, "## Built-in recipes", "\n".join(["| recipe | model | |", "|---|---|---|", *lines])])


def configs() -> dict[str, type]:
    """Model -> the dataclass of its options."""
    found: dict[str, type] = {}
    for about in entries()[0]:
        module = import_module(about.detector.__module__)
        for name, kind in vars(module).items():
            if name.endswith("Config") and is_dataclass(kind) and kind.__module__ == module.__name__:
                found[about.name] = kind
    return found


def dataclass_rows(kind: Any) -> list[tuple[str, str, str, str]]:
    """Key, type, default and words of every field."""
    words = attributes(kind.__doc__ or "")
    return [(own.name, str(own.type), default_of(own), words.get(own.name, "")) for own in fields(kind)]


def pydantic_rows(kind: Any) -> list[tuple[str, str, str, str]]:
    """The same of a part that pydantic reads."""
    rows = []
    for name, own in kind.model_fields.items():
        plain = isinstance(own.default, str | int | float | bool) or own.default is None
        default = "required" if own.is_required() else shown(own.default) if plain else "see below"
        rows.append((name, getattr(own.annotation, "__name__", str(own.annotation)), default, own.description or ""))
    return rows


def attributes(doc: str) -> Mapping[str, str]:
    """Name -> words, of the part `Attributes:` of a docstring."""
    found: dict[str, str] = {}
    names: list[str] = []
    indent = 0
    _, _, part = doc.partition("Attributes:\n")
    for line in part.splitlines():
        if not line.strip():
            break
        match = ATTRIBUTE.match(line)
        if match and (not names or len(match[1]) <= indent):
            names, indent = match[2].split(", "), len(match[1])
            found.update(dict.fromkeys(names, match[3]))
        elif len(line) - len(line.lstrip()) <= indent and names:
            break
        else:
            found.update({name: f"{found[name]} {line.strip()}" for name in names})
    return found


def default_of(own: Field[Any]) -> str:
    if own.default is not MISSING:
        return shown(own.default)
    return shown(own.default_factory()) if own.default_factory is not MISSING else "required"


def shown(value: Any) -> str:
    """A value as YAML has it."""
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, tuple | list):
        return f"[{', '.join(shown(item) for item in value)}]"
    return str(value)


def table(rows: list[tuple[str, str, str, str]]) -> str:
    lines = [
        f"| `{key}` | `{escaped(kind)}` | `{escaped(default)}` | {escaped(words)} |"
        for key, kind, default, words in rows
    ]
    return "\n".join(["| key | type | default | |", "|---|---|---|---|", *lines])


def escaped(text: str) -> str:
    """Text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
