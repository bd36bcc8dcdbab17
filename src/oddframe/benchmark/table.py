"""The result table of a benchmark: one line per data set, protocol and system, with mean and deviation over seeds; and
one per claim, with its verdict."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oddframe.atomic import replacing, write_text
from oddframe.benchmark.claims import COLUMNS, NUMBERS, Outcome
from oddframe.evaluation.protocol import Result

METRICS = {"micro_auc": "micro AUC", "macro_auc": "macro AUC", "average_precision": "AP", "eer": "EER"}


@dataclass(frozen=True)
class TableFigure:
    """The result of one training of a system on a data set under one protocol. `seed` is None for a baseline."""

    data: str
    system: str
    seed: int | None
    result: Result


@dataclass(frozen=True)
class Cost:
    """Time and memory of one training of a system and of scoring the test set.

    Attributes:
        training_seconds: time in the training loop, without interruptions; None for a baseline.
        frames_per_second: speed of scoring, including decoding, over the frames of the last session; None if the last
            session had nothing left to score.
        training_mib, scoring_mib: peak resident memory of the process in the last session.
        gpu_mib: the larger of both peaks on the GPU; None without a GPU.
    """

    data: str
    system: str
    seed: int | None
    training_seconds: float | None
    frames_per_second: float | None
    training_mib: float | None
    scoring_mib: float | None
    gpu_mib: float | None = None


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes:
        seeds: number of trainings; 0 for a baseline.
        means, deviations: metric -> its mean and its sample standard deviation over the seeds; None where undefined.
            The deviation of a single seed is undefined.
        frames: number of test frames that count for the system under the protocol. A system with a long window has no
            scores at the ends of every video.
        causal, chosen_on_test, causality: see `oddframe.evaluation.protocol.Result`.
    """

    data: str
    protocol: str
    system: str
    seeds: int
    means: dict[str, float | None]
    deviations: dict[str, float | None]
    frames: int
    causal: bool
    chosen_on_test: bool
    causality: str


@dataclass(frozen=True)
class Table:
    """All results of a benchmark.

    Attributes:
        figures, costs: of every training.
        notes: remarks that can change the meaning of a figure.
        claims: of the plan, with their verdicts.
    """

    figures: tuple[TableFigure, ...]
    costs: tuple[Cost, ...]
    notes: tuple[str, ...]
    claims: tuple[Outcome, ...] = ()

    @property
    def lines(self) -> list[Line]:
        """One line per data set, protocol and system, in the order of their first appearance."""
        groups: dict[tuple[str, str, str], list[TableFigure]] = {}
        for figure in self.figures:
            groups.setdefault((figure.data, figure.result.protocol, figure.system), []).append(figure)
        return [_line(*key, figures) for key, figures in groups.items()]

    @property
    def ahead(self) -> list[str]:
        """A sentence for every system that the best baseline is ahead of, by data set and protocol."""
        found = []
        for line in self.lines:
            group = [other for other in self.lines if (other.data, other.protocol) == (line.data, line.protocol)]
            mine = line.means["micro_auc"]
            better = [
                (value, other.system) for other in group if not other.seeds
                and (value := other.means["micro_auc"]) is not None and mine is not None and value > mine
            ]  # fmt: skip
            if line.seeds and better and mine is not None:
                value, name = max(better)
                figures = f"{name} has micro AUC {100 * value:.2f} and {line.system} {100 * mine:.2f}"
                found.append(f"A baseline is ahead on {line.data} under {line.protocol}: {figures}.")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: `ahead`, `claims`, `lines`, every result of every seed, costs and notes."""
        results = [{"data": f.data, "system": f.system, "seed": f.seed, **f.result.to_dict()} for f in self.figures]
        lines = [asdict(line) for line in self.lines]
        costs = [asdict(cost) for cost in self.costs]
        about = {"ahead": self.ahead, "claims": [claim.to_dict() for claim in self.claims], "lines": lines}
        return {**about, "results": results, "costs": costs, "notes": [*self.notes]}

    def to_markdown(self) -> str:
        """Where a baseline is ahead; then claims, table, costs and notes, metrics in per cent."""
        columns = ["data", "protocol", "system", "seeds", *METRICS.values(), "frames", "causal"]
        rows = [
            [line.data, line.protocol, line.system, str(line.seeds or "-")]
            + [_cell(line.means[metric], line.deviations[metric]) for metric in METRICS]
            + [str(line.frames), line.causality]
            for line in self.lines
        ]
        parts = ["\n".join(f"- {sentence}" for sentence in self.ahead)] if self.ahead else []
        if self.claims:
            parts.append(markdown_table(COLUMNS, [claim.cells for claim in self.claims], NUMBERS))
        parts.append(markdown_table(columns, rows, ["seeds", *METRICS.values(), "frames"]))
        columns = ["data", "system", "seed", "training s", "frames/s", "training MiB", "scoring MiB", "GPU MiB"]
        rows = [[_plain(value) for value in asdict(cost).values()] for cost in self.costs]
        parts.append(markdown_table(columns, rows, columns[2:]))
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"

    def write(self, out: Path) -> None:
        """Write `table.md`, `table.csv` (one row per line of the table), `table.json`, and where there are claims
        `claims.csv`, each atomically."""
        write_text(out / "table.md", self.to_markdown())
        write_text(out / "table.json", json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n")
        with replacing(out / "table.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            spread = [f"{metric}{suffix}" for metric in METRICS for suffix in ("", "_sd")]
            table.writerow(["data", "protocol", "system", "seeds", *spread, "frames", "causal", "chosen_on_test"])
            for line in self.lines:
                values = [of[metric] for metric in METRICS for of in (line.means, line.deviations)]
                cells = ["" if value is None else f"{value:.6f}" for value in values]
                last = [line.frames, int(line.causal), int(line.chosen_on_test)]
                table.writerow([line.data, line.protocol, line.system, line.seeds, *cells, *last])
        if not self.claims:
            (out / "claims.csv").unlink(missing_ok=True)  # of another plan
        else:
            with replacing(out / "claims.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
                rows = [claim.row for claim in self.claims]
                claims = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                claims.writeheader()
                claims.writerows(rows)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()) -> str:
    """A Markdown table without a final newline. Columns named in `numbers` are aligned to the right."""
    rule = ["---:" if column in numbers else "---" for column in columns]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (columns, rule, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _line(data: str, protocol: str, system: str, figures: Sequence[TableFigure]) -> Line:
    values = {metric: [getattr(figure.result, metric) for figure in figures] for metric in METRICS}
    means = {metric: _defined(float(np.mean(of))) for metric, of in values.items()}
    deviations = {metric: _defined(float(np.std(of, ddof=1))) if len(of) > 1 else None for metric, of in values.items()}
    seeds = 0 if figures[0].seed is None else len(figures)
    first = figures[0].result  # these fields are equal for all seeds of a protocol
    return Line(
        data,
        protocol,
        system,
        seeds,
        means,
        deviations,
        first.frames,
        first.causal,
        first.chosen_on_test,
        first.causality,
    )


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _cell(mean: float | None, deviation: float | None) -> str:
    if mean is None:
        return "-"
    return f"{100 * mean:.2f}" + (f" ± {100 * deviation:.2f}" if deviation is not None else "")


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
