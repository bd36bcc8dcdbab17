"""A rehearsal on the CPU of the day on a GPU, and what supervises it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import gpu_day
from gpu_day import Day, Outcome, Step

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def day(out: Path, minutes: float = 10.0, number: float = 1.0) -> Day:
    return Day("street", out, None, "cpu", True, (), number, time.time() + 60 * minutes)


@pytest.mark.slow
def test_rehearsal(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "gpu_day.py"), "street", str(tmp_path), "--device", "cpu", "--quick"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stdout + first.stderr
    notes = {note["name"]: note for note in gpu_day.notes(day(tmp_path))}
    assert {name: note["status"] for name, note in notes.items() if note["status"] != "done"} == {
        "train-memae": "waiting"
    }
    for system in ("mnad", "sdmae", "mpn", "std", "memae", "dakd", "mil"):
        checks = notes[f"smoke-{system}"]["rows"]
        assert len(checks) >= 5 and not [row for row in checks if "DIFFERS" in row[2] or "FAILED" in row[2]]
    for system in ("mnad", "sdmae", "mpn", "std", "memae"):
        ways = {(row[2], row[3]) for row in notes[f"steps-{system}"]["rows"]}
        assert ways == {("host", "as they come"), ("device", "as they come"), ("device", "recorded")}
        assert {"graphs", "samples_per_s"} == notes[f"steps-{system}"]["facts"].keys()
    protocols = {row[3] for name in notes if name.startswith("train-") for row in notes[name].get("rows", [])}
    assert {
        "`honest`",
        "`paper/mnad`",
        "`paper/sdmae/ped2`",
        "`paper/std`",
        "`paper/mpn`",
        "`paper/memae`",
    } <= protocols
    waiting = notes["train-rest"]["notes"][0]
    assert waiting.startswith("memae: ") and "% of the published samples" in waiting
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "A rehearsal" in report and "| train-memae | waiting |" in report

    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0 and "smoke" not in again.stdout, "what ended is not run again"


STEPS = """
import os, time
from pathlib import Path
from gpu_day import Outcome, Step

def good(day):
    return Outcome("Table", ["a"], [["1"]], facts={"speed": 3})

def bad(day):
    raise ValueError("no such layer")

def crash(day):
    os._exit(9)

def slow(day):
    time.sleep(30)

def needs(seconds):
    return lambda day: seconds

def steps(day):
    return [Step("good", needs(1), good), Step("bad", needs(1), bad), Step("crash", needs(1), crash),
            Step("long", needs(3600), good), Step("slow", needs(1), slow), Step("after", needs(0.1), good)]

def works(device):
    return True
"""


def supervised(folder: Path, seconds: float) -> tuple[int, dict[str, str]]:
    """How a day of these steps ends, and how each of its steps."""
    (folder / "gpu_steps.py").write_text(STEPS, encoding="utf-8")
    (folder / "run.py").write_text("import sys, gpu_day\nsys.exit(gpu_day.main())\n", encoding="utf-8")
    given = day(folder / "out", seconds / 60, number=time.time())
    given.work.mkdir(parents=True, exist_ok=True)
    before, os.environ["PYTHONPATH"] = os.environ.get("PYTHONPATH", ""), f"{folder}:{BENCHMARKS}"
    os.environ["PYTHONPATH"] += f":{before}" if before else ""
    try:
        status = gpu_day.supervise(given, [sys.executable, str(folder / "run.py"), "street", str(given.out)])
    finally:
        os.environ["PYTHONPATH"] = before
    return status, {note["name"]: note["status"] for note in gpu_day.notes(given)}


@pytest.mark.slow
def test_a_step_that_fails_or_ends_its_process_does_not_end_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_day, "GRACE", 0.5)
    status, ended = supervised(tmp_path, 6)
    assert status == 1
    assert ended == {"good": "done", "bad": "failed", "crash": "failed", "long": "waiting", "slow": "stopped"}
    notes = {note["name"]: note for note in gpu_day.notes(day(tmp_path / "out"))}
    assert notes["bad"]["error"] == "ValueError: no such layer" and "Traceback" in notes["bad"]["traceback"]
    assert notes["crash"]["error"] == "its process ended with status 9"
    assert notes["long"]["error"].startswith("needs about 3600 s, and ")
    assert notes["good"]["facts"] == {"speed": 3}


def test_the_report_joins_rows_of_one_table(tmp_path: Path) -> None:
    given = day(tmp_path)
    given.write("one", "done", seconds=1.0, **vars(Outcome("Table", ["a", "b"], [["1", "2"]], ["a note"])))
    given.write("two", "done", seconds=2.0, **vars(Outcome("Table", ["a", "b"], [["3", "4"]])))
    given.write("three", "failed", error="ValueError: no", seconds=0.5)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |" in text and "- a note" in text
    assert "| three | failed | 0.5 | ValueError: no |" in text
    assert given.facts("three") == {} and given.facts("none") == {}


def test_a_step_is_run_once_in_a_call_and_again_in_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def work(given: Day) -> Outcome:
        ran.append(given.number)
        raise ValueError("always")

    module = SimpleNamespace(steps=lambda given: [Step("bad", lambda given: 1.0, work)], works=lambda device: True)
    monkeypatch.setitem(sys.modules, "gpu_steps", module)
    monkeypatch.setattr(gpu_day.signal, "signal", lambda *_: None)
    for number in (1.0, 1.0, 2.0):
        assert gpu_day.work(day(tmp_path, number=number)) == 0
    assert ran == [1.0, 2.0]
    module.works = lambda device: False
    assert gpu_day.work(day(tmp_path, number=3.0)) == gpu_day.BROKEN
    assert json.loads((tmp_path / "steps" / "bad.json").read_text())["status"] == "failed"


def test_time_that_is_not_left_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Step("long", lambda given: 1e6, lambda given: 1 / 0)
    monkeypatch.setitem(sys.modules, "gpu_steps", SimpleNamespace(steps=lambda given: [step]))
    monkeypatch.setattr(gpu_day.signal, "signal", lambda *_: None)
    assert gpu_day.work(day(tmp_path)) == 0
    assert day(tmp_path).note("long")["status"] == "waiting"
