"""The code of docs/python.md runs as it stands, but for the time that training takes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "python.md"
SHORTER = ('budget="30m"', 'budget="2steps"')


@pytest.mark.slow
def test_the_code_of_the_page_runs_from_top_to_bottom(
    street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(street / "training" / "videos", tmp_path / "videos" / "normal")
    shutil.copytree(street / "testing", tmp_path / "testing")
    for number, name in ((1, "new"), (2, "newer")):
        shutil.copy(street / "testing" / "videos" / f"0{number}.mp4", tmp_path / "videos" / f"{name}.mp4")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "cache"))
    text = PAGE.read_text(encoding="utf-8")
    assert SHORTER[0] in text
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 8
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block.replace(*SHORTER), str(PAGE), "exec"), names)
    printed = capsys.readouterr().out
    assert "Run of sdmae" in printed and "Scores of 2 videos" in printed and "sdmae honest" in printed
    assert (tmp_path / "scores" / "report.html").is_file()
