"""Every small recipe through the whole job: fit, score, evaluate, and what is said of why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oddframe
from oddframe.recipes import recipe_names
from oddframe.scoring.files import load_scores
from oddframe.types import Event

SIZE = "options.size=[32, 64]"
TINY: dict[str, tuple[str, ...]] = {
    "sdmae-small": ("options.encoder_width=16", "options.decoder_width=16", "options.heads=2", "pseudo.sequences=9"),
    "std-small": ("options.width=2", "options.clusters=4", "options.centre_batches=2"),
    "memae-small": ("options.width=2", "options.items=20"),
    "mnad-small": ("options.width=2",),
    "mpn-small": ("options.width=2",),
    "mpn-meta-small": ("options.width=2",),
}
PROTOCOLS = {
    "sdmae-small": {"code/sdmae/avenue", "paper/sdmae/avenue"},
    "std-small": {"code/std", "paper/std"},
    "memae-small": {"code/memae", "paper/memae"},
    "mnad-small": {"paper/mnad"},
    "mpn-small": {"code/mpn", "paper/mpn"},
    "mpn-meta-small": {"code/mpn", "paper/mpn"},
}


def test_no_small_recipe_is_left_out() -> None:
    weak = {"dakd-small", "mil-small"}  # in test_bags.py
    assert {name for name in recipe_names() if name.endswith("-small")} == set(TINY) | weak
    assert set(TINY) == set(PROTOCOLS)


def ask_events(run: Path, street: Path) -> list[Event]:
    """The events at the run's own threshold."""
    return oddframe.load_run(run).score(street / "testing" / "videos").events()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", TINY)
def test_fit_score_evaluate(
    recipe: str, street: Path, tmp_path: Path, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("oddframe.training.stages.HELDOUT_MARKS", 1)  # to measure takes longer than to learn
    run, out = tmp_path / "run", tmp_path / "out"
    changes = [argument for change in (SIZE, *TINY[recipe]) for argument in ("--set", change)]
    fitted = ask(
        "fit", street / "training" / "videos", "--recipe", recipe, *changes, "--budget", "8steps", "--out", run
    )
    assert fitted.status == 0, fitted.err
    card = (run / "CARD.md").read_text()
    assert "GFLOP per scored frame" in card and (recipe.startswith("sdmae") or "What others report" in card)
    levels = json.loads((run / "calibration.json").read_text())["levels"]

    scored = ask("score", run, street / "testing" / "videos", "--out", out, "--quantile", "0.8", "--no-overlay")
    assert scored.status == 0, scored.err
    components = list(load_scores(out / "scores" / "01.npz").components)
    assert components == list(oddframe.load_run(run).detector.reported) == list(levels)
    events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    assert all(list(event["why"]) == components and event["box"] is not None for event in events)

    data = f"folder:{street / 'testing'}"
    answer = ask("evaluate", run, "--data", data, "--out", out, "--details", "--json")
    assert answer.status == 0, answer.err
    evaluation = json.loads(answer.out)
    rows, details = evaluation["rows"], evaluation["details"]
    assert details["protocol"] == "honest" and details["micro_auc"]["value"] == rows[0]["micro_auc"]
    assert details["events"]["events"] == len(ask_events(run, street))
    assert all(0 <= value <= 1 for value in details["place"].values()), "the street has masks"
    assert {row["protocol"] for row in rows} >= {"honest", *PROTOCOLS[recipe]}
    assert all(0 <= row["micro_auc"] <= 1 for row in rows)
