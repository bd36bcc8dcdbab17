"""Lists of systems, recipes and protocols."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oddframe.recipes import recipe_names

Ask = Callable[..., Any]


def test_models_are_listed_with_paper_size_and_cost(ask: Ask) -> None:
    listed = {model["model"]: model for model in json.loads(ask("models", "--json").out)}
    assert listed["sdmae"]["parameters"] == 3_042_560 + 257
    assert "CVPR 2024" in listed["sdmae"]["paper"]
    assert listed["sdmae"]["gflop"] > 1
    table = ask("models").out
    assert all(name in table for name in listed) and "3,042,817" in table


def test_every_recipe_is_listed_with_its_model(ask: Ask) -> None:
    listed = json.loads(ask("recipes", "--json").out)
    assert [recipe["name"] for recipe in listed] == list(recipe_names())
    table = ask("recipes").out
    assert all(name in table for name in recipe_names())


def test_what_is_for_study_and_what_is_not_advised_is_said(ask: Ask) -> None:
    """Until every small recipe is ahead of frame difference and optical flow, as benchmarks/results show it."""
    summary = {recipe["name"]: recipe["summary"] for recipe in json.loads(ask("recipes", "--json").out)}
    small = {name for name in summary if name.endswith("-small")} - {"dakd-small", "mil-small"}
    assert len(small) == 6 and all(summary[name].startswith("for study") for name in small)
    told = " ".join(ask("models").out.split())
    assert "-small recipes of the others are for study" in told and "frame_difference and optical_flow" in told
    assert "not advised" in summary["mpn-meta-small"] and "Not advised" in ask("adapt", "--help").out


@pytest.mark.slow
def test_protocols_are_found_by_words_of_their_name(ask: Ask) -> None:
    found = [protocol["name"] for protocol in json.loads(ask("protocols", "paper", "sdmae", "--json").out)]
    assert "paper/sdmae/avenue" in found and all("paper" in name and "sdmae" in name for name in found)
    assert ask("protocols", "honest").out.startswith("honest: ")
    nothing = ask("protocols", "paper", "nobody")
    assert nothing.status == 2 and "no protocol has a name with paper and nobody" in nothing.err


@pytest.mark.slow
@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    "words", [("models",), ("recipes",), ("protocols",), ("cache", "info"), ("data", "info")], ids=" ".join
)
def test_every_list_fits_the_terminal_and_breaks_no_word(
    words: tuple[str, ...], width: int, ask: Ask, street: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*words, str(street / "training" / "videos")) if words[0] == "data" else words
    whole = ask(*words).out.split()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    told = ask(*words).out
    assert set(told.split()) <= set(whole), "a word is broken"
    title = words[0].removesuffix("s")  # the name of the first column; blocks do without it
    assert set(whole) - set(told.split()) <= {title}, "a word is missing"
    for line in told.splitlines():
        assert len(line) <= width or max(map(len, line.split())) > width // 2, line
