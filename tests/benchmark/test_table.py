"""The table of a benchmark: means, deviations, undefined figures, and the three forms of it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from oddframe.benchmark.memory import peak_memory, peak_mib
from oddframe.benchmark.table import Cost, Table, TableFigure, markdown_table
from oddframe.evaluation.protocol import Protocol, evaluate
from oddframe.scoring.combine import ScoreRule
from oddframe.settings import Smoothing
from oddframe.types import Combination, FrameScores, VideoInfo

INFO = VideoInfo("a", "a", 8, 8, None, 4)
SCORES = FrameScores("a", np.arange(4), np.arange(4.0), {"x": np.arange(4.0)}, np.arange(4.0), INFO)
RESULT = evaluate(
    [SCORES], {"a": np.array([0, 0, 1, 1])}, Protocol("p", ""), ScoreRule(Combination({"x": 1.0}), Smoothing("none"))
)


def figure(system: str, seed: int | None, micro: float, protocol: str = "p") -> TableFigure:
    return TableFigure(
        "street", system, seed, replace(RESULT, protocol=protocol, micro_auc=micro, macro_auc=float("nan"))
    )


TABLE = Table(
    (
        figure("a", 0, 0.5),
        figure("a", 1, 0.75),
        figure("b", 0, 0.25),
        figure("line", None, 0.5),
        figure("a", 0, 0.1, "q"),
    ),
    (Cost("street", "a", 0, 12.25, 100.0, 300.0, 200.0), Cost("street", "line", None, None, None, None, 200.0)),
    ("the labels are others",),
)


def test_means_and_deviations_over_the_seeds() -> None:
    first, second, third, fourth = TABLE.lines
    assert [(line.protocol, line.system, line.seeds) for line in TABLE.lines] == [
        ("p", "a", 2), ("p", "b", 1), ("p", "line", 0), ("q", "a", 1),
    ]  # fmt: skip
    assert first.means["micro_auc"] == pytest.approx(0.625)
    assert first.deviations["micro_auc"] == pytest.approx(0.125 * 2**0.5)  # of a sample: divided by n - 1
    assert first.means["macro_auc"] is None and first.deviations["macro_auc"] is None
    assert second.deviations["micro_auc"] is None and third.deviations["micro_auc"] is None
    assert (fourth.frames, fourth.causal, fourth.chosen_on_test) == (4, True, False)


def test_where_a_baseline_is_ahead_it_is_said_first() -> None:
    wanted = "A baseline is ahead on street under p: line has micro AUC 50.00 and b 25.00."
    assert TABLE.ahead == [wanted], "not of a, and not under q, which has no baseline"
    assert TABLE.to_markdown().splitlines()[0] == f"- {wanted}"
    assert TABLE.to_dict()["ahead"] == [wanted]


def test_the_three_forms_say_the_same(tmp_path: Path) -> None:
    TABLE.write(tmp_path)
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| street | p | a | 2 | 62.50 ± 17.68 | - | 100.00 ± 0.00 | 0.00 ± 0.00 | 4 | yes |" in text
    assert "| street | p | line | - | 50.00 | - |" in text
    assert "| street | a | 0 | 12.2 | 100.0 | 300.0 | 200.0 | - |" in text and "- the labels are others" in text
    rows = list(csv.DictReader((tmp_path / "table.csv").open(encoding="utf-8")))
    assert [row["micro_auc"] for row in rows] == ["0.625000", "0.250000", "0.500000", "0.100000"]
    assert (rows[0]["micro_auc_sd"], rows[0]["macro_auc"], rows[1]["micro_auc_sd"]) == ("0.176777", "", "")
    stored = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(TABLE.to_dict(), allow_nan=False))
    assert len(stored["results"]) == 5 and stored["results"][0]["macro_auc"] is None


def test_markdown_keeps_its_columns() -> None:
    assert markdown_table(["a", "b"], [["x|y", "1"]], ["b"]) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 |"


def test_peak_memory_is_that_of_the_block() -> None:
    big = np.ones(40 << 17)  # 40 MiB
    del big
    with peak_memory() as small:
        pass
    with peak_memory() as peak:
        big = np.ones(40 << 17)
        del big
    assert 0 < small.mib <= peak_mib()
    assert peak.mib - small.mib > 30 or peak.mib == peak_mib()  # where the peak cannot be set back it is the process's
