"""Pages that are made while the site is built: commands, recipe keys, and files outside `docs`."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest
from doc_pages import ROOT

from oddframe.cli import commands
from oddframe.recipes import recipe_names
from oddframe.settings import PseudoAnomalies, Smoothing, TrainingPlan


def hook(name: str) -> ModuleType:
    """A module of `docs/hooks`."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "hooks" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_commands_has_every_command_and_every_option() -> None:
    page = hook("commands").commands_page()
    told = {line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")}
    assert {"oddframe fit", "oddframe data check", "oddframe events mark", "oddframe watch"} <= told
    for name, command in commands().commands.items():
        if hasattr(command, "commands"):
            continue
        section = page[page.index(f"## oddframe {name}\n") :].split("\n## ")[0]
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                assert f"`{parameter.opts[0]}" in section, f"{name} {parameter.opts[0]}"
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) > 100 and all(line.replace("\\|", "").count("|") == 4 for line in rows)


def test_the_page_of_recipe_keys_has_every_field_with_its_words() -> None:
    page = hook("recipe_keys").recipes_page()
    for kind in (TrainingPlan, PseudoAnomalies, Smoothing):
        for own in fields(kind):
            (row,) = [
                line
                for line in page.splitlines()
                if line.startswith(f"| `{own.name}` | `{own.type}".split(" |")[0] + " |")
                and line.split(" | ")[3].strip(" |")
            ][:1]
            assert row
    for name in recipe_names():
        assert f"| `{name}` |" in page
    assert "## options of mnad" in page and "## options of camera" in page


def test_files_outside_docs_become_pages_and_links_follow(tmp_path: Path) -> None:
    for name, text in {
        "docs/how-to/a.md": "[code](../../src/x.py) [b](b.md) `[no](../none.md)`\n\n```text\n[no](../none.md)\n```\n",
        "docs/how-to/b.md": "[table](../../results/t.md#rows)",
        "results/t.md": "[other](o.md) [page](../docs/how-to/a.md) [web](https://example.org)",
        "results/o.md": "end",
        "src/x.py": "print()",
        "n.ipynb": json.dumps({"cells": [{"cell_type": "code", "source": ["x = 1"]}]}),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    outside = hook("outside").Outside(tmp_path)
    outside.collect(["how-to/b.md"], ["n.ipynb"])
    assert set(outside.pages()) == {"repository/results/t.md", "repository/results/o.md", "repository/n.ipynb.md"}
    assert "```python\nx = 1\n```" in outside.pages()["repository/n.ipynb.md"]
    assert (
        outside.linked("how-to/b.md", "[table](../../results/t.md#rows)") == "[table](../repository/results/t.md#rows)"
    )
    text = outside.pages()["repository/results/t.md"]
    changed = "[other](o.md) [page](../../how-to/a.md) [web](https://example.org)"
    assert outside.linked("repository/results/t.md", text) == changed
    (tmp_path / "results" / "o.md").unlink()
    with pytest.raises(FileNotFoundError, match=r"results/t\.md links to o\.md, which is not there"):
        outside.collect(["how-to/b.md"])
