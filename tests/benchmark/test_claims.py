"""Claims of a plan: which are judged where, and how verdicts are told."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import oddframe.benchmark.claims as claims
from oddframe.benchmark.claims import Outcome, judge, reading_notes
from oddframe.benchmark.plan import ClaimPart
from oddframe.benchmark.table import Table
from oddframe.evaluation.paired import Difference, Videos

WIDE = ClaimPart(better="wide", than="narrow", paper="table 2: 91 against 88")
ELSEWHERE = ClaimPart(better="wide", than="narrow", data="night")
FIGURES = {"high": 0.8, "low": 0.6, "near": 0.61, "short": 0.6}


@pytest.fixture(autouse=True)
def differences(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system's videos stand for its AUC; a difference is sure to two points."""

    def difference(first: Sequence[str], second: Sequence[str], level: float) -> Difference:
        own = tuple(FIGURES[one] - FIGURES[other] for one, other in zip(first, second, strict=True))
        value = float(np.mean(own))
        return Difference(own, value, value - 0.02, value + 0.02, level, (70, 92 if second[0] == "short" else 70))

    monkeypatch.setattr(claims, "paired_difference", difference)


def outcomes(wide: str, narrow: str) -> list[Outcome]:
    videos: dict[str, list[Videos]] = {"wide": [wide] * 2, "narrow": [narrow] * 2}  # type: ignore[list-item]
    return judge([WIDE, ELSEWHERE], "day", "honest", videos)


@pytest.mark.parametrize(
    ("wide", "narrow", "verdict"),
    [("high", "low", "agrees"), ("low", "high", "disagrees"), ("near", "low", "undecided")],
)
def test_a_claim_agrees_disagrees_or_is_undecided(wide: str, narrow: str, verdict: str) -> None:
    (one,) = outcomes(wide, narrow)
    assert one.difference.verdict == verdict == one.cells[-1] == one.row["verdict"]
    assert (one.data, one.protocol, one.claim) == ("day", "honest", WIDE)


def test_a_claim_needs_both_systems_and_its_data_set() -> None:
    assert judge([WIDE], "day", "honest", {"wide": []}) == []
    assert judge([ELSEWHERE], "day", "honest", {"wide": [], "narrow": []}) == []
    assert len(judge([ELSEWHERE], "night", "honest", {"wide": ["high"], "narrow": ["low"]})) == 1  # type: ignore[list-item]


def test_the_table_has_figures_and_where_they_are_claimed(tmp_path: Path) -> None:
    found = outcomes("high", "low")
    undefined = Outcome("day", "honest", WIDE, Difference((np.nan,), np.nan, np.nan, np.nan, 0.95, (3, 3)))
    table = Table((), (), (), (*found, undefined))
    rows = [line.split(" | ") for line in table.to_markdown().splitlines() if line.startswith("| day")]
    assert rows[0][2:5] == ["wide", "narrow", "table 2: 91 against 88"]
    assert rows[0][5:] == ["+20.00", "+18.00 to +22.00", "+20.00 +20.00", "agrees |"]
    assert rows[1][5:] == ["-", "-", "-", "undecided |"]
    table.write(tmp_path)
    stored = json.loads((tmp_path / "table.json").read_text())["claims"]
    assert stored[0]["by_seed"] == pytest.approx([0.2, 0.2]) and stored[1]["low"] is None
    with (tmp_path / "claims.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    Table((), (), ()).write(tmp_path)
    assert not (tmp_path / "claims.csv").exists(), "what another plan has left"
    assert [line["verdict"] for line in lines] == ["agrees", "undecided"] and lines[1]["difference"] == ""


def test_notes_say_how_verdicts_are_to_be_read() -> None:
    assert reading_notes([], 3) == []
    many = outcomes("high", "low") * 10
    text = " ".join(reading_notes(many, 3))
    assert "over 3 seeds and the test videos" in text and "of 10 comparisons" in text and "0.5 would be" in text
    assert "have scores for" not in text
    told = "claims: wide and narrow have scores for 70 and 92 frames of day"
    assert told in reading_notes(outcomes("high", "short"), 3)
    assert "nothing of what another training would change" in " ".join(reading_notes(many, 1))
